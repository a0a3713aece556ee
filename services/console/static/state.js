/* What all parts of the page share: the collection that is shown, how far it is named, and who hears of changes. */

export const state = {
  collection: "",
  naming: { segments: 0, named: 0, by_hand: 0, suggested: 0, speakers: [] },
};

const listeners = new Map();

/** Call `heard` at news of "names", "files", the "collection", the counts ("naming"), or how a label "spread". */
export function on(topic, heard) {
  listeners.set(topic, [...(listeners.get(topic) || []), heard]);
}

export function emit(topic, detail) {
  (listeners.get(topic) || []).forEach((heard) => heard(detail));
}

/** A choice that outlives the visit. Browsers may refuse to keep it; then it lasts as long as the page. */
const kept = new Map();

export function setting(name, standard) {
  if (kept.has(name)) return kept.get(name);
  try {
    const found = localStorage.getItem(`earmark.${name}`);
    return found === null ? standard : JSON.parse(found);
  } catch {
    return standard;
  }
}

export function keep(name, value) {
  kept.set(name, value);
  try {
    localStorage.setItem(`earmark.${name}`, JSON.stringify(value));
  } catch { /* it lasts as long as the page */ }
}
