/* What a person says of segments: recorded through the API, told in a toast, and taken back again. */

import { ofSpeaker, post } from "./api.js";
import { plural } from "./dom.js";
import { openReview } from "./review.js";
import { emit, on } from "./state.js";
import { amend, failure, toast } from "./toast.js";

const done = []; // what can be taken back, the latest last: { text, undo }
const undone = []; // what can be brought again

/** Say what was done and offer the way back; `undo()` resolves to the way forward again, in the same form. */
function tell(entry, { about = null } = {}) {
  done.push(entry);
  toast(entry.text, { about, actions: [["Undo", () => takeBack(entry)]] });
  emit("names");
}

async function attempted(work) {
  try {
    await work();
    return true;
  } catch (error) {
    failure(error);
    return false;
  }
}

async function takeBack(entry) {
  if (done.includes(entry)) done.splice(done.indexOf(entry), 1);
  await attempted(async () => {
    const redo = await entry.undo();
    if (entry.undone) entry.undone();
    undone.push(redo);
    toast(`Taken back: ${entry.text}`, { actions: [["Redo", () => bringAgain(redo)]] });
    emit("names");
  });
}

async function bringAgain(entry) {
  if (undone.includes(entry)) undone.splice(undone.indexOf(entry), 1);
  await attempted(async () => tell(await entry.undo()));
}

export function undoLast() {
  if (done.length) takeBack(done[done.length - 1]);
  else toast("Nothing to take back in this visit. The log has everything else.");
}

export function redoLast() {
  if (undone.length) bringAgain(undone[undone.length - 1]);
  else toast("Nothing to bring again.");
}

/** An entry of the label log that one can take back, and bring again, as often as one likes. */
function entryOf(labelId, text, undoneToo) {
  return {
    text,
    undone: undoneToo,
    undo: async () => entryOf((await post(`/v1/labels/${labelId}/undo`)).label_id, text, undoneToo),
  };
}

/** Name `what`: { segment_id }, { segment_ids } or { cluster_id }. Returns whether it is recorded. */
export function nameVoice(what, speaker, { review = false, isNew = false, undone: undoneToo } = {}) {
  let given = false;
  const worked = attempted(async () => {
    const label = review ? await openReview(what, speaker) : await post("/v1/labels", { ...what, speaker });
    if (!label) return; // it was left as it is
    given = true;
    const greeting = isNew ? " (a new name)" : "";
    const text = `${label.speaker}${greeting}: ${plural(label.segments, "segment")}.`;
    tell(entryOf(label.label_id, text, undoneToo), { about: label.label_id });
  });
  return worked.then((passed) => passed && given);
}

export function rejectName(segmentId, speaker, { undone: undoneToo } = {}) {
  return attempted(async () => {
    const label = await post("/v1/rejections", { segment_id: segmentId, speaker });
    tell(entryOf(label.label_id, `Not ${speaker}.`, undoneToo), { about: label.label_id });
  });
}

/** Take any entry of the log back, one that took something back included. */
export function undoEntry(labelId, text) {
  return attempted(async () => {
    const label = await post(`/v1/labels/${labelId}/undo`);
    tell(entryOf(label.label_id, text), { about: label.label_id });
  });
}

export function mergeSpeakers(stays, goes) {
  return attempted(async () => {
    const label = await post(ofSpeaker(stays, "/merge"), { other: goes });
    tell(entryOf(label.label_id, `${goes} is ${stays} now.`), { about: label.label_id });
  });
}

export function splitSpeaker(name, segmentIds, to) {
  return attempted(async () => {
    const label = await post(ofSpeaker(name, "/split"), { segment_ids: segmentIds, to });
    const text = `${plural(label.segments, "segment")} of ${name} went to ${to}.`;
    tell(entryOf(label.label_id, text), { about: label.label_id });
  });
}

function renaming(from, to) {
  return {
    text: `${from} is called ${to} now.`,
    undo: async () => {
      await post(ofSpeaker(to, "/rename"), { to: from });
      return renaming(to, from);
    },
  };
}

export function renameSpeaker(from, to) {
  return attempted(async () => {
    await post(ofSpeaker(from, "/rename"), { to });
    tell(renaming(from, to));
  });
}

on("spread", (spread) => {
  const more = spread.n_cluster + spread.n_identified;
  amend(spread.label_id, more ? `${plural(more, "more segment")} followed.` : "It has spread.");
});
