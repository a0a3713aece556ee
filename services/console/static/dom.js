/* Small helpers for the page. Text always goes in as text, never as markup. */

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children; strings become text nodes. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make the children of `parent` those of `rows`, keeping elements (and so focus and typed text) by key. */
export function reconcile(parent, rows, key, make) {
  const standing = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  rows.forEach((row, index) => {
    let element = standing.get(key(row));
    if (!element) {
      element = make(row);
      element.dataset.key = key(row);
    }
    standing.delete(key(row));
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
    element.update(row);
  });
  standing.forEach((element) => element.remove());
}

export function plural(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/** 83.25 as 1:23.3, 3725 as 1:02:05.0 */
export function clock(seconds) {
  const tenths = Math.round(seconds * 10);
  const hours = Math.floor(tenths / 36000);
  const minutes = Math.floor((tenths % 36000) / 600);
  const rest = ((tenths % 600) / 10).toFixed(1).padStart(4, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}

/** A dot whose colour and four letters stay with a cluster. */
export function clusterDot(clusterId) {
  const dot = el("span", { class: "dot", "aria-hidden": "true" });
  dot.style.setProperty("--hue", String(parseInt(clusterId.slice(0, 4), 16) % 360));
  return dot;
}

export const shortId = (id) => id.slice(0, 4);

let noticeTimer = 0;

export function notice(text, { failed = false } = {}) {
  const toast = byId("notice");
  toast.textContent = text;
  toast.classList.toggle("failed", failed);
  toast.classList.add("shown");
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => toast.classList.remove("shown"), failed ? 12000 : 6000);
}
