/* The view "Segments": all of them, or those of a speaker, voice or recording; choose several to name or move them. */

import { get, inCollection } from "../api.js";
import { button, byId, el, fileOf, plural, setText, shortId } from "../dom.js";
import { nameVoice, splitSpeaker } from "../labelling.js";
import { nameField } from "../name_field.js";
import { allSpeakers } from "../names.js";
import { addressOf, here } from "../routes.js";
import { segmentRow } from "../segment_row.js";
import { state } from "../state.js";
import { attempt } from "../toast.js";
import { virtualList } from "../virtual.js";

const PAGE = 500;
let query = {};
let cursor = null; // where the listing goes on
let loading = null;
const chosen = new Map();
let list = null;
let giveTo = null;

function narrowing() {
  return {
    speaker: query.speaker, cluster_id: query.cluster, recording_id: query.recording,
    unnamed: query.show === "unnamed" ? "true" : null, suggested: suggestedOnly() ? "true" : null,
  };
}

const suggestedOnly = () => query.show === "suggested";

/** The rows after a place, as many as are wanted or there are; what is asked for may change meanwhile: then null. */
async function rowsAfter(after, most) {
  const asked = JSON.stringify([state.collection, query]);
  const found = [];
  let next = after;
  do {
    const limit = Math.min(1000, most - found.length);
    const page = await get(inCollection(state.collection, "/segments"), { ...narrowing(), limit, after: next });
    if (asked !== JSON.stringify([state.collection, query])) return null;
    found.push(...page.items);
    next = page.next;
  } while (next && found.length < most);
  return { found, next };
}

/** Read again as far as it was read, for names have changed; or on from there. */
async function read({ on = false } = {}) {
  const known = on ? list.rows() : [];
  const answer = await rowsAfter(on ? cursor : null, on ? PAGE : Math.max(PAGE, list.rows().length));
  if (!answer) return;
  cursor = answer.next;
  const rows = [...known, ...answer.found];
  if (suggestedOnly()) rows.sort((a, b) => b.suggestion_probability - a.suggestion_probability);
  rows.forEach((row) => chosen.has(row.segment_id) && chosen.set(row.segment_id, row));
  tell(rows);
  list.show(rows);
}

/** One reading at a time: what comes meanwhile is read after it. */
function load(how) {
  query = here().query;
  drawFilters();
  const mine = (loading || Promise.resolve()).catch(() => {}).then(() => read(how));
  const done = mine.finally(() => {
    if (loading !== done) return;
    loading = null;
    list.draw(); // somebody may have come to the end meanwhile
  });
  loading = done;
  return done;
}

function tell(found) {
  setText(byId("segments-facts"), found.length ? `${plural(found.length, "segment")}${cursor ? " and more" : ""}` : "");
  const empty = byId("no-segments");
  empty.hidden = found.length > 0;
  const words = {
    suggested: "No suggestions just now. They come when a voice sounds like somebody, but not surely enough.",
    unnamed: "Every segment has a name. Well done.",
  };
  setText(empty, words[query.show] || "No segments here yet.");
}

function drawFilters() {
  byId("show").value = query.show || "";
  const speakers = byId("of-speaker");
  const names = ["", ...allSpeakers().map((speaker) => speaker.name)];
  if (query.speaker && !names.includes(query.speaker)) names.push(query.speaker);
  speakers.replaceChildren(...names.map((name) => el("option", { value: name }, name || "anybody")));
  speakers.value = query.speaker || "";
  speakers.disabled = Boolean(query.show);
  const tags = [];
  if (query.cluster) tags.push(tag(`voice ${shortId(query.cluster)}`, "cluster"));
  if (query.recording) tags.push(tag(query.file || "one recording", "recording"));
  byId("narrowed").replaceChildren(...tags);
}

function tag(text, name) {
  const fewer = { ...query, [name]: "", file: name === "recording" ? "" : query.file };
  return el("a", { class: "tag", href: addressOf("segments", fewer), title: "Show all again" }, `${text} ×`);
}

function change(part) {
  location.hash = addressOf("segments", { ...query, ...part });
}

function move(line, step) {
  const at = list.rows().findIndex((row) => row.segment_id === line.dataset.key);
  const next = list.reveal(at + step);
  if (next) next.form.focusField();
}

function select(row, isChosen) {
  if (isChosen) chosen.set(row.segment_id, row);
  else chosen.delete(row.segment_id);
  drawChosen();
}

function drawChosen() {
  byId("chosen").hidden = chosen.size === 0;
  const owners = new Set([...chosen.values()].map((row) => row.speaker));
  const owner = owners.size === 1 ? [...owners][0] : null;
  setText(byId("chosen-facts"), `${plural(chosen.size, "segment")} chosen${owner ? ` of ${owner}` : ""}`);
  giveTo.hint(owner ? `Not ${owner} but…` : "Who is it?");
}

/** Of one speaker: part of them is somebody else, a split. Of several, or of nobody: a label. */
async function give(name, options) {
  const ids = [...chosen.keys()];
  const owners = new Set([...chosen.values()].map((row) => row.speaker));
  const [owner] = owners;
  const split = owners.size === 1 && owner && owner !== name;
  const done = split ? await splitSpeaker(owner, ids, name) : await nameVoice({ segment_ids: ids }, name, options);
  if (done) clear();
  return done;
}

function clear() {
  chosen.clear();
  drawChosen();
  list.show(list.rows());
}

export const segments = {
  topics: ["names", "files"],
  load: () => load(),
  reset() {
    cursor = null;
    chosen.clear();
    list.show([]);
    drawChosen();
    scrollTo(0, 0);
  },
  watch() {
    list = virtualList(byId("segment-list"), {
      key: (row) => row.segment_id,
      make: (row) => segmentRow(row, { move, select, chosen: (one) => chosen.has(one.segment_id) }),
      reachedEnd: () => {
        if (cursor && !loading) attempt(() => load({ on: true }));
      },
    });
    giveTo = nameField({ label: "Name the chosen segments", submit: give, action: "Give" });
    byId("chosen").append(giveTo, button("Clear", clear));
    byId("show").addEventListener("change", () => change({ show: byId("show").value, speaker: "" }));
    byId("of-speaker").addEventListener("change", () => change({ speaker: byId("of-speaker").value, show: "" }));
    byId("choose-all").addEventListener("click", () => {
      list.rows().forEach((row) => chosen.set(row.segment_id, row));
      list.show(list.rows());
      drawChosen();
    });
  },
};

export const segmentsOf = (recording) => addressOf("segments", {
  recording: recording.recording_id, file: fileOf(recording.object_keys[0], state.collection),
});
