/* What rests: the collection that is shown, or a stage of the work on all of them. Administrators let it go on. */

import { post } from "./api.js";
import { button, byId, el, plural, reconcile, setText, when } from "./dom.js";
import { emit, on, state } from "./state.js";
import { attempt, toast } from "./toast.js";

const COLLECTION = "Nothing more of it is worked on; new files and names are taken and wait.";
const STAGES = {
  ingest: "New files are taken, but neither read nor cut nor unpacked.",
  "ingest.unpack": "Archives are not unpacked.",
  embedder: "Segments get no vectors, and so no names by themselves.",
  "embedder.backfill": "Backfills wait.",
  clusterer: "No voices are looked for, and names do not spread.",
  "clusterer.propagate": "Names do not spread.",
};
let pauses = [];

const isOwn = ({ kind, name }) => kind === "collection" && name === state.collection;
const mayPause = () => "administers" in document.body.dataset;

function notice(pause) {
  const what = pause.kind === "stage" ? `${pause.name}, for all collections` : pause.name;
  const rests = pause.kind === "stage" ? STAGES[pause.name] || "That step of the work rests." : COLLECTION;
  const held = el("span", { class: "quiet", "aria-live": "off" }); // it counts on while one listens
  const text = el("p", {}, el("b", {}, `Paused: ${what}`), ", since ", when(pause.paused_at),
    `, by ${pause.paused_by}. ${rests} `, held);
  const goOn = button("Resume", () => resume(pause), { "aria-label": `Resume ${what}`, class: "small" });
  const element = el("div", { class: "pause" }, text, mayPause() ? goOn : null);
  element.update = ({ pending }) => setText(held, pending ? `${plural(pending, "step")} of work held up.` : "");
  return element;
}

function draw() {
  const box = byId("pauses");
  const isHere = box.contains(document.activeElement);
  const shown = pauses.filter((pause) => pause.kind === "stage" || isOwn(pause));
  reconcile(box, shown, ({ kind, name, paused_at: at }) => `${kind} ${name} ${at}`, notice);
  if (isHere && !box.contains(document.activeElement)) byId("main").focus({ preventScroll: true });
  setText(byId("pause-collection"), shown.some(isOwn) ? "Resume the collection" : "Pause the collection");
}

async function resume({ kind, name }) {
  await attempt(async () => {
    await post("/v1/pauses/resume", { [kind]: name });
    toast(`${name} goes on.`);
    emit("files");
  });
}

async function pause(collection) {
  await attempt(async () => {
    await post("/v1/pauses", { collection });
    const actions = [["Undo", () => resume({ kind: "collection", name: collection })]];
    toast(`${collection} is paused: what is in work ends, nothing more is begun.`, { actions });
    emit("files");
  });
}

/** Show those of all pauses that concern the collection. */
export function showPauses(all) {
  pauses = all;
  draw();
}

export function watchPauses() {
  const toggle = byId("pause-collection");
  toggle.hidden = !mayPause();
  toggle.addEventListener("click", () => {
    const own = pauses.find(isOwn);
    if (own) resume(own);
    else pause(state.collection);
  });
  on("collection", draw);
}
