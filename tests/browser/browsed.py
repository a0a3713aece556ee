"""The collection that the browser tests look at, and how it is brought back to a state in which nothing was said."""

import httpx

from tests.support.stack import FullStack

NAME = "browsed"
HOSTILE = "<img src=x onerror=alert(1)>.wav"
PATIENCE_MS = 30_000
STATEMENTS = {"assign", "reject", "import", "split", "merge", "rename"}


def path(rest: str) -> str:
    return f"/v1/collections/{NAME}/{rest}"


def voices(api: httpx.Client) -> list[dict]:
    """The largest first."""
    return api.get(path("clusters")).json()["items"]


def segments(api: httpx.Client, **narrowed: object) -> list[dict]:
    return api.get(path("segments"), params={"limit": 1000, **narrowed}).json()["items"]


def said(api: httpx.Client) -> list[dict]:
    return api.get(path("labels"), params={"limit": 1000}).json()["items"]


def name(stack: FullStack, speaker: str, **what: str) -> str:
    """Name a voice or a segment through the API, and wait until everything that follows has followed."""
    with stack.api() as api:
        answer = api.post("/v1/labels", json={**what, "speaker": speaker})
        answer.raise_for_status()
    stack.idle()
    return answer.json()["label_id"]


def suggest(stack: FullStack, segment_id: str, speaker: str) -> None:
    """As identification does where a voice is near enough to ask, and not near enough to say so."""
    stack.sql(
        "INSERT INTO suggestion (segment_id, collection, speaker_id, probability) "
        "SELECT %s, %s, speaker_id, 0.6 FROM speaker WHERE name = %s RETURNING segment_id",
        segment_id,
        NAME,
        speaker,
    )


def forget(stack: FullStack) -> None:
    """Take back whatever was said, the latest first."""
    stack.idle()
    with stack.api() as api:
        for entry in reversed(said(api)):
            if entry["active"] and entry["operation"] in STATEMENTS:
                api.post(f"/v1/labels/{entry['label_id']}/undo").raise_for_status()
    stack.idle()
    stack.sql("DELETE FROM suggestion RETURNING segment_id")
