/* The view "Voices": clusters and how far to trust them; hear one with Space, name it with a letter and Enter. */

import { get, inCollection, post } from "../api.js";
import { byId, el, plural, reconcile, setText, shortId } from "../dom.js";
import { nameVoice } from "../labelling.js";
import { nameField, neighbour } from "../name_field.js";
import { colourOf } from "../names.js";
import { playButton, toggle } from "../player.js";
import { addressOf } from "../routes.js";
import { keep, setting, state } from "../state.js";
import { attempt, toast } from "../toast.js";
import { trustFacts } from "../trust.js";

const PAGE = 60;
let shown = PAGE;
let rows = [];
let asking = false;

const isOpen = (element) => element.classList.contains("unnamed");

function move(card, step) {
  const next = neighbour(byId("clusters"), card, step);
  if (!next) return;
  next.form.focusField();
  next.scrollIntoView({ block: "nearest" });
}

function voiceRow(row) {
  const called = `voice ${shortId(row.cluster_id)}`;
  const mark = el("span", { class: "dot", "aria-hidden": "true" });
  const title = el("h3");
  const facts = el("p", { class: "quiet" });
  const trust = trustFacts();
  const play = playButton([], called);
  const members = el("a", { class: "members", href: addressOf("segments", { cluster: row.cluster_id }) }, "segments");
  const form = nameField({
    label: `Name ${called}`,
    review: true,
    submit: async (name, options) => {
      const next = neighbour(byId("clusters"), card, 1, isOpen);
      const done = await nameVoice({ cluster_id: row.cluster_id }, name, options);
      if (done && next && card.contains(document.activeElement)) next.form.focusField();
      return done;
    },
    keys: {
      " ": () => toggle(play),
      ArrowDown: () => move(card, 1),
      ArrowUp: () => move(card, -1),
      ArrowRight: () => members.click(),
    },
  });
  const card = el("li", { class: "card voice" },
    play, el("div", { class: "card-text" }, el("div", { class: "title" }, mark, title), facts), trust, form);
  card.form = form;
  card.update = (fresh) => {
    mark.className = `dot ${colourOf(fresh.speaker)}`;
    const several = fresh.speakers.length > 1;
    const names = several ? fresh.speakers.map((one) => `${one.name} (${one.segments})`).join(", ") : fresh.speaker;
    setText(title, names || `Unnamed voice ${shortId(fresh.cluster_id)}`);
    card.classList.toggle("unnamed", !fresh.speaker);
    facts.replaceChildren(members, ` in ${plural(fresh.recordings, "recording")}`);
    setText(members, plural(fresh.segments, "segment"));
    const exemplars = fresh.trust.exemplars || [];
    play.segmentIds = exemplars.length ? exemplars : [fresh.exemplar_segment_id];
    play.title = `Play ${plural(play.segmentIds.length, "example")} (Space in the empty field)`;
    form.hint(fresh.speaker ? "Another name" : "Who is it?");
    trust.update(fresh);
  };
  return card;
}

function draw() {
  const wanted = byId("only-unnamed").checked ? rows.filter((row) => !row.speaker || isBusy(row)) : rows;
  reconcile(byId("clusters"), wanted, (row) => row.cluster_id, voiceRow);
  const named = rows.filter((row) => row.speaker).length;
  const more = byId("more-clusters").hidden ? "" : " and more";
  setText(byId("voices-facts"), rows.length ? `${plural(rows.length, "voice")}${more}, ${named} named` : "");
  byId("all-named").hidden = !rows.length || wanted.length > 0;
  byId("no-clusters").hidden = rows.length > 0;
}

/** Whether somebody is at its field just now: then it stays until they have left. */
function isBusy(row) {
  const active = document.activeElement;
  const card = active && active.closest("#clusters > li");
  return Boolean(card && card.dataset.key === row.cluster_id && active.value);
}

async function load() {
  const asked = state.collection;
  const found = [];
  let after = null;
  do {
    const page = await get(inCollection(asked, "/clusters"), { limit: Math.min(1000, shown - found.length), after });
    found.push(...page.items);
    after = page.next;
  } while (after && found.length < shown);
  if (asked !== state.collection) return;
  rows = found;
  byId("more-clusters").hidden = !after;
  draw();
}

async function clusterNow() {
  if (asking) return;
  asking = true;
  byId("cluster-now").disabled = true;
  await attempt(async () => {
    await post(inCollection(state.collection, "/clusterings"));
    toast("Looking for voices… The list changes by itself when they are found.");
  });
  asking = false;
  byId("cluster-now").disabled = false;
}

export const voices = {
  topics: ["names"],
  load,
  reset() {
    shown = PAGE;
    rows = [];
    byId("clusters").replaceChildren();
  },
  watch() {
    byId("only-unnamed").checked = setting("only-unnamed", false);
    byId("only-unnamed").addEventListener("change", () => {
      keep("only-unnamed", byId("only-unnamed").checked);
      draw();
    });
    byId("cluster-now").addEventListener("click", clusterNow);
    const more = byId("more-clusters");
    more.addEventListener("click", () => {
      shown += PAGE;
      attempt(load);
    });
    new IntersectionObserver((seen) => seen.some((one) => one.isIntersecting) && more.click()).observe(more);
  },
};
