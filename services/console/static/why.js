/* The panel that tells why a segment has its name: the chain in sentences, the history, and a way back at each step. */

import { get } from "./api.js";
import { button, byId, el, fileOf, percent, plural, shortId, span, when } from "./dom.js";
import { undoEntry } from "./labelling.js";
import { chip } from "./names.js";
import { playButton } from "./player.js";
import { answers, RULES } from "./segment_row.js";
import { on, state } from "./state.js";
import { attempt } from "./toast.js";

const STATEMENTS = ["assign", "reject", "import", "split", "merge", "rename"];
const DEEDS = {
  assign: "named", reject: "said who it is not", import: "imported", split: "moved to another speaker",
  merge: "merged two speakers", rename: "renamed", undo: "took back", propagate: "followed its cluster",
  identify: "recognised", cluster: "clustered anew", calibrate: "calibrated anew", spread: "spread",
  switch: "let another encoder name",
};
let shown = null;
let cameFrom = null;

export function openWhy(segmentId, from = null) {
  shown = segmentId;
  cameFrom = from;
  byId("why").hidden = false;
  document.body.classList.add("with-panel");
  byId("why-body").replaceChildren(el("p", { class: "quiet" }, "Looking it up…"));
  byId("why-title").focus();
  return attempt(load);
}

export function closeWhy() {
  if (!shown) return false;
  shown = null;
  byId("why").hidden = true;
  document.body.classList.remove("with-panel");
  if (cameFrom && cameFrom.isConnected) cameFrom.focus();
  return true;
}

async function load() {
  const asked = shown;
  if (!asked) return;
  const [why, segment] = await Promise.all([get(`/v1/segments/${asked}/why`), get(`/v1/segments/${asked}`)]);
  if (asked !== shown) return;
  const reply = answers();
  reply.update(segment);
  const name = why.speaker ? chip(why.speaker) : el("span", { class: "chip c-none" }, "nobody yet");
  byId("why-body").replaceChildren(
    el("div", { class: "why-head" },
      playButton([asked], "this segment"),
      el("div", {}, el("p", { class: "file" }, fileOf(segment.object_key, state.collection)),
        el("p", { class: "quiet" }, span(segment)))),
    segment.text ? el("blockquote", {}, segment.text) : "",
    el("div", { class: "why-name" }, name, reply),
    el("ol", { class: "chain" }, ...chain(why)),
    el("h3", {}, "What happened"),
    history(why.history),
  );
}

const said = (word) => [el("b", {}, word.actor), " (", when(word.said_at), ")"];

/** What a word was about: this very segment, another one, or a cluster. */
function about(word, segmentId) {
  if (word.cluster_id) return `the voice ${shortId(word.cluster_id)}`;
  if (word.segment_id && word.segment_id !== segmentId) return "a segment";
  return word.segment_id ? "this very segment" : "this among several segments";
}

/** A sentence about what a person said, with the way back from it. */
function sentence(opening, word, why) {
  const text = `${word.speaker || why.speaker} for ${about(word, null)}.`;
  const undo = button("Undo", () => undoEntry(word.label_id, text), { class: "small" });
  return el("li", {}, opening, ...said(word), ` named ${about(word, why.segment_id)}. `, undo);
}

/** Why it has its name: one step for each reason, down to what people said. */
function reasons(why) {
  const { because: word, enrolment } = why;
  if (why.assigned_by === "human") return word ? [sentence("Named by hand: ", word, why)] : [];
  if (why.assigned_by === "import") return word ? [sentence("Imported: ", word, why)] : [];
  if (why.assigned_by === "cluster") {
    const voice = why.cluster ? `the voice ${shortId(why.cluster.cluster_id)}` : "a voice";
    const several = why.cluster && why.cluster.named.length > 1 && word && !word.cluster_id;
    const named = several ? why.cluster.named.map((one) => `${one.speaker} (${one.segments})`).join(", ") : "";
    const first = el("li", {}, several
      ? `It belongs to ${voice}, in which several were named: ${named}. Of those it is nearest to ${why.speaker}.`
      : `It belongs to ${voice}, and that has this name.`);
    const opening = several ? "They are known there because " : "The voice has it because ";
    return word ? [first, sentence(opening, word, why)] : [first];
  }
  if (why.assigned_by === "identification") {
    const known = plural(enrolment ? enrolment.segments : 0, "segment");
    const sure = `It sounds like ${why.speaker}: ${percent(why.confidence)} sure, compared with ${known} of theirs.`;
    const words = enrolment ? enrolment.words : [];
    return [el("li", {}, sure), ...words.map((one) => sentence("Their voice is known because ", one, why))];
  }
  return [el("li", {}, "No person and no rule has named this segment.")];
}

function chain(why) {
  const steps = reasons(why);
  const say = (text) => steps.push(el("li", {}, text));
  if (why.suggestion && !why.speaker) {
    const likely = percent(why.suggestion_probability);
    say(`It may be ${why.suggestion}: ${likely} likely, which is too little to say so without a person.`);
  }
  if (why.cluster) {
    const { segments, probability, cohesion, cluster_id: id } = why.cluster;
    const voice = `voice ${shortId(id)}, cohesion ${cohesion.toFixed(2)}`;
    const others = plural(segments - 1, "other segment");
    say(`It sounds like ${others} (${voice}); it belongs there to ${percent(probability)}.`);
  } else say("It sounds like no other voice: it is in no cluster.");
  if (why.rejected.length) say(`Somebody said that it is not ${why.rejected.join(", nor ")}.`);
  return steps;
}

function changeRow(change) {
  const rule = RULES[change.assigned_by];
  const wayBack = button(change.operation === "undo" ? "Redo" : "Undo", () => {
    undoEntry(change.label_id, `${change.speaker || "A change"}.`);
  }, { class: "small" });
  return el("tr", {},
    el("td", {}, when(change.at)),
    el("td", {}, change.speaker ? chip(change.speaker) : el("i", { class: "nobody" }, "nobody")),
    el("td", { class: "quiet" }, `${DEEDS[change.operation] || change.operation}${rule ? ` (${rule})` : ""}`,
      el("br"), change.actor),
    el("td", {}, STATEMENTS.includes(change.operation) || change.operation === "undo" ? wayBack : ""));
}

function history(changes) {
  if (!changes.length) return el("p", { class: "quiet" }, "Nothing yet.");
  const heads = ["When", "Who", "How, by whom", ""].map((text) => el("th", { scope: "col" }, text));
  return el("div", { class: "scroll" }, el("table", { class: "history" },
    el("thead", {}, el("tr", {}, ...heads)),
    el("tbody", {}, ...[...changes].reverse().map(changeRow))));
}

export function watchWhy() {
  byId("why-close").addEventListener("click", closeWhy);
  on("names", () => shown && load().catch(() => closeWhy())); // the segment may be gone
  on("collection", closeWhy);
}
