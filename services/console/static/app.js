/* The page: loads one collection, names what the user names, and keeps itself fresh by the event stream. */

import { get, inCollection, post } from "./api.js";
import { byId, el, notice, plural, reconcile, setText } from "./dom.js";
import { watchPlayer } from "./player.js";
import { clusterCard, recordingRow, rejectedRow, segmentRow } from "./views.js";

const PAGE = 100;
const REFRESH_MS = 400;
let collection = "";
let stream = null;

/** A listing that grows by pages and can be read again as far as it was read. */
function listing({ path, query = {}, list, more, none, key, make }) {
  let shown = PAGE;
  const self = {
    async load() {
      const asked = collection;
      const rows = [];
      let after = null;
      do {
        const limit = Math.min(1000, shown - rows.length);
        const page = await get(inCollection(asked, path), { ...query, limit, after });
        rows.push(...page.items);
        after = page.next;
      } while (after && rows.length < shown);
      if (asked !== collection) return;
      reconcile(byId(list), rows, key, make);
      byId(more).hidden = !after;
      none(rows.length === 0);
    },
    reset() {
      shown = PAGE;
      byId(list).replaceChildren();
    },
  };
  byId(more).addEventListener("click", () => {
    shown += PAGE;
    attempt(self.load);
  });
  return self;
}

const clusters = listing({
  path: "/clusters", list: "clusters", more: "more-clusters", key: (row) => row.cluster_id,
  none: (empty) => { byId("no-clusters").hidden = !empty; },
  make: (row) => clusterCard(row, (id, name) => nameVoice({ cluster_id: id }, name)),
});
const recordings = listing({
  path: "/recordings", list: "recording-list", more: "more-recordings", key: (row) => row.recording_id,
  none: (empty) => { byId("no-recordings").hidden = !empty; },
  make: (row) => recordingRow(row, collection, (element, options) => attempt(() => openSegments(element, options))),
});
const rejected = listing({
  path: "/objects", query: { state: "rejected" }, list: "rejected-list", more: "more-rejected",
  key: (row) => row.object_key, none: (empty) => { byId("rejected").hidden = empty; },
  make: (row) => rejectedRow(row, collection),
});

async function openSegments(element, { more = false } = {}) {
  if (more) element.shown = (element.shown || PAGE) + PAGE;
  const limit = Math.min(1000, element.shown || PAGE);
  const page = await get(inCollection(collection, "/segments"), { recording_id: element.recordingId, limit });
  const make = (row) => segmentRow(row, (id, name) => nameVoice({ segment_id: id }, name));
  reconcile(element.list, page.items, (row) => row.segment_id, make);
  element.more.hidden = !page.next || limit === 1000;
}

/** Returns whether it was recorded. */
async function nameVoice(what, name) {
  try {
    const label = await post("/v1/labels", { ...what, speaker: name });
    notice(`${label.speaker}: ${plural(label.segments, "segment")}. The name is spreading…`);
    refreshSoon("names");
    return true;
  } catch (error) {
    notice(error.message, { failed: true });
    return false;
  }
}

async function clusterNow() {
  const button = byId("cluster-now");
  button.disabled = true;
  await attempt(async () => {
    await post(inCollection(collection, "/clusterings"), {});
    notice("Looking for voices…");
  });
  button.disabled = false;
}

async function loadStatus() {
  const [status, shown] = await Promise.all([get("/v1/status"), get(inCollection(collection))]);
  const open = status.backlog.pending + status.backlog.queued + status.backlog.leased;
  const dead = status.backlog.dead;
  setText(byId("backlog"), `${open ? `${plural(open, "step")} of work open` : "All work done"}${
    dead ? ` · ${plural(dead, "step")} given up` : ""}`);
  byId("backlog").classList.toggle("failed", dead > 0);
  const { registered, segmented, ready, rejected: refused } = shown.recordings;
  const total = registered + segmented + ready;
  setText(byId("counts"), `${plural(total, "recording")}, ${ready === total ? "all" : ready} ready${
    refused ? `; ${plural(refused, "file")} could not be used` : ""} · segmenter ${shown.segmenter} · ${
    plural(shown.encoders.length, "encoder")}: ${shown.encoders.join(", ")}`);
}

async function loadSpeakers() {
  const speakers = await get("/v1/speakers");
  byId("speakers").replaceChildren(...speakers.map((speaker) => el("option", { value: speaker.name })));
}

async function loadOpenSegments() {
  const open = document.querySelectorAll("details.recording[open]");
  await Promise.all([...open].map((element) => openSegments(element)));
}

const PARTS = {
  names: [clusters.load, recordings.load, loadOpenSegments, loadSpeakers, loadStatus],
  files: [recordings.load, rejected.load, loadOpenSegments, loadStatus],
};
const stale = new Set();
let timer = 0;

/** Events come in swarms: read once for all that came within a moment, and never twice at a time. What takes long to
 * read is read more seldom. */
function refreshSoon(part) {
  PARTS[part].forEach((load) => stale.add(load));
  if (!timer) timer = setTimeout(refresh, REFRESH_MS);
}

async function refresh() {
  const loads = [...stale];
  const began = performance.now();
  stale.clear();
  await attempt(() => Promise.all(loads.map((load) => load())));
  const pause = Math.max(REFRESH_MS, 4 * (performance.now() - began));
  timer = stale.size ? setTimeout(refresh, pause) : 0;
}

async function attempt(work) {
  try {
    await work();
  } catch (error) {
    notice(error.message, { failed: true });
  }
}

function heard(event) {
  const { type, data } = JSON.parse(event.data);
  if (type.includes(".labels.propagated.")) {
    const more = data.n_cluster + data.n_identified;
    notice(more ? `The name has spread: ${plural(more, "more segment")} followed.` : "The name has spread.");
  }
  if (type.includes(".clusters.updated.")) {
    notice(`${plural(data.n_clusters, "voice")} found in ${plural(data.n_segments, "segment")}.`);
  }
  refreshSoon(/\.(labels?|clusters|segments\.assigned)\b/.test(type) ? "names" : "files");
}

function listen() {
  if (stream) stream.close();
  stream = new EventSource(`/v1/events?collection=${encodeURIComponent(collection)}`);
  const live = byId("live");
  stream.addEventListener("open", () => {
    live.dataset.state = "on";
    setText(live.firstElementChild, "live");
    refreshSoon("names"); // whatever happened while nobody listened
    refreshSoon("files");
  });
  stream.addEventListener("error", () => {
    live.dataset.state = "off";
    setText(live.firstElementChild, "reconnecting…");
    if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 3000); // the place is gone: begin anew
  });
  document.body.dataset.eventTypes.split(" ").forEach((type) => stream.addEventListener(type, heard));
}

function choose(name) {
  collection = name;
  history.replaceState(null, "", `#${encodeURIComponent(name)}`);
  [clusters, recordings, rejected].forEach((part) => part.reset());
  refreshSoon("names");
  refreshSoon("files");
  listen();
}

function start() {
  const chooser = byId("collection");
  if (!chooser.options.length) {
    byId("no-recordings").hidden = false;
    byId("cluster-now").disabled = true;
    chooser.disabled = true;
    return;
  }
  const wanted = decodeURIComponent(location.hash.slice(1));
  if ([...chooser.options].some((option) => option.value === wanted)) chooser.value = wanted;
  chooser.addEventListener("change", () => choose(chooser.value));
  byId("cluster-now").addEventListener("click", clusterNow);
  watchPlayer();
  choose(chooser.value);
}

start();
