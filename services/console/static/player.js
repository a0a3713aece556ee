/* One audio element for all play buttons; a button plays its segments one after the other. */

import { segmentAudio } from "./api.js";
import { byId, el, plural } from "./dom.js";
import { toast } from "./toast.js";

const PAUSE_MS = 250;
let playing = null; // { button, ids, at }
let pause = 0;

function show(button, isPlaying) {
  button.setAttribute("aria-pressed", String(isPlaying));
  button.classList.toggle("playing", isPlaying);
  button.style.setProperty("--at", "0");
  const several = isPlaying && playing && playing.ids.length > 1;
  button.dataset.step = several ? `${playing.at + 1}/${playing.ids.length}` : "";
}

export function stop() {
  clearTimeout(pause);
  byId("audio").pause();
  if (!playing) return;
  const { button } = playing;
  playing = null;
  show(button, false);
}

function start() {
  const audio = byId("audio");
  const mine = playing;
  show(mine.button, true);
  audio.src = segmentAudio(mine.ids[mine.at]);
  audio.play().catch((error) => {
    if (playing !== mine || error.name === "AbortError") return; // another button was faster
    stop();
    if (error.name !== "NotAllowedError") toast("This segment cannot be played just now.", { failed: true });
  });
}

/** Play what the button stands for from its beginning, or stop if it plays. */
export function toggle(button) {
  const again = playing && playing.button === button;
  stop();
  if (!again) play(button);
}

export function play(button) {
  stop();
  if (!button.segmentIds.length) return;
  playing = { button, ids: [...button.segmentIds], at: 0 };
  start();
}

function ended() {
  if (!playing) return;
  if (playing.at + 1 === playing.ids.length) {
    stop();
    return;
  }
  playing.at += 1;
  pause = setTimeout(() => playing && start(), PAUSE_MS);
}

export function playButton(segmentIds, what) {
  const count = segmentIds.length > 1 ? `${plural(segmentIds.length, "example")} of ` : "";
  const button = el("button", {
    type: "button", class: "play", "aria-label": `Play ${count}${what}`, "aria-pressed": "false",
    onclick: () => toggle(button),
  });
  button.segmentIds = segmentIds;
  return button;
}

export function watchPlayer() {
  const audio = byId("audio");
  audio.addEventListener("ended", ended);
  audio.addEventListener("timeupdate", () => {
    if (!playing || !audio.duration) return;
    playing.button.style.setProperty("--at", (audio.currentTime / audio.duration).toFixed(3));
  });
}
