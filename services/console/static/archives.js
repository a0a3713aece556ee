/* Archives in the view "Recordings": how far each is unpacked, and on demand which of its members were refused. */

import { getRows, inCollection } from "./api.js";
import { button, byId, el, fileOf, percent, plural, reconcile, setText } from "./dom.js";
import { state } from "./state.js";
import { attempt } from "./toast.js";

const PAGE = 50;
const STATES = {
  unpacking: ["being unpacked", "unknown"],
  unpacked: ["unpacked", "good"],
  refused: ["refused", "poor"],
  replaced: ["replaced by another file", "unknown"],
};
let shown = PAGE;
let nAsked = 0; // answers may come in another order than they were asked for
const opened = new Map(); // by archive_id: how many refused members are wanted, and those that were read

const count = (n) => n.toLocaleString("en");
const isOpen = (row) => opened.has(row.archive_id);

function facts(row) {
  if (row.state !== "unpacking") return row.reason || row.code || "";
  const share = row.size_bytes ? row.read_bytes / row.size_bytes : 0;
  return `${plural(row.members, "member")} so far, ${percent(share)} read`;
}

function archiveRow(row) {
  const file = fileOf(row.object_key, state.collection);
  const badge = el("span", { class: "badge" });
  const told = el("p", { class: "quiet" });
  const [taken, skipped, refused] = ["", "", ""].map(() => el("td", { class: "count" }));
  const why = button("", () => toggle(row), { class: "small" });
  const element = el("tr", {},
    el("th", { scope: "row", class: "file" }, file), el("td", {}, badge, told), taken, skipped, refused);
  element.update = (fresh) => {
    const [word, level] = STATES[fresh.state];
    setText(badge, word);
    badge.dataset.level = level;
    setText(told, facts(fresh));
    setText(taken, count(fresh.taken));
    setText(skipped, count(fresh.skipped));
    setText(why, `${count(fresh.refused)}, why?`);
    why.setAttribute("aria-label", `${why.textContent} Refused members of ${file}`);
    why.setAttribute("aria-expanded", isOpen(fresh));
    if (!fresh.refused) setText(refused, "0");
    else if (!why.parentElement) refused.replaceChildren(why);
  };
  return element;
}

function membersRow(row) {
  const list = el("ul");
  const more = button("More members", () => {
    const mine = opened.get(row.archive_id);
    if (!mine) return; // closed, and about to go
    mine.wanted += PAGE;
    attempt(loadArchives);
  }, { class: "small" });
  const element = el("tr", {}, el("td", { colspan: 5 }, list, more));
  element.update = ({ refused }) => {
    const { members } = opened.get(row.archive_id);
    list.append(...members.slice(list.children.length).map(memberRow)); // only ever more of them
    more.hidden = members.length >= refused;
  };
  return element;
}

const memberRow = ({ path, reason, code }) =>
  el("li", {}, el("span", { class: "file" }, path), el("span", { class: "quiet" }, ` ${reason || code}`));

function toggle(row) {
  if (!opened.delete(row.archive_id)) opened.set(row.archive_id, { wanted: PAGE, members: [] });
  attempt(loadArchives);
}

async function readMembers(collection, { archive_id: id, refused }) {
  const mine = opened.get(id);
  if (!mine || mine.members.length >= Math.min(mine.wanted, refused)) return;
  const path = inCollection(collection, `/archives/${id}/members`);
  mine.members = (await getRows(path, { refused: true }, mine.wanted)).items;
}

/** Read and draw them; returns whether there are any. */
export async function loadArchives() {
  const asked = state.collection;
  const mine = ++nAsked;
  const { items, more } = await getRows(inCollection(asked, "/archives"), {}, shown);
  await Promise.all(items.filter(isOpen).map((row) => readMembers(asked, row)));
  if (asked !== state.collection) return false;
  if (mine !== nAsked) return items.length > 0; // a later answer has been drawn, or will be
  const rows = items.flatMap((row) => (isOpen(row) ? [row, { ...row, isDetail: true }] : [row]));
  reconcile(byId("archive-rows"), rows, (row) => `${row.archive_id}${row.isDetail ? " members" : ""}`,
    (row) => (row.isDetail ? membersRow(row) : archiveRow(row)));
  byId("more-archives").hidden = !more;
  byId("archives").hidden = items.length === 0;
  return items.length > 0;
}

export function resetArchives() {
  shown = PAGE;
  opened.clear();
  byId("archive-rows").replaceChildren();
  byId("archives").hidden = true;
}

export function watchArchives() {
  byId("more-archives").addEventListener("click", () => {
    shown += PAGE;
    attempt(loadArchives);
  });
}
