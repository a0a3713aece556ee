/* A review: what a label would change, with tick boxes, before it is given. */

import { get, post } from "./api.js";
import { byId, el, fileOf, percent, plural, span } from "./dom.js";
import { dot } from "./names.js";
import { playButton, stop } from "./player.js";
import { state } from "./state.js";

const SHOWN = 50;
const LOOK_MS = 250;
const PATIENCE_MS = 60_000;
const RULES = {
  human: "by this word", cluster: "its cluster follows", identification: "sounds like them", import: "imported",
};

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Show what naming would change; resolves to the label if it was given, to null if it was left. */
export async function openReview(what, speaker) {
  const dialog = byId("review");
  byId("review-title").textContent = `If this is ${speaker}…`;
  byId("review-facts").textContent = "Thinking it through…";
  byId("review-rows").replaceChildren();
  byId("review-apply").disabled = true;
  byId("review-more").hidden = true;
  const closed = new Promise((resolve) => { dialog.onclose = () => resolve(dialog.returnValue); });
  dialog.returnValue = "";
  dialog.showModal();
  try {
    const asked = await post("/v1/reviews", { ...what, speaker });
    const review = await ready(asked.review_id, dialog);
    if (review) show(review);
    const answer = await closed;
    stop();
    if (answer !== "apply" || !review) {
      await post(`/v1/reviews/${asked.review_id}/discard`);
      return null;
    }
    const but = [...unticked];
    return await post(`/v1/reviews/${review.review_id}/apply`, { but });
  } finally {
    if (dialog.open) dialog.close("");
  }
}

async function ready(reviewId, dialog) {
  const until = performance.now() + PATIENCE_MS;
  while (dialog.open && performance.now() < until) {
    const review = await get(`/v1/reviews/${reviewId}`);
    if (review.state !== "requested") return review;
    await wait(LOOK_MS);
  }
  if (!dialog.open) return null;
  throw new Error("The review takes unusually long. The work queue may be full; try again later.");
}

const unticked = new Set();

function show(review) {
  unticked.clear();
  // What is worth a look comes first: who would lose a name, then who is the least sure.
  const doubt = (change) => (change.before ? -1 : change.confidence ?? 1);
  const changes = [...review.changes].sort((a, b) => doubt(a) - doubt(b));
  const taken = changes.filter((change) => change.before).length;
  const facts = changes.length
    ? `${plural(changes.length, "segment")} would change${taken ? `, ${taken} of them from another name` : ""}. ` +
      "Untick what is somebody else: it is kept from this speaker for good."
    : "Nothing would change: everything concerned has this name already.";
  byId("review-facts").textContent = facts;
  byId("review-table").hidden = !changes.length;
  const all = byId("review-all");
  all.checked = true;
  all.onchange = () => {
    changes.forEach((change) => (all.checked ? unticked.delete(change.segment_id) : unticked.add(change.segment_id)));
    byId("review-rows").querySelectorAll("input").forEach((box) => { box.checked = all.checked; });
    count(changes.length);
  };
  let shown = 0;
  const more = () => {
    byId("review-rows").append(...changes.slice(shown, shown + SHOWN).map((change) => row(change, changes.length)));
    shown += SHOWN;
    byId("review-more").hidden = shown >= changes.length;
  };
  byId("review-more").onclick = more;
  more();
  count(changes.length);
  byId("review-apply").focus();
}

function count(n) {
  const left = n - unticked.size;
  byId("review-apply").textContent = n ? `Name ${plural(left, "segment")}` : "Name anyway";
  byId("review-apply").disabled = n > 0 && left === 0;
}

function row(change, n) {
  const place = el("td", { class: "place" }, "…");
  const box = el("input", { type: "checkbox", "aria-label": "This is the speaker" });
  box.checked = !unticked.has(change.segment_id);
  box.addEventListener("change", () => {
    if (box.checked) unticked.delete(change.segment_id);
    else unticked.add(change.segment_id);
    byId("review-all").checked = unticked.size === 0;
    count(n);
  });
  get(`/v1/segments/${change.segment_id}`).then((segment) => {
    const file = fileOf(segment.object_key, state.collection);
    place.replaceChildren(el("span", { class: "file" }, file), ` ${span(segment)}`);
    box.setAttribute("aria-label", `${file} ${span(segment)} is the speaker`);
  }, () => { place.textContent = "a segment that is gone"; });
  const guessed = change.confidence !== null && change.assigned_by !== "human";
  const sure = guessed ? ` ·\u00a0${percent(change.confidence)}` : "";
  return el("tr", { "data-segment": change.segment_id },
    el("td", {}, box),
    el("td", {}, playButton([change.segment_id], "this segment")),
    place,
    el("td", { class: "diff" }, ...name(change.before), " → ", ...name(change.speaker)),
    el("td", { class: "quiet" }, `${RULES[change.assigned_by] || "left without a name"}${sure}`));
}

function name(speaker) {
  return speaker ? [dot(speaker), speaker] : [el("i", { class: "nobody" }, "nobody")];
}

export function watchReview() {
  byId("review-cancel").addEventListener("click", () => byId("review").close(""));
  byId("review-apply").addEventListener("click", () => byId("review").close("apply"));
}
