/* The view "Log": everything that was said, the latest first, each with its way back; and what rules made of it. */

import { get, inCollection } from "../api.js";
import { button, byId, el, plural, setText, shortId, when } from "../dom.js";
import { undoEntry } from "../labelling.js";
import { dot } from "../names.js";
import { state } from "../state.js";
import { virtualList } from "../virtual.js";
import { openWhy } from "../why.js";

const PAGE = 1000;
const UNDOABLE = ["assign", "reject", "import", "split", "merge", "rename", "switch", "undo"];
let entries = new Map();
let lastPage = null; // the cursor before the last page: from there on the log is read again
let loading = null;
let list = null;

async function read() {
  const asked = state.collection;
  let after = lastPage;
  for (;;) {
    const page = await get(inCollection(asked, "/labels"), { limit: PAGE, after });
    if (asked !== state.collection) return;
    page.items.forEach((entry) => entries.set(entry.label_id, entry));
    if (!page.next) break;
    after = page.next;
    lastPage = after;
  }
  settle();
  draw();
}

/** Old pages are not read again: whether an entry stands follows from those that took it back. */
function settle() {
  const standing = (entry) => {
    const undo = takenBackBy.get(entry.label_id);
    return !(undo && standing(undo));
  };
  const takenBackBy = new Map();
  entries.forEach((entry) => entry.undoes_id && takenBackBy.set(entry.undoes_id, entry));
  entries.forEach((entry) => { entry.active = standing(entry); });
}

function load() {
  if (!loading) loading = read().finally(() => { loading = null; });
  return loading;
}

function draw() {
  const all = [...entries.values()].reverse();
  const followed = new Map();
  all.filter((entry) => entry.cause_id).forEach(({ cause_id: cause, segments }) => {
    followed.set(cause, (followed.get(cause) || 0) + segments);
  });
  const rules = byId("with-rules").checked;
  const rows = all.filter((entry) => rules || UNDOABLE.includes(entry.operation));
  rows.forEach((entry) => { entry.followed = followed.get(entry.label_id) || 0; });
  list.show(rows);
  byId("no-log").hidden = rows.length > 0;
  setText(byId("log-facts"), rows.length ? plural(rows.length, "entry", "entries") : "");
}

function target(entry) {
  if (entry.cluster_id) return `voice ${shortId(entry.cluster_id)}`;
  return entry.segment_id ? "a segment" : plural(entry.segments, "segment");
}

/** An entry as a sentence: who did what. */
function sentence(entry) {
  const { detail } = entry;
  const who = entry.speaker ? [dot(entry.speaker), el("b", {}, entry.speaker)] : [];
  const said = {
    assign: () => [`named ${target(entry)} `, ...who],
    reject: () => ["said that a segment is not ", ...who],
    split: () => [`moved ${plural(entry.segments, "segment")} to `, ...who],
    import: () => [`imported names of ${plural(entry.segments, "segment")}`],
    merge: () => [`made ${detail.goes} and `, ...who, " one speaker"],
    switch: () => [`had ${detail.to} name in the place of ${detail.from}`],
    rename: () => [`renamed ${detail.from} to `, el("b", {}, detail.to || "")],
    undo: () => (undoes(entry) ? ["took back: ", ...sentence(undoes(entry))] : ["took something back"]),
  }[entry.operation];
  return said ? said() : [`${entry.operation}: ${plural(entry.segments, "segment")} `, ...who];
}

function told({ segments, followed }) {
  if (segments && followed) return `${plural(segments, "segment")}, ${followed.toLocaleString("en")} followed`;
  return plural(segments + followed, "segment");
}

const undoes = (entry) => entries.get(entry.undoes_id);

function logRow(row) {
  const what = el("span", { class: "what" });
  const facts = el("span", { class: "quiet facts" });
  const actions = el("span", { class: "actions" });
  const at = el("span", { class: "quiet at" }, when(row.created_at));
  const element = el("li", { class: "entry" }, at, what, facts, actions);
  element.update = (entry) => {
    element.classList.toggle("undone", !entry.active);
    what.replaceChildren(el("span", { class: "actor" }, entry.actor), " ", ...sentence(entry));
    setText(facts, entry.active ? told(entry) : "taken back");
    actions.replaceChildren();
    const why = (event) => openWhy(entry.segment_id, event.currentTarget);
    if (entry.segment_id) actions.append(button("Why?", why, { class: "small" }));
    if (entry.active && UNDOABLE.includes(entry.operation)) {
      const text = entry.operation === "undo" ? "Redo" : "Undo";
      actions.append(button(text, () => undoEntry(entry.label_id, `${what.textContent}.`), { class: "small" }));
    }
  };
  return element;
}

export const log = {
  topics: ["names"],
  load,
  reset() {
    [entries, lastPage] = [new Map(), null];
    list.show([]);
  },
  watch() {
    list = virtualList(byId("log-list"), { key: (entry) => entry.label_id, make: logRow });
    byId("with-rules").addEventListener("change", draw);
  },
};
