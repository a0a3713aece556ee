/* The page: shows one view of one collection, and keeps it fresh as long as it is looked at. */

import { get, inCollection } from "./api.js";
import { byId, plural, setText } from "./dom.js";
import { watchKeys } from "./keys.js";
import { listen } from "./live.js";
import { loadSpeakers } from "./names.js";
import { showPauses, watchPauses } from "./pauses.js";
import { stop, watchPlayer } from "./player.js";
import { watchSegments } from "./recording_segments.js";
import { watchReview } from "./review.js";
import { addressOf, here, VIEWS } from "./routes.js";
import { emit, on, state } from "./state.js";
import { hatches } from "./timeline.js";
import { attempt } from "./toast.js";
import { log } from "./views/log.js";
import { next } from "./views/next.js";
import { recordings } from "./views/recordings.js";
import { segments } from "./views/segments.js";
import { speakers } from "./views/speakers.js";
import { voices } from "./views/voices.js";
import { watchWhy } from "./why.js";

const REFRESH_MS = 400;
const views = { voices, next, segments, recordings, speakers, log };
let view = null;
let shownAt = "";
const stale = new Set();
let timer = 0;

async function loadNaming() {
  const asked = state.collection;
  const naming = await get(inCollection(asked, "/naming"));
  if (asked !== state.collection) return;
  state.naming = naming;
  const share = naming.segments ? naming.named / naming.segments : 0;
  byId("progress-fill").style.setProperty("width", `${100 * share}%`);
  const whole = naming.named === naming.segments ? 100 : Math.min(99, Math.floor(100 * share));
  const text = naming.segments ? `${whole} % of ${plural(naming.segments, "segment")} named` : "no segments yet";
  setText(byId("progress-text"), text);
  byId("progress").title = `${naming.by_hand.toLocaleString("en")} by hand, ${
    (naming.named - naming.by_hand).toLocaleString("en")} followed, ${naming.suggested.toLocaleString("en")} suggested`;
  emit("naming");
}

async function loadStatus() {
  const { backlog, pauses } = await get("/v1/status");
  const open = backlog.pending + backlog.queued + backlog.leased;
  setText(byId("backlog"), `${open ? `${plural(open, "step")} of work open` : "all work done"}${
    backlog.dead ? ` · ${plural(backlog.dead, "step")} given up` : ""}`);
  byId("backlog").classList.toggle("failed", backlog.dead > 0);
  showPauses(pauses);
}

/** Events come in swarms: read once for all that came within a moment, and never twice at a time. What takes long to
 * read is read more seldom. */
function refreshSoon(topic) {
  stale.add(topic);
  if (!timer) timer = setTimeout(refresh, REFRESH_MS);
}

async function refresh() {
  const topics = [...stale];
  const began = performance.now();
  stale.clear();
  await attempt(async () => {
    // Colours and counts first: the rest is drawn with them.
    const names = topics.includes("names") ? [loadSpeakers()] : [];
    await Promise.all([loadNaming(), loadStatus(), ...names]);
    if (view && views[view].topics.some((topic) => topics.includes(topic))) await views[view].load();
  });
  const pause = Math.max(REFRESH_MS, 4 * (performance.now() - began));
  timer = stale.size ? setTimeout(refresh, pause) : 0;
}

/** Show what the address says. */
function route() {
  const wanted = here();
  const chooser = byId("collection");
  const known = [...chooser.options].some((option) => option.value === wanted.collection);
  if (!known) history.replaceState(null, "", addressOf(wanted.view, {}, chooser.value));
  const collection = known ? wanted.collection : chooser.value;
  if (collection !== state.collection) {
    state.collection = collection;
    chooser.value = collection;
    emit("collection");
    Object.values(views).forEach((each) => each.reset());
    listen();
  }
  if (location.hash === shownAt) return;
  shownAt = location.hash;
  stop();
  const changed = view !== wanted.view;
  view = wanted.view;
  VIEWS.forEach((name) => {
    byId(`view-${name}`).hidden = name !== view;
    const link = byId(`to-${name}`);
    link.href = addressOf(name);
    if (name === view) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  });
  document.title = `${byId(`to-${view}`).textContent.trim()} · ${collection} · Earmark`;
  if (changed) scrollTo(0, 0);
  if (view === "segments") segments.reset();
  attempt(async () => {
    await Promise.all([loadSpeakers(), loadNaming()]);
    await views[view].load();
    if (views[view].opened) views[view].opened();
  });
}

function start() {
  const chooser = byId("collection");
  if (!chooser.options.length) {
    byId("view-recordings").hidden = false;
    byId("no-recordings").hidden = false;
    chooser.disabled = true;
    document.querySelectorAll(".tabs a").forEach((link) => link.remove());
    return;
  }
  hatches();
  watchPlayer();
  watchReview();
  watchWhy();
  watchSegments();
  watchPauses();
  watchKeys();
  Object.values(views).forEach((each) => each.watch());
  chooser.addEventListener("change", () => { location.hash = addressOf(view, {}, chooser.value); });
  addEventListener("hashchange", route);
  on("names", () => refreshSoon("names"));
  on("files", () => refreshSoon("files"));
  route();
}

start();
