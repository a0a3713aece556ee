/* One segment as a row: hear it, see who it is and by what rule, answer a suggestion in place, name it. */

import { button, clock, el, fileOf, percent, setText, span } from "./dom.js";
import { nameVoice, rejectName } from "./labelling.js";
import { nameField } from "./name_field.js";
import { colourOf } from "./names.js";
import { playButton, toggle } from "./player.js";
import { state } from "./state.js";
import { openWhy } from "./why.js";

export const RULES = {
  human: "named by hand", cluster: "by its cluster", identification: "recognised", import: "imported",
};

/** Who a segment belongs to, and how sure that is, as an element with `update(row)`. */
export function who() {
  const mark = el("span", { class: "dot", "aria-hidden": "true" });
  const speaker = el("span", { class: "speaker" });
  const rule = el("span", { class: "quiet rule" });
  const element = el("span", { class: "who" }, mark, speaker, rule);
  element.update = (row) => {
    const suggested = !row.speaker && row.suggestion;
    mark.className = `dot ${colourOf(row.speaker || row.suggestion)}${suggested ? " hollow" : ""}`;
    setText(speaker, row.speaker || (suggested ? `${row.suggestion}?` : "nobody yet"));
    speaker.classList.toggle("nobody", !row.speaker);
    const sure = row.assigned_by === "identification" && row.confidence !== null ? ` ${percent(row.confidence)}` : "";
    const asked = suggested ? `${percent(row.suggestion_probability)} likely` : row.speaker_label || "";
    setText(rule, row.assigned_by ? `${RULES[row.assigned_by]}${sure}` : asked);
  };
  return element;
}

/** The buttons that answer a suggestion, or the name that a rule gave; `update(row)` shows those that fit. */
export function answers() {
  let now = null;
  const yes = button("✓", () => confirmName(now), { class: "yes" });
  const no = button("✗", () => denyName(now), { class: "no" });
  const element = el("span", { class: "answers" }, yes, no);
  element.update = (row) => {
    now = row;
    const name = guessOf(row);
    element.hidden = !name;
    yes.title = `This is ${name} (Enter)`;
    yes.setAttribute("aria-label", `Yes, ${name}`);
    no.title = `This is not ${name} (−)`;
    no.setAttribute("aria-label", `Not ${name}`);
  };
  return element;
}

/** The name that a person may confirm or deny: a suggestion, or what a rule gave. */
export function guessOf(row) {
  if (row.speaker) return row.assigned_by === "human" ? "" : row.speaker;
  return row.suggestion || "";
}

export function confirmName(row, options) {
  const name = guessOf(row);
  return name ? nameVoice({ segment_id: row.segment_id }, name, options) : Promise.resolve(false);
}

export function denyName(row, options) {
  const name = row.speaker || row.suggestion;
  return name ? rejectName(row.segment_id, name, options) : Promise.resolve(false);
}

/** `move(element, step)` moves the focus to another row; `select(row, chosen)` is there where rows can be chosen. */
export function segmentRow(row, { move, select = null, chosen = () => false }) {
  let now = row;
  /** Once it is answered, the keys go on to the next row. */
  const goOn = async (answer) => {
    const done = await answer;
    if (done && line.contains(document.activeElement)) move(line, 1);
    return done;
  };
  const play = playButton([row.segment_id], `the segment at ${clock(row.start_s)}`);
  const box = select && el("input", {
    type: "checkbox", class: "choose", "aria-label": `Choose the segment at ${clock(row.start_s)}`,
    onchange: () => select(now, box.checked),
  });
  const person = who();
  const reply = answers();
  const text = el("span", { class: "spoken" });
  const form = nameField({
    label: `Who speaks in the segment at ${clock(row.start_s)}`,
    submit: (name, options) => goOn(nameVoice({ segment_id: row.segment_id }, name, options)),
    keys: {
      " ": () => toggle(play),
      Enter: () => goOn(confirmName(now)),
      "-": () => goOn(denyName(now)),
      "?": () => openWhy(row.segment_id, form.input),
      "+": () => box && box.click(),
      ArrowDown: () => move(line, 1),
      ArrowUp: () => move(line, -1),
    },
  });
  const why = button("Why?", () => openWhy(row.segment_id, why), {
    class: "why-button", "aria-label": `Why the segment at ${clock(row.start_s)} has its name`,
  });
  const line = el("li", { class: `segment${select ? " choosable" : ""}` }, box, play,
    el("span", { class: "span" }, el("span", { class: "file" }, fileOf(row.object_key, state.collection)),
      el("span", { class: "times" }, span(row)), text),
    person, reply, form, why);
  line.form = form;
  line.update = (fresh) => {
    now = fresh;
    person.update(fresh);
    reply.update(fresh);
    form.hint(guessOf(fresh) ? `Enter: ${guessOf(fresh)}` : "Name");
    setText(text, fresh.text || "");
    if (box) box.checked = chosen(fresh);
  };
  return line;
}
