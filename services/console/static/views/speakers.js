/* The view "Speakers": who is known; rename one, make one of two, or look through the segments of one to part them. */

import { byId, button, el, plural, reconcile, setText } from "../dom.js";
import { mergeSpeakers, renameSpeaker } from "../labelling.js";
import { nameField } from "../name_field.js";
import { allSpeakers, colourOf, loadSpeakers } from "../names.js";
import { addressOf } from "../routes.js";
import { state } from "../state.js";
import { toast } from "../toast.js";

let everywhere = false;

function speakerRow(row) {
  let now = row;
  const mark = el("span", { class: "dot", "aria-hidden": "true" });
  const name = el("h3");
  const facts = el("p", { class: "quiet" });
  const also = el("p", { class: "quiet" });
  const share = el("span", { class: "bar-fill" });
  const place = el("div", { class: "speaker-form" });
  const look = el("a", { class: "members" }, "Segments");
  const rename = button("Rename", () => ask("New name", "Rename", (to) => renameSpeaker(now.name, to)));
  const merge = button("Merge…", () => ask(`Who is ${now.name} too?`, `Merge into ${now.name}`, mergeWith));
  const element = el("li", { class: "card speaker-card" },
    el("div", { class: "card-text" }, el("div", { class: "title" }, mark, name), facts, also),
    el("span", { class: "bar-box", "aria-hidden": "true" }, share),
    el("div", { class: "actions" }, look, rename, merge), place);

  function ask(placeholder, action, run) {
    const form = nameField({
      label: `${action}: ${now.name}`, placeholder, action, submit: async (to) => {
        const done = await run(to);
        if (done) {
          place.replaceChildren();
          await loadSpeakers();
          draw();
        }
        return done;
      },
    });
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      place.replaceChildren();
      rename.focus();
    });
    place.replaceChildren(form);
    form.focusField();
  }

  async function mergeWith(other) {
    if (!allSpeakers().some((speaker) => speaker.name === other)) {
      const remedy = "Choose one of the known names; to give this one another name, rename it.";
      toast(`There is no speaker ${other}.`, { failed: true, remedy });
      return false;
    }
    return mergeSpeakers(now.name, other);
  }

  element.update = (fresh) => {
    now = fresh;
    mark.className = `dot ${colourOf(fresh.name)}`;
    setText(name, fresh.name);
    const where = `${plural(fresh.segments, "segment")} in ${plural(fresh.recordings, "recording")}`;
    setText(facts, `${where}, ${fresh.human.toLocaleString("en")} named by hand`);
    setText(also, fresh.also.length ? `also ${fresh.also.join(", ")}` : "");
    look.href = addressOf("segments", { speaker: fresh.name });
    look.title = "Look through the segments; choose those that are somebody else to part them";
    const most = Math.max(1, ...allSpeakers().map((speaker) => speaker.segments));
    share.className = `bar-fill ${colourOf(fresh.name)}`;
    share.style.setProperty("width", `${(100 * fresh.segments) / most}%`);
  };
  return element;
}

function draw() {
  const here = new Set(state.naming.speakers.map((speaker) => speaker.name));
  const known = allSpeakers();
  const rows = known.filter((speaker) => everywhere || here.has(speaker.name)).sort((a, b) => b.segments - a.segments);
  reconcile(byId("speaker-list"), rows, (row) => row.speaker_id, speakerRow);
  byId("no-speakers").hidden = rows.length > 0;
  const all = known.length.toLocaleString("en");
  setText(byId("speakers-facts"), `${plural(here.size, "speaker")} in this collection, ${all} in all`);
}

async function load() {
  await loadSpeakers();
  draw();
}

export const speakers = {
  topics: ["names"],
  load,
  reset() {
    byId("speaker-list").replaceChildren();
  },
  watch() {
    byId("everywhere").addEventListener("change", () => {
      everywhere = byId("everywhere").checked;
      draw();
    });
  },
};
