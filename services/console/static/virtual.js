/* A list of any length of which only the part in sight is in the document. All rows are `--row` rem high. */

import { reconcile } from "./dom.js";

const SPARE = 6;

/** `list` scrolls with the page; `reachedEnd` is called when its end comes near. */
export function virtualList(list, { key, make, reachedEnd = () => {} }) {
  let rows = [];
  let asked = 0;

  const rowHeight = () => parseFloat(getComputedStyle(list).getPropertyValue("--row")) * 16;

  function draw() {
    asked = 0;
    if (!list.offsetParent) return; // in a view that is not shown
    const height = rowHeight();
    const top = list.getBoundingClientRect().top;
    const first = Math.max(0, Math.floor(-top / height) - SPARE);
    const last = Math.min(rows.length, Math.ceil((innerHeight - top) / height) + SPARE);
    const focused = list.contains(document.activeElement) ? document.activeElement.closest("[data-key]") : null;
    const places = [];
    for (let index = first; index < last; index += 1) places.push(index);
    if (focused && (focused.place < first || focused.place >= last)) {
      const index = rows.findIndex((row) => key(row) === focused.dataset.key);
      if (index >= 0) places.push(index);
      places.sort((a, b) => a - b);
    }
    list.style.height = `${rows.length * height}px`;
    const place = new Map(places.map((index) => [key(rows[index]), index]));
    reconcile(list, places.map((index) => rows[index]), key, make);
    [...list.children].forEach((child) => {
      const index = place.get(child.dataset.key);
      child.place = index;
      child.style.transform = `translateY(${index * height}px)`;
      child.setAttribute("aria-posinset", index + 1);
      child.setAttribute("aria-setsize", rows.length);
      child.classList.toggle("last", index === rows.length - 1);
    });
    if (rows.length - last < 50) reachedEnd();
  }

  function soon() {
    if (!asked) asked = requestAnimationFrame(draw);
  }

  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  return {
    show(fresh) {
      rows = fresh;
      draw();
    },
    draw: soon,
    rows: () => rows,
    /** The element of the row at a place, scrolled into sight. */
    reveal(index) {
      if (index < 0 || index >= rows.length) return null;
      const height = rowHeight();
      const top = list.getBoundingClientRect().top + index * height;
      const above = document.querySelector("header.top").offsetHeight + 8;
      if (top < above) scrollBy(0, top - above - height);
      else if (top + height > innerHeight - 80) scrollBy(0, top + 2 * height - innerHeight + 80);
      draw();
      return list.querySelector(`[data-key="${CSS.escape(key(rows[index]))}"]`);
    },
  };
}
