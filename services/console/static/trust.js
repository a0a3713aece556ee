/* How far a cluster can be trusted, in words that one can act upon. */

import { el, setText } from "./dom.js";

const STABLE = 0.75;

/** A word and a sentence for each fact; null where nothing was measured. */
export function stabilityOf({ stability }) {
  if (stability === undefined || stability === null) return { word: "not measured", level: "unknown" };
  if (stability >= STABLE) return { word: "stable", level: "good" };
  return stability >= 0.5 ? { word: "fairly stable", level: "fair" } : { word: "shaky", level: "poor" };
}

export function marginOf({ margin }) {
  if (margin === undefined || margin === null) return "the only voice";
  if (margin >= 0.4) return "well apart from others";
  if (margin >= 0.15) return "apart from others";
  return margin > 0 ? "close to another voice" : "mixed with another voice";
}

export function cohesionOf(cohesion) {
  if (cohesion >= 0.75) return "very alike";
  return cohesion >= 0.5 ? "alike" : "loosely alike";
}

/** Whether one example is enough to name it. */
export function advice(row) {
  const { level } = stabilityOf(row.trust);
  const margin = row.trust.margin ?? 1;
  if (level === "poor" || margin <= 0) return { text: "Perhaps several", level: "poor" };
  if (margin < 0.15) return { text: "Near another", level: "fair" };
  return level === "good" && row.cohesion >= 0.5
    ? { text: "Holds together", level: "good" }
    : { text: "Listen to a few", level: "fair" };
}

/** The facts of a cluster as an element with `update(row)`. */
export function trustFacts() {
  const badge = el("span", { class: "badge" });
  const bar = el("span", { class: "bar-fill" });
  const figure = el("span", { class: "figure" });
  const words = el("span", { class: "quiet words" });
  const element = el("div", { class: "trust" },
    badge,
    el("span", {
      class: "stability", title: "Stability: how much of the voice comes back when half of the segments are left out",
    }, el("span", { class: "bar-box", "aria-hidden": "true" }, bar), figure),
    words);
  element.update = (row) => {
    const found = advice(row);
    const { word, level } = stabilityOf(row.trust);
    setText(badge, found.text);
    badge.dataset.level = found.level;
    const share = row.trust.stability ?? 0;
    bar.style.setProperty("width", `${Math.round(100 * share)}%`);
    bar.dataset.level = level;
    setText(figure, level === "unknown" ? word : `${word} ${share.toFixed(2)}`);
    setText(words, `${cohesionOf(row.cohesion)} (${row.cohesion.toFixed(2)}) · ${marginOf(row.trust)}${
      typeof row.trust.margin === "number" ? ` (${row.trust.margin.toFixed(2)})` : ""}`);
    words.title = "Cohesion: how alike its segments sound. Margin: by how much that exceeds the nearest other voice.";
  };
  return element;
}
