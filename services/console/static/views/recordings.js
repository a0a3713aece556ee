/* The view "Recordings": each as a line of time, with who speaks when; archives; and what could not be used. */

import { get, getRows, inCollection } from "../api.js";
import { loadArchives, resetArchives, watchArchives } from "../archives.js";
import { byId, clock, el, fileOf, plural, reconcile, setText } from "../dom.js";
import { chip } from "../names.js";
import { playButton, toggle } from "../player.js";
import { allOf } from "../recording_segments.js";
import { state } from "../state.js";
import { timeline } from "../timeline.js";
import { attempt } from "../toast.js";
import { openWhy } from "../why.js";
import { segmentsOf } from "./segments.js";

const PAGE = 50;
const STATES = { registered: "being cut", segmented: "being embedded", ready: "ready" };
let shown = PAGE;
let shownRejected = PAGE;

const inSight = new IntersectionObserver((seen) => seen.forEach((one) => {
  one.target.inSight = one.isIntersecting;
  if (one.isIntersecting) one.target.draw();
}), { rootMargin: "200px" });

function recordingRow(row) {
  const name = el("a", { class: "file" });
  const badge = el("span", { class: "badge" });
  const facts = el("span", { class: "quiet" });
  const speakers = el("span", { class: "speakers" });
  const play = playButton([], "the segment one stands at");
  play.hidden = true;
  const listen = (segment) => {
    play.hidden = false;
    play.segmentIds = [segment.segment_id];
    toggle(play);
  };
  const tellWhy = (segment) => openWhy(segment.segment_id, line.firstElementChild);
  const line = timeline({
    label: "Segments",
    chosen: listen,
    keys: { " ": listen, Enter: tellWhy, "?": tellWhy },
  });
  const element = el("li", { class: "recording" }, el("div", { class: "recording-head" }, name, badge, facts, speakers),
    el("div", { class: "recording-line" }, play, line));
  let now = row;
  let drawn = null;
  element.draw = async () => {
    if (!now.segments || drawn === now) return;
    drawn = now;
    const segments = await allOf(now.recording_id).catch(() => null);
    if (segments) line.show(segments, now.duration_s);
  };
  element.update = (fresh) => {
    now = fresh;
    const [first, ...others] = fresh.object_keys;
    setText(name, fileOf(first, state.collection));
    name.href = segmentsOf(fresh);
    name.title = fresh.object_keys.join("\n");
    setText(badge, STATES[fresh.state] || fresh.state);
    badge.dataset.level = fresh.state === "ready" ? "good" : "unknown";
    const known = fresh.segments === null ? "" : ` · ${plural(fresh.segments, "segment")}`;
    const copies = others.length ? ` · ${plural(others.length, "more copy", "more copies")}` : "";
    setText(facts, `${clock(fresh.duration_s)}${known}${copies}`);
    speakers.replaceChildren(...fresh.speakers.map(chip));
    line.hidden = !fresh.segments;
    const label = `Segments of ${name.textContent}: arrow keys walk, Space plays, Enter tells why`;
    line.firstElementChild.setAttribute("aria-label", label);
    if (element.inSight) element.draw();
  };
  inSight.observe(element);
  return element;
}

function rejectedRow(row) {
  const reason = el("p");
  const element = el("li", {}, el("p", { class: "file" }, fileOf(row.object_key, state.collection)), reason);
  element.update = (fresh) => setText(reason, fresh.reason || fresh.code || "");
  return element;
}

async function load() {
  const asked = state.collection;
  const [found, refused, whole, hasArchives] = await Promise.all([
    getRows(inCollection(asked, "/recordings"), {}, shown),
    getRows(inCollection(asked, "/objects"), { state: "rejected" }, shownRejected),
    get(inCollection(asked)),
    loadArchives(),
  ]);
  if (asked !== state.collection) return;
  reconcile(byId("recording-list"), found.items, (row) => row.recording_id, recordingRow);
  byId("more-recordings").hidden = !found.more;
  byId("no-recordings").hidden = found.items.length > 0 || hasArchives;
  reconcile(byId("rejected-list"), refused.items, (row) => row.object_key, rejectedRow);
  byId("more-rejected").hidden = !refused.more;
  byId("rejected").hidden = refused.items.length === 0;
  const { registered, segmented, ready, rejected } = whole.recordings;
  const total = registered + segmented + ready;
  setText(byId("counts"), `${plural(total, "recording")}, ${ready === total ? "all" : ready} ready${
    rejected ? `; ${plural(rejected, "file")} could not be used` : ""} · segmenter ${whole.segmenter} · ${
    plural(whole.encoders.length, "encoder")}: ${whole.encoders.join(", ")}`);
}

export const recordings = {
  topics: ["names", "files"],
  load,
  reset() {
    [shown, shownRejected] = [PAGE, PAGE];
    byId("recording-list").replaceChildren();
    byId("rejected-list").replaceChildren();
    resetArchives();
  },
  watch() {
    watchArchives();
    byId("more-recordings").addEventListener("click", () => {
      shown += PAGE;
      attempt(load);
    });
    byId("more-rejected").addEventListener("click", () => {
      shownRejected += PAGE;
      attempt(load);
    });
  },
};
