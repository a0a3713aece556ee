/* Small helpers for the page. Text always goes in as text, never as markup. */

export const byId = (id) => document.getElementById(id);

/** An element with attributes and children: strings become text nodes, functions listeners of `onclick` and so on. */
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(attributes).forEach(([name, value]) => element.setAttribute(name, value));
  element.append(...children);
  return element;
}

export function button(text, onclick, attributes = {}) {
  return el("button", { type: "button", onclick, ...attributes }, text);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make the children of `parent` those of `rows`, keeping elements (and so focus and typed text) by key. */
export function reconcile(parent, rows, key, make) {
  const wanted = new Set(rows.map(key));
  const standing = new Map();
  [...parent.children].forEach((child) => {
    if (wanted.has(child.dataset.key)) standing.set(child.dataset.key, child);
    else child.remove(); // first: then those that stay need not move, and a moved element loses its focus
  });
  rows.forEach((row, index) => {
    let element = standing.get(key(row));
    if (!element) {
      element = make(row);
      element.dataset.key = key(row);
    }
    if (parent.children[index] !== element) parent.insertBefore(element, parent.children[index] || null);
    element.update(row);
  });
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

export const span = (row) => `${clock(row.start_s)} – ${clock(row.end_s)}`;

export const percent = (share) => `${Math.round(100 * share)}\u00a0%`;

const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const DAY_AND_TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A time: of today without its date. */
export function when(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  const text = today ? `today, ${TIME.format(at)}` : DAY_AND_TIME.format(at);
  return el("time", { datetime: iso, title: DAY_AND_TIME.format(at) }, text);
}

/** What tells clusters apart for people: ids begin with the time, so their end does. */
export const shortId = (id) => id.slice(-4);

/** A key without its collection. */
export const fileOf = (key, collection) => (key ? key.slice(collection.length + 1) : "a recording without a file");
