/* Requests to the API: JSON in and out, failures as sentences. */

function csrfToken() {
  const name = document.body.dataset.csrfCookie + "=";
  const found = document.cookie.split("; ").find((cookie) => cookie.startsWith(name));
  return found ? found.slice(name.length) : "";
}

async function answerOf(response) {
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  const problem = body && body.error;
  if (!problem) throw new Error(`The server answered ${response.status}.`);
  // An error without particulars has its remedy for a message.
  throw new Error(problem.message === problem.remedy ? problem.message : `${problem.message} ${problem.remedy}`);
}

export async function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
  const search = new URLSearchParams(given).toString();
  return answerOf(await fetch(search ? `${path}?${search}` : path));
}

export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-CSRF-Token": csrfToken() };
  return answerOf(await fetch(path, { method: "POST", headers, body: JSON.stringify(body) }));
}

export function inCollection(name, rest = "") {
  return `/v1/collections/${encodeURIComponent(name)}${rest}`;
}

export function segmentAudio(segmentId) {
  return `/v1/segments/${segmentId}/audio`;
}
