/* The event stream: what others and the rules do reaches the page by itself, as news of names or of files. */

import { byId, plural, setText } from "./dom.js";
import { emit, state } from "./state.js";
import { toast } from "./toast.js";

const AGAIN_MS = 3000;
let stream = null;

function heard(event) {
  const { type, data } = JSON.parse(event.data);
  if (type.includes(".labels.propagated.")) emit("spread", data);
  if (type.includes(".clusters.updated.")) {
    toast(`${plural(data.n_clusters, "voice")} found in ${plural(data.n_segments, "segment")}.`);
  }
  emit(/\.(labels?|clusters|segments\.assigned)\b/.test(type) ? "names" : "files");
}

export function listen() {
  if (stream) stream.close();
  const mine = new EventSource(`/v1/events?collection=${encodeURIComponent(state.collection)}`);
  stream = mine;
  const live = byId("live");
  mine.addEventListener("open", () => {
    live.dataset.state = "on";
    setText(live.firstElementChild, "live");
    emit("names"); // whatever happened while nobody listened
    emit("files");
  });
  mine.addEventListener("error", () => {
    live.dataset.state = "off";
    setText(live.firstElementChild, "reconnecting…");
    const gone = mine.readyState === EventSource.CLOSED; // the place in the stream too: begin anew
    if (gone && mine === stream) setTimeout(() => mine === stream && listen(), AGAIN_MS);
  });
  document.body.dataset.eventTypes.split(" ").forEach((type) => mine.addEventListener(type, heard));
}
