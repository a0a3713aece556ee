"""Chains of events, by whatever somebody has at hand of them."""

from uuid import UUID

import pytest
import sqlalchemy as sa

from shared import ids
from shared.events import Event, ObjectSeen, RecordingRegistered, RecordingRejected, SegmentsCreated
from shared.ledger.outbox import Cause, announce, publish
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import NAME, Meetings

KEY = "meetings/a monday/ü.wav"


def published(served: Served, event: Event, cause: Cause | None = None) -> Cause:
    """The event, and itself as a cause whose work begins now."""
    announcement = announce(event, cause=cause)
    with served.console.database.begin() as tx:
        publish(tx, [announcement])
        now = tx.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return Cause(announcement.event_id, announcement.correlation_id, now, 1)


@pytest.fixture
def upload(served: Served, meetings: Meetings) -> UUID:
    """The chain of `monday`, as the watcher and ingest would announce it; its vectors are still to come."""
    object_id = ids.object_id("audio", KEY)
    seen = ObjectSeen(object_id=object_id, collection=NAME, bucket="audio", key=KEY, etag="e", size_bytes=1)
    registered = RecordingRegistered(
        recording_id=meetings.monday, object_id=object_id, collection=NAME, segmenter="vad", duration_s=10
    )
    created = SegmentsCreated(
        recording_id=meetings.monday, collection=NAME, segmenter="vad", segment_ids=(), duration_s=10
    )
    first = published(served, seen)
    published(served, created, published(served, registered, first))
    with served.console.database.begin() as tx:  # that work is done
        tx.execute(sa.text("DELETE FROM delivery WHERE subscription <> 'embedder.embed'"))
    return first.correlation_id


def trace(served: Served, of: object) -> dict:
    return served.http.get("/v1/trace", params={"of": str(of)}).raise_for_status().json()


def test_an_upload_is_found_by_its_key_its_recording_its_segment_and_its_events(
    served: Served, meetings: Meetings, upload: UUID
) -> None:
    whole = trace(served, upload)
    others = [KEY, meetings.monday, meetings.segment_ids["m2"], *(step["event_id"] for step in whole["steps"])]
    assert [trace(served, of)["steps"] for of in others] != []
    assert {trace(served, of)["correlation_id"] for of in others} == {str(upload)}


def test_a_chain_tells_what_waited_what_took_how_long_and_what_is_open(served: Served, upload: UUID) -> None:
    seen, registered, created = trace(served, upload)["steps"]
    assert [one["type"].split(".")[2:4] for one in (seen, registered, created)] == [
        ["object", "seen"],
        ["recording", "registered"],
        ["segments", "created"],
    ]
    assert (seen["causation_id"], seen["waited_s"], seen["worked_s"], seen["attempt"]) == (None, None, None, None)
    assert registered["causation_id"] == seen["event_id"]
    assert registered["attempt"] == 1
    assert registered["waited_s"] >= 0
    assert registered["worked_s"] >= 0
    assert [one["open"] for one in (seen, registered)] == [[], []]
    (waits,) = created["open"]
    assert (waits["subscription"], waits["state"], waits["attempt"]) == ("embedder.embed", "pending", 0)


@pytest.mark.parametrize("paused", [{"collection": NAME}, {"stage": "embedder"}, {"stage": "embedder.embed"}])
def test_what_is_open_names_the_pause_that_holds_it(served: Served, upload: UUID, paused: dict) -> None:
    def held() -> list[str | None]:
        return [one["paused"] for step in trace(served, upload)["steps"] for one in step["open"]]

    served.http.post("/v1/pauses", json={"stage": "clusterer"})
    assert held() == [None]
    served.http.post("/v1/pauses", json=paused).raise_for_status()
    assert held() == [*paused.values()]
    with served.console.database.begin() as tx:  # what is in work ends
        tx.execute(sa.text("UPDATE delivery SET state = 'leased', lease_until = now() + interval '1 h'"))
    assert held() == [None]


def test_a_refusal_has_its_code(served: Served) -> None:
    object_id = ids.object_id("audio", KEY)
    seen = ObjectSeen(object_id=object_id, collection=NAME, bucket="audio", key=KEY, etag="e", size_bytes=1)
    refused = RecordingRejected(object_id=object_id, collection=NAME, key=KEY, code="too_short", reason="Too short.")
    published(served, refused, published(served, seen))
    assert [step["code"] for step in trace(served, KEY)["steps"]] == [None, "too_short"]


def test_a_label_leads_to_the_upload_of_its_segment_and_back(served: Served, meetings: Meetings, upload: UUID) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    answer = served.http.post("/v1/labels", json=body).raise_for_status()
    label = trace(served, answer.json()["label_id"])
    assert label["correlation_id"] == answer.headers["x-correlation-id"]
    assert [(link["correlation_id"], link["subject"]) for link in label["links"]] == [
        (str(upload), str(meetings.monday))
    ]
    links = trace(served, meetings.segment_ids["m3"])["links"]
    assert [link["subject"] for link in links] == [answer.json()["label_id"]]


@pytest.mark.parametrize("of", ["nowhere/x.wav", str(UUID(int=7)), "'"])
def test_what_nobody_knows_has_no_chain(served: Served, of: str) -> None:
    answer = served.http.get("/v1/trace", params={"of": of})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (404, "unknown_chain")
    assert "earmark archives --refused" in error["remedy"]  # a member that was refused is known there


def test_a_chain_is_found_without_reading_the_log(served: Served, meetings: Meetings, upload: UUID) -> None:
    """The log is the largest table; each look-up goes by an index."""
    with served.console.database.begin() as tx:
        tx.execute(sa.text("SET LOCAL enable_seqscan = off"))
        for where in ("subject = 'x'", f"correlation_id = '{upload}'"):
            plan = "\n".join(tx.execute(sa.text(f"EXPLAIN SELECT FROM event WHERE {where}")).scalars())
            assert "Index" in plan, plan
