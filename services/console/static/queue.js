/* The questions worth asking next: the server's own list, or, where it keeps none, one made of what is listed. */

import { get, inCollection, post } from "./api.js";
import { plural } from "./dom.js";
import { state } from "./state.js";

const LIMIT = 30;
let serverRanks = true;

/** The best questions, best first: { segment_id, object_key, start_s, end_s, cluster_id, suggestion, reason }. */
export async function questions() {
  if (serverRanks) {
    try {
      return (await get(inCollection(state.collection, "/next"), { limit: LIMIT })).items;
    } catch (error) {
      if (error.status !== 404 || error.code === "unknown_collection") throw error;
      if (error.code === "not_found") serverRanks = false; // a server of an older version
    }
  }
  return ranked();
}

/** Tell the server that nobody here knows; an older one need not hear of it. */
export function passOver(segmentId) {
  if (serverRanks) post(`/v1/segments/${segmentId}/skip`).catch(() => {});
}

/** The most typical segment of each unnamed voice, the largest first; then what has a suggestion; then the rest. */
async function ranked() {
  const [clusters, unnamed] = await Promise.all([
    get(inCollection(state.collection, "/clusters"), { limit: 200 }),
    get(inCollection(state.collection, "/segments"), { unnamed: true, limit: 200 }),
  ]);
  const heads = clusters.items.filter((row) => !row.speaker).slice(0, LIMIT);
  const exemplar = (row) => get(`/v1/segments/${row.exemplar_segment_id}`).catch(() => null);
  const segments = await Promise.all(heads.map(exemplar));
  const first = segments.map((segment, index) => segment && !segment.speaker && {
    ...segment, reason: `names ${plural(heads[index].segments, "segment")} of an unnamed voice`,
  }).filter(Boolean);
  const taken = new Set(heads.map((row) => row.cluster_id));
  const others = unnamed.items.filter((row) => !taken.has(row.cluster_id));
  others.sort((a, b) => Boolean(b.suggestion) - Boolean(a.suggestion));
  const reason = (row) => (row.suggestion ? `may be ${row.suggestion}` : "sounds like no named voice");
  const rest = others.map((row) => ({ ...row, reason: reason(row) }));
  return [...first, ...rest].slice(0, LIMIT);
}
