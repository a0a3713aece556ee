/* What clusters, recordings, segments and rejected files look like. Each element updates itself from a fresh row. */

import { clock, clusterDot, el, plural, setText, shortId } from "./dom.js";
import { playButton } from "./player.js";

const STATES = { registered: "being cut", segmented: "being embedded", ready: "ready" };
const RULES = { human: "named by hand", cluster: "by its cluster", identification: "recognised", import: "imported" };

/** A name field with its button; `submit` gets the name and resolves when it is recorded. */
function nameForm(what, submit) {
  const input = el("input", {
    type: "text", list: "speakers", maxlength: "200", required: true, autocomplete: "off", spellcheck: "false",
    placeholder: "Name", "aria-label": `Name ${what}`,
  });
  const button = el("button", { type: "submit" }, "Name");
  const form = el("form", { class: "name" }, input, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    if (await submit(input.value)) input.value = "";
    button.disabled = false;
  });
  return form;
}

export function clusterCard(row, nameCluster) {
  const title = el("h3");
  const facts = el("p", { class: "quiet" });
  const cohesion = el("meter", { min: "0", max: "1", low: "0.5", high: "0.75", optimum: "1", "aria-label": "cohesion" });
  const figure = el("span");
  const play = playButton(row.exemplar_segment_id, `an example of voice ${shortId(row.cluster_id)}`);
  const card = el(
    "li", { class: "card" },
    play,
    el("div", { class: "card-text" }, title, facts),
    nameForm(`voice ${shortId(row.cluster_id)}`, (name) => nameCluster(row.cluster_id, name)),
    el("p", { class: "quiet cohesion", title: "how alike its segments sound" }, "Cohesion", cohesion, figure),
  );
  card.update = (fresh) => {
    const name = fresh.speaker || `Unnamed voice ${shortId(fresh.cluster_id)}`;
    title.replaceChildren(clusterDot(fresh.cluster_id), name);
    card.classList.toggle("unnamed", !fresh.speaker);
    setText(facts, `${plural(fresh.segments, "segment")} in ${plural(fresh.recordings, "recording")}`);
    cohesion.value = Math.max(0, fresh.cohesion);
    setText(figure, fresh.cohesion.toFixed(2));
    play.segmentId = fresh.exemplar_segment_id;
  };
  return card;
}

export function segmentRow(row, nameSegment) {
  const span = `${clock(row.start_s)} – ${clock(row.end_s)}`;
  const cluster = el("span", { class: "cluster" });
  const speaker = el("span", { class: "speaker" });
  const why = el("span", { class: "quiet why" });
  const text = el("span", { class: "spoken" });
  const line = el(
    "li", { class: "segment" },
    playButton(row.segment_id, span),
    el("span", { class: "span" }, span),
    cluster,
    el("span", { class: "who" }, speaker, why),
    nameForm(`the segment at ${clock(row.start_s)}`, (name) => nameSegment(row.segment_id, name)),
    text,
  );
  line.update = (fresh) => {
    cluster.replaceChildren();
    if (fresh.cluster_id) cluster.append(clusterDot(fresh.cluster_id), shortId(fresh.cluster_id));
    cluster.title = fresh.cluster_id ? `cluster ${fresh.cluster_id}` : "in no cluster";
    setText(speaker, fresh.speaker || "nobody yet");
    speaker.classList.toggle("nobody", !fresh.speaker);
    const sure = fresh.assigned_by === "identification" ? ` ${fresh.confidence.toFixed(2)}` : "";
    setText(why, fresh.assigned_by ? `${RULES[fresh.assigned_by]}${sure}` : fresh.speaker_label || "");
    setText(text, fresh.text || "");
    text.hidden = !fresh.text;
  };
  return line;
}

export function recordingRow(row, collection, openSegments) {
  const name = el("span", { class: "file" });
  const badge = el("span", { class: "badge" });
  const facts = el("span", { class: "quiet" });
  const speakers = el("span", { class: "speakers" });
  const list = el("ul", { class: "segments" });
  const more = el("button", { type: "button", class: "more", hidden: true }, "More segments");
  const element = el(
    "details", { class: "recording" },
    el("summary", {}, name, badge, facts, speakers),
    list,
    more,
  );
  element.recordingId = row.recording_id;
  element.list = list;
  element.more = more;
  element.addEventListener("toggle", () => element.open && openSegments(element));
  more.addEventListener("click", () => openSegments(element, { more: true }));
  element.update = (fresh) => {
    const [first, ...others] = fresh.object_keys.map((key) => key.slice(collection.length + 1));
    setText(name, first || fresh.recording_id);
    name.title = fresh.object_keys.join("\n");
    setText(badge, STATES[fresh.state] || fresh.state);
    badge.dataset.state = fresh.state;
    const known = fresh.segments === null ? "" : ` · ${plural(fresh.segments, "segment")}`;
    const copies = others.length ? ` · ${plural(others.length, "more copy", "more copies")}` : "";
    setText(facts, `${clock(fresh.duration_s)}${known}${copies}`);
    speakers.replaceChildren(...fresh.speakers.map((speaker) => el("span", { class: "chip" }, speaker)));
  };
  return element;
}

export function rejectedRow(row, collection) {
  const reason = el("p");
  const element = el("li", {}, el("p", { class: "file" }, row.object_key.slice(collection.length + 1)), reason);
  element.update = (fresh) => setText(reason, fresh.reason || fresh.code || "");
  return element;
}
