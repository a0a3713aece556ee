/* Requests to the API: JSON in and out, failures as sentences with what helps. */

/** An answer that is no success; `remedy` says what helps and may be empty. */
export class Refused extends Error {
  constructor(status, problem) {
    super((problem && problem.message) || `The server answered ${status}.`);
    this.status = status;
    this.code = (problem && problem.code) || "";
    const remedy = (problem && problem.remedy) || "";
    this.remedy = remedy === this.message ? "" : remedy; // an error without particulars has its remedy for a message
  }
}

function csrfToken() {
  const name = document.body.dataset.csrfCookie + "=";
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(name));
  return found ? found.slice(name.length) : "";
}

async function answerOf(request) {
  let response;
  try {
    response = await request;
  } catch {
    throw new Refused(0, { message: "The server does not answer.", remedy: "Nothing is lost; try again in a moment." });
  }
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Refused(response.status, body && body.error);
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const search = new URLSearchParams(given).toString();
  return answerOf(fetch(search ? `${path}?${search}` : path));
}

export async function post(path, body = {}) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() };
  return answerOf(fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

/** The rows of a listing, page after page, `most` at most; `{ items, more }`. */
export async function getRows(path, query, most) {
  const items = [];
  let after = null;
  do {
    const page = await get(path, { ...query, limit: Math.min(1000, most - items.length), after });
    items.push(...page.items);
    after = page.next;
  } while (after && items.length < most);
  return { items, more: Boolean(after) };
}

export function inCollection(name, rest = "") {
  return `/v1/collections/${encodeURIComponent(name)}${rest}`;
}

export function ofSpeaker(name, rest = "") {
  return `/v1/speakers/${encodeURIComponent(name)}${rest}`;
}

export function segmentAudio(segmentId) {
  return `/v1/segments/${segmentId}/audio`;
}
