/* Addresses within the page: #COLLECTION/VIEW?QUERY, so that a view can be bookmarked and sent to a colleague. */

import { state } from "./state.js";

export const VIEWS = ["voices", "next", "segments", "recordings", "speakers", "log"];

export function addressOf(view, query = {}, collection = state.collection) {
  const given = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(given).toString();
  return `#${encodeURIComponent(collection)}/${view}${search ? `?${search}` : ""}`;
}

/** Where the address leads: { collection, view, query }; the view is "voices" unless another one is named. */
export function here() {
  const [path, search = ""] = location.hash.slice(1).split("?");
  const [collection = "", view = ""] = path.split("/").map(decode);
  const query = Object.fromEntries(new URLSearchParams(search));
  return { collection, view: VIEWS.includes(view) ? view : "voices", query };
}

function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}
