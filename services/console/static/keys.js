/* Keys for the whole page. Single letters work outside of fields only, and can be switched off. */

import { byId } from "./dom.js";
import { redoLast, undoLast } from "./labelling.js";
import { addressOf, VIEWS } from "./routes.js";
import { keep, setting } from "./state.js";
import { dismiss } from "./toast.js";
import { closeWhy } from "./why.js";

const LETTERS = { v: "voices", n: "next", s: "segments", r: "recordings", p: "speakers", l: "log" };
let leading = false;

const isField = (element) => element.matches("input:not([type=checkbox]), select, textarea");

function withModifier(event) {
  const key = event.key.toLowerCase();
  const typed = isField(event.target) && event.target.value && event.target.tagName === "INPUT";
  if (typed || event.altKey) return; // the browser undoes what is typed
  if (key === "z" && !event.shiftKey) undoLast();
  else if ((key === "z" && event.shiftKey) || key === "y") redoLast();
  else return;
  event.preventDefault();
}

function pressed(event) {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.ctrlKey || event.metaKey) {
    withModifier(event);
    return;
  }
  if (event.key === "Escape") {
    if (!closeWhy()) dismiss();
    if (isField(event.target)) event.target.blur();
    return;
  }
  if (event.altKey || isField(event.target) || !setting("letters", true)) return;
  const view = leading && LETTERS[event.key.toLowerCase()];
  leading = event.key === "g" && !leading;
  if (leading) setTimeout(() => { leading = false; }, 1500);
  if (view && VIEWS.includes(view)) location.hash = addressOf(view);
  else if (event.key === "?") openHelp();
  else if (event.key === "n") firstField();
  else if (!leading) return;
  event.preventDefault();
}

/** The first name field in sight: from there on everything goes by keys. */
function firstField() {
  const fields = [...document.querySelectorAll(".view:not([hidden]) .name input")];
  const top = document.querySelector("header.top").offsetHeight;
  const field = fields.find((one) => one.offsetParent && one.getBoundingClientRect().top >= top) || fields[0];
  if (field) field.focus();
}

function openHelp() {
  byId("help").showModal();
}

export function watchKeys() {
  addEventListener("keydown", pressed);
  byId("help-open").addEventListener("click", openHelp);
  byId("letters").checked = setting("letters", true);
  byId("letters").addEventListener("change", () => keep("letters", byId("letters").checked));
}
