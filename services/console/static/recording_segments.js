/* All segments of a recording, read once for everybody who draws them, and again when names have changed. */

import { getRows, inCollection } from "./api.js";
import { on, state } from "./state.js";

const MOST = 10_000;
const AT_A_TIME = 3;
let known = new Map();
let running = 0;
const waiting = [];

function next() {
  if (running >= AT_A_TIME || !waiting.length) return;
  running += 1;
  waiting.shift()().finally(() => {
    running -= 1;
    next();
  });
}

/** Its segments by start. */
export function allOf(recordingId) {
  if (!known.has(recordingId)) {
    known.set(recordingId, new Promise((resolve, reject) => {
      const path = inCollection(state.collection, "/segments");
      const read = () => getRows(path, { recording_id: recordingId }, MOST);
      waiting.push(() => read().then(({ items }) => resolve(items), reject));
      next();
    }));
  }
  return known.get(recordingId);
}

export function watchSegments() {
  ["names", "files", "collection"].forEach((topic) => on(topic, () => { known = new Map(); }));
}
