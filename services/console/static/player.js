/* One audio element for all play buttons. */

import { segmentAudio } from "./api.js";
import { byId, el, notice } from "./dom.js";

let playing = null;

function show(button, isPlaying) {
  button.setAttribute("aria-pressed", String(isPlaying));
  button.textContent = isPlaying ? "■" : "▶";
}

function stop() {
  if (playing) show(playing, false);
  playing = null;
}

export function playButton(segmentId, what) {
  const button = el("button", { type: "button", class: "play", "aria-label": `Play ${what}`, "aria-pressed": "false" });
  button.textContent = "▶";
  button.segmentId = segmentId;
  button.addEventListener("click", () => {
    const audio = byId("audio");
    const again = playing === button;
    stop();
    audio.pause();
    if (again) return;
    playing = button;
    show(button, true);
    audio.src = segmentAudio(button.segmentId);
    audio.play().catch((error) => {
      if (error.name === "AbortError") return; // another button was faster
      notice("This segment cannot be played just now.", { failed: true });
      if (playing === button) stop();
    });
  });
  return button;
}

export function watchPlayer() {
  byId("audio").addEventListener("ended", stop);
}
