/* The view "Next": one question at a time, the one whose answer names most; everything with the hands on the keys. */

import { get } from "../api.js";
import { button, byId, el, fileOf, plural, setText, span } from "../dom.js";
import { nameVoice, rejectName } from "../labelling.js";
import { nameField } from "../name_field.js";
import { dot } from "../names.js";
import { play, playButton, stop, toggle } from "../player.js";
import { passOver, questions } from "../queue.js";
import { allOf } from "../recording_segments.js";
import { guessOf } from "../segment_row.js";
import { keep, on, setting, state } from "../state.js";
import { timeline } from "../timeline.js";
import { attempt } from "../toast.js";
import { openWhy } from "../why.js";

const MOST_CHIPS = 9;
let queue = [];
let now = null; // the question that is shown
let answered = new Set(); // the server may still list them for a moment
let skipped = [];
let given = 0;
let followed = 0;
let favourites = []; // names on the digits, in the order in which they came up: a digit never changes its meaning
let refilling = 0;
let parts = null;

const fresh = (item) => !answered.has(item.segment_id) && !skipped.some((one) => one.segment_id === item.segment_id);

async function load() {
  const asked = state.collection;
  const found = await questions();
  if (asked !== state.collection) return;
  queue = found.filter((item) => fresh(item) && !(now && item.segment_id === now.segment_id));
  if (now) await lookAgain();
  else if (queue.length) advance();
  else drawQuestion();
  drawProgress();
}

/** What is shown may have got a name, or another suggestion, from somebody or something else. */
async function lookAgain() {
  const asked = now;
  if (!asked) return;
  const segment = await get(`/v1/segments/${asked.segment_id}`).catch(() => null);
  if (now !== asked) return;
  if (!segment || segment.assigned_by === "human") {
    advance();
    return;
  }
  Object.assign(now, { suggestion: guessOf(segment) || null, text: segment.text, recording_id: segment.recording_id });
  drawQuestion();
  drawStrip();
}

function advance() {
  stop();
  now = queue.shift() || null;
  drawQuestion();
  parts.strip.hidden = true;
  attempt(lookAgain);
  if (now) {
    parts.play.segmentIds = [now.segment_id];
    if (byId("view-next").offsetParent) {
      parts.form.focusField();
      if (byId("autoplay").checked) play(parts.play);
    }
  }
  if (queue.length < 3 && !refilling) refilling = setTimeout(() => attempt(refill), 600);
}

async function refill() {
  refilling = 0;
  if (byId("view-next").offsetParent) await load();
}

/** Move on at once; if the answer is refused or taken back, the question comes again. */
async function answer(record) {
  const item = now;
  if (!item) return false;
  const again = () => {
    answered.delete(item.segment_id);
    given = Math.max(0, given - 1);
    if (now) queue.unshift(now);
    queue.unshift(item);
    advance();
    drawProgress();
  };
  answered.add(item.segment_id);
  const done = await record(item, { undone: again });
  if (!done) {
    answered.delete(item.segment_id);
    return false;
  }
  given += 1;
  if (now === item) advance();
  drawProgress();
  return true;
}

function called(name, options = {}) {
  if (!favourites.includes(name) && favourites.length < MOST_CHIPS) favourites.push(name);
  return answer((item, more) => nameVoice({ segment_id: item.segment_id }, name, { ...options, ...more }));
}

function confirmed() {
  return now && now.suggestion ? called(now.suggestion) : false;
}

async function denied() {
  const item = now;
  if (!item || !item.suggestion) return;
  const done = await rejectName(item.segment_id, item.suggestion);
  if (done && now === item) {
    item.suggestion = null;
    drawQuestion();
  }
}

/** Hear a neighbour; the big button stays that of the question. */
function listen(segment) {
  parts.play.segmentIds = [segment.segment_id];
  play(parts.play);
  parts.play.segmentIds = [now.segment_id];
}

function skip() {
  if (!now) return;
  skipped.push(now);
  passOver(now.segment_id);
  advance();
}

function skippedAgain() {
  queue = [...skipped, ...queue];
  skipped = [];
  advance();
}

function whyNothing() {
  if (skipped.length) return `Nothing else to ask just now. You skipped ${plural(skipped.length, "segment")}.`;
  if (!state.naming.segments) return "No segments yet. Upload recordings first.";
  return "Nothing to ask: everything has a name, or nothing is known yet of what has none.";
}

function drawQuestion() {
  byId("question").hidden = !now;
  byId("all-done").hidden = Boolean(now);
  setText(byId("all-done-text"), whyNothing());
  byId("again").hidden = !skipped.length;
  if (!now) return;
  setText(byId("question-file"), fileOf(now.object_key, state.collection));
  setText(byId("question-span"), span(now));
  setText(byId("question-why"), now.reason ? `This ${now.reason}.` : "");
  setText(byId("question-text"), now.text ? `“${now.text}”` : "");
  const guess = byId("guess");
  guess.hidden = !now.suggestion;
  if (now.suggestion) {
    byId("guess-name").replaceChildren("Is it ", dot(now.suggestion), el("b", {}, now.suggestion), "?");
    parts.form.hint(`Enter: ${now.suggestion}`);
  } else parts.form.hint("Who is it?");
  drawChips();
}

function drawChips() {
  state.naming.speakers.forEach(({ name }) => {
    if (!favourites.includes(name) && favourites.length < MOST_CHIPS) favourites.push(name);
  });
  byId("digits").replaceChildren(...favourites.map((name, index) => {
    const chip = button("", () => called(name), { class: "digit" });
    chip.append(el("kbd", {}, String(index + 1)), dot(name), name);
    return chip;
  }));
}

async function drawStrip() {
  const item = now;
  const rows = await allOf(item.recording_id).catch(() => []);
  if (now !== item || !rows.length) return;
  parts.strip.hidden = false;
  parts.strip.show(rows, rows[rows.length - 1].end_s, item.segment_id);
}

function drawProgress() {
  const { segments, named } = state.naming;
  const more = followed ? ` ${plural(followed, "more segment")} followed.` : "";
  setText(byId("session"), given ? `${plural(given, "answer")} in this visit.${more}` : "");
  setText(byId("left"), segments ? `${plural(segments - named, "segment")} without a name` : "");
}

export const next = {
  topics: ["names"],
  load,
  opened() {
    if (now) parts.form.focusField();
  },
  reset() {
    [queue, now, answered, skipped, given, followed, favourites] = [[], null, new Set(), [], 0, 0, []];
    drawQuestion();
  },
  watch() {
    const keys = {
      " ": () => toggle(parts.play), Enter: confirmed, "-": denied, ArrowRight: skip, ArrowDown: skip,
      "?": () => openWhy(now.segment_id, parts.form.input),
    };
    for (let place = 0; place < MOST_CHIPS; place += 1) {
      keys[place + 1] = () => favourites[place] && called(favourites[place]);
    }
    parts = {
      play: playButton([], "the segment in question"),
      form: nameField({ label: "Who speaks in this segment", submit: called, keys, review: true }),
      strip: timeline({
        label: "The recording around it: arrow keys walk, Space plays", chosen: listen, keys: { " ": listen },
      }),
    };
    byId("question-play").append(parts.play);
    byId("question-form").append(parts.form);
    byId("question-strip").append(parts.strip);
    byId("guess").append(button("Yes", confirmed, { class: "yes" }), button("Not them", denied, { class: "no" }));
    byId("question-more").append(button("Skip", skip), button("Why?", () => openWhy(now.segment_id, parts.form.input)));
    byId("again").addEventListener("click", skippedAgain);
    byId("autoplay").checked = setting("autoplay", true);
    byId("autoplay").addEventListener("change", () => keep("autoplay", byId("autoplay").checked));
    on("naming", () => {
      drawProgress();
      if (now) drawChips();
    });
    on("spread", (spread) => {
      followed += spread.n_cluster + spread.n_identified;
      drawProgress();
    });
  },
};
