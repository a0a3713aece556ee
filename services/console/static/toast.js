/* Short messages at the foot of the page, with a way back where there is one. */

import { button, byId, el } from "./dom.js";

let timer = 0;
let shownFor = null;

function schedule(ms) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    if (byId("notice").matches(":hover, :focus-within")) schedule(2000); // somebody is reading, or about to press
    else dismiss();
  }, ms);
}

export function dismiss() {
  byId("notice").classList.remove("shown");
  shownFor = null;
}

/** `about` names what the message is about, so that later news of it can be added; `actions` are [text, run]. */
export function toast(text, { failed = false, remedy = "", about = null, actions = [] } = {}) {
  const box = byId("notice");
  shownFor = about;
  const buttons = actions.map(([label, run]) => button(label, () => { dismiss(); run(); }));
  const close = button("×", dismiss, { class: "close", "aria-label": "Dismiss" });
  box.replaceChildren(el("p", { class: "said" }, text, remedy ? el("span", { class: "remedy" }, remedy) : null));
  box.append(...buttons, close);
  box.classList.toggle("failed", failed);
  box.classList.add("shown");
  schedule(failed || actions.length ? 12000 : 6000);
}

/** Add news to the message that is still shown about something. Returns whether it was. */
export function amend(about, more) {
  const said = byId("notice").querySelector(".said");
  if (!about || shownFor !== about || !said) return false;
  said.append(` ${more}`);
  return true;
}

export function failure(error) {
  toast(error.message, { failed: true, remedy: error.remedy || "" });
}

/** Do it; say so if it fails. Returns what it returned, or undefined. */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    failure(error);
    return undefined;
  }
}
