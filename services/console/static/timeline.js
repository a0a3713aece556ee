/* A recording as a line of its segments, coloured by speaker; grey: unnamed, hatched: suggested. Arrow keys walk. */

import { clock, el, setText, svg } from "./dom.js";
import { colourNumber } from "./names.js";

const HEIGHT = 30;
const COLOURS = 12;

/** The fills of suggestions, once for the whole page. */
export function hatches() {
  const tile = { width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" };
  const stripes = () => [
    svg("rect", { width: 6, height: 6, class: "hatch-ground" }),
    svg("rect", { width: 2.6, height: 6, class: "hatch-line" }),
  ];
  const pattern = (_, n) => svg("pattern", { id: `hatch-${n}`, class: `c${n}`, ...tile }, ...stripes());
  const patterns = Array.from({ length: COLOURS }, pattern);
  const holder = { width: 0, height: 0, "aria-hidden": "true", class: "hatches" };
  document.body.append(svg("svg", holder, svg("defs", {}, ...patterns)));
}

function groupOf(row) {
  if (row.speaker) return `c${colourNumber(row.speaker)}`;
  return row.suggestion ? `h${colourNumber(row.suggestion)}` : "c-none";
}

function told(row) {
  const name = row.speaker || (row.suggestion ? `perhaps ${row.suggestion}` : "nobody yet");
  return `${clock(row.start_s)} – ${clock(row.end_s)}: ${name}`;
}

/** `keys` maps keys to what they do with the segment one stands at; `chosen(row)` is called when one is pressed. */
export function timeline({ label, keys = {}, chosen = () => {} }) {
  const drawing = svg("svg", { height: HEIGHT, "aria-hidden": "true", class: "lane" });
  const caption = el("span", { class: "quiet caption" });
  const strip = el("div", {
    class: "timeline", role: "slider", tabindex: "0",
    "aria-label": label, "aria-valuemin": "1", "aria-valuemax": "1", "aria-valuenow": "1",
  }, drawing);
  const element = el("div", { class: "timeline-box" }, strip, caption);
  let rows = [];
  let lengthS = 1;
  let at = -1;

  const x = (seconds) => (seconds / lengthS) * strip.clientWidth;

  function draw() {
    if (!strip.clientWidth) return;
    drawing.setAttribute("width", strip.clientWidth);
    const groups = new Map();
    rows.forEach((row) => {
      const from = x(row.start_s);
      const wide = Math.max(1.5, x(row.end_s) - from - 0.8);
      const group = groupOf(row);
      const box = `M${from.toFixed(1)} 6h${wide.toFixed(1)}v${HEIGHT - 12}h-${wide.toFixed(1)}z`;
      groups.set(group, (groups.get(group) || "") + box);
    });
    const paths = [...groups].map(([group, d]) => {
      const path = svg("path", { d, class: group.startsWith("h") ? "hatched" : `turn ${group}` });
      if (group.startsWith("h")) path.setAttribute("fill", `url(#hatch-${group.slice(1)})`);
      return path;
    });
    drawing.replaceChildren(...paths);
    mark();
  }

  function mark() {
    drawing.querySelectorAll(".here").forEach((old) => old.remove());
    const row = rows[at];
    const share = `${rows.filter((one) => one.speaker).length} of ${rows.length} named`;
    setText(caption, row ? told(row) : share);
    if (!row) {
      strip.setAttribute("aria-valuetext", share);
      return;
    }
    strip.setAttribute("aria-valuenow", at + 1);
    strip.setAttribute("aria-valuetext", `Segment ${at + 1} of ${rows.length}, ${told(row)}`);
    const width = Math.max(4, x(row.end_s) - x(row.start_s) + 1);
    drawing.append(svg("rect", { class: "here", x: x(row.start_s) - 1, y: 2, width, height: HEIGHT - 4, rx: 3 }));
  }

  function goto(index) {
    if (!rows.length) return;
    at = Math.max(0, Math.min(rows.length - 1, index));
    mark();
  }

  function nearest(seconds) {
    let best = 0;
    rows.forEach((row, index) => {
      const off = (one) => Math.max(one.start_s - seconds, seconds - one.end_s, 0);
      if (off(row) < off(rows[best])) best = index;
    });
    return best;
  }

  strip.addEventListener("click", (event) => {
    const share = (event.clientX - strip.getBoundingClientRect().left) / strip.clientWidth;
    goto(nearest(share * lengthS));
    if (rows[at]) chosen(rows[at]);
  });
  strip.addEventListener("focus", () => at < 0 && goto(0));
  strip.addEventListener("keydown", (event) => {
    const [before, after] = [at - 1, at + 1];
    const steps = {
      ArrowRight: after, ArrowDown: after, ArrowLeft: before, ArrowUp: before, Home: 0, End: rows.length - 1,
    };
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in steps) goto(steps[event.key]);
    else if (keys[event.key] && rows[at]) keys[event.key](rows[at]);
    else return;
    event.preventDefault();
  });
  new ResizeObserver(draw).observe(strip);
  element.show = (segments, durationS, selected = null) => {
    const stood = rows[at] && rows[at].segment_id;
    rows = segments;
    lengthS = Math.max(durationS, 0.1);
    strip.setAttribute("aria-valuemax", Math.max(1, rows.length));
    at = rows.findIndex((row) => row.segment_id === (selected || stood));
    if (at < 0 && rows.length && document.activeElement === strip) at = 0;
    draw();
  };
  return element;
}
