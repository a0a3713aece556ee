/* The names that are known: to complete what is typed, and to give each speaker a colour that stays. */

import { get } from "./api.js";
import { el } from "./dom.js";
import { state } from "./state.js";

/** An event for the field in which somebody types: there may be more to complete it with. */
export const NAMES_CAME = "names-came";

const COLOURS = 12;
let speakers = [];
let colours = new Map();

export async function loadSpeakers() {
  speakers = await get("/v1/speakers");
  // Ids grow with time: a new speaker takes no colour away from an old one.
  const byAge = [...speakers].sort((a, b) => (a.speaker_id < b.speaker_id ? -1 : 1));
  colours = new Map(byAge.map((speaker, index) => [speaker.name, index % COLOURS]));
  document.activeElement?.dispatchEvent(new Event(NAMES_CAME));
  return speakers;
}

export const allSpeakers = () => speakers;

export const isKnown = (name) => speakers.some((speaker) => speaker.name === name);

/** The class that sets a speaker's colour; grey for nobody. */
export function colourOf(name) {
  return name ? `c${colours.get(name) ?? 0}` : "c-none";
}

export const colourNumber = (name) => colours.get(name) ?? 0;

export function dot(name) {
  return el("span", { class: `dot ${colourOf(name)}`, "aria-hidden": "true" });
}

export function chip(name) {
  return el("span", { class: `chip ${colourOf(name)}` }, name);
}

const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();

/** Known names with a word that begins as typed: first those that begin so themselves, then those heard most here. */
export function matching(typed, most = 6) {
  const wanted = fold(typed.trim());
  const here = new Map(state.naming.speakers.map((speaker) => [speaker.name, speaker.segments]));
  const rank = (name) => {
    const folded = fold(name);
    if (!wanted || folded.startsWith(wanted)) return 0;
    return folded.split(/[\s.,_-]+/).some((word) => word.startsWith(wanted)) ? 1 : 2;
  };
  return speakers
    .map(({ name, segments }) => ({ name, rank: rank(name), here: here.get(name) || 0, segments }))
    .filter((found) => found.rank < 2)
    .sort((a, b) => a.rank - b.rank || b.here - a.here || b.segments - a.segments || (a.name < b.name ? -1 : 1))
    .slice(0, most);
}

/** How a name may go on from what was typed, or "". */
export function completion(typed) {
  const best = typed.trim() && matching(typed, 1)[0];
  return best && best.rank === 0 && fold(best.name).length >= fold(typed).length ? best.name : "";
}
