"""Backfills and splits over HTTP: asked for in the ledger, refused with a code."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from shared.events import BackfillRequested, EmbeddingRequested, LabelRecorded, SegmentsRemoved
from shared.ledger import stream
from shared.storage import backfills, encoders
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import SPANS, Meetings


def events_of(served: Served, kind: str) -> list[dict[str, Any]]:
    with served.console.database.begin() as tx:
        return [e.data for e in stream.read(tx, stream.beginning())[0] if e.type == kind]


def test_a_backfill_is_asked_for_and_followed(served: Served, meetings: Meetings) -> None:
    answer = served.http.post("/v1/collections/meetings/backfills", json={"encoder": "tiny"})
    assert answer.status_code == 202
    asked = answer.json()
    assert (asked["encoder"], asked["space"], asked["everything"], asked["added"]) == (
        "tiny", "tiny@1:last:mean", False, False,
    )  # fmt: skip
    (event,) = events_of(served, BackfillRequested.type)
    assert (event["backfill_id"], event["after"]) == (asked["backfill_id"], None)

    path = f"/v1/backfills/{asked['backfill_id']}"
    assert served.http.get(path).json()["state"] == "enlisting"
    with served.console.database.begin() as tx:
        more = backfills.Count(n_wanted=2, n_done=1, n_without_voice=1, all_enlisted=True)
        backfills.count(tx, UUID(asked["backfill_id"]), more)
    shown = served.http.get(path).json()
    assert {name: shown[name] for name in ("state", "wanted", "done", "without_voice", "unreadable")} == {
        "state": "embedding", "wanted": 2, "done": 1, "without_voice": 1, "unreadable": 0,
    }  # fmt: skip


def test_a_new_encoder_is_added_to_the_collection_once(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        encoders.announce_encoder(tx, "other", "other@1", 4, {})
    path, body = "/v1/collections/meetings/backfills", {"encoder": "other", "everything": True}
    assert [served.http.post(path, json=body).json()["added"] for _ in range(2)] == [True, False]
    assert served.http.get("/v1/collections/meetings").json()["encoders"] == ["tiny", "other"]


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("/v1/collections/nowhere/backfills", {"encoder": "tiny"}, 404, "unknown_collection"),
        ("/v1/collections/meetings/backfills", {"encoder": "mystery"}, 422, "unknown_encoder"),
        ("/v1/collections/meetings/backfills", {}, 422, "invalid_request"),
        ("/v1/collections/meetings/backfills", {"encoder": "tiny", "all": True}, 422, "invalid_request"),
    ],
)
def test_what_cannot_be_backfilled_is_refused(
    served: Served, meetings: Meetings, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = served.http.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert served.http.get("/v1/collections/meetings").json()["encoders"] == ["tiny"]


def test_an_unknown_encoder_is_told_the_known_ones(served: Served, meetings: Meetings) -> None:
    answer = served.http.post("/v1/collections/meetings/backfills", json={"encoder": "mystery"})
    assert "known are: tiny" in answer.json()["error"]["message"]


def test_a_backfill_that_nobody_asked_for_is_404(served: Served) -> None:
    answer = served.http.get(f"/v1/backfills/{uuid4()}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_backfill")


def test_a_segment_is_split(served: Served, meetings: Meetings) -> None:
    own = meetings.segment_ids["m3"]
    served.http.post("/v1/labels", json={"segment_id": str(own), "speaker": "Ada"})
    answer = served.http.post(f"/v1/segments/{own}/split", json={"at_s": [6.5]})
    assert answer.status_code == 201
    done = answer.json()
    start, end = SPANS["m3"]
    assert [(part["start_s"], part["end_s"]) for part in done["parts"]] == [(start / 16_000, 6.5), (6.5, end / 16_000)]
    assert (done["removed"], done["recording_id"]) == (str(own), str(meetings.monday))

    assert served.http.get(f"/v1/segments/{own}").status_code == 404
    assert served.http.get(f"/v1/segments/{own}/audio").status_code == 404
    for part in done["parts"]:
        shown = served.http.get(f"/v1/segments/{part['segment_id']}").json()
        assert (shown["source"], shown["speaker"], shown["start_s"]) == ("human", None, part["start_s"])
    (label,) = events_of(served, LabelRecorded.type)
    (removed,) = events_of(served, SegmentsRemoved.type)
    assert (removed["segment_ids"], removed["speaker_ids"]) == ([str(own)], [label["speaker_id"]])
    (asked,) = events_of(served, EmbeddingRequested.type)
    assert (asked["encoder"], asked["segment_ids"]) == ("tiny", [part["segment_id"] for part in done["parts"]])


@pytest.mark.parametrize(
    ("at_s", "status", "code"),
    [
        ([2.0], 422, "split_outside"),
        ([5.05], 422, "part_too_short"),
        ([], 422, "invalid_request"),
        ([-1], 422, "invalid_request"),
        (["x"], 422, "invalid_request"),
        ([1e308], 422, "invalid_request"),
        ([1e9], 422, "split_outside"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(
    served: Served, meetings: Meetings, at_s: list[Any], status: int, code: str
) -> None:
    own = meetings.segment_ids["m3"]
    answer = served.http.post(f"/v1/segments/{own}/split", json={"at_s": at_s})
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert served.http.get(f"/v1/segments/{own}").status_code == 200


def test_a_segment_that_is_gone_cannot_be_split(served: Served, meetings: Meetings) -> None:
    answer = served.http.post(f"/v1/segments/{uuid4()}/split", json={"at_s": [1.0]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "segment_gone")


def test_readers_may_look_and_not_touch(served: Served, meetings: Meetings) -> None:
    asked = served.http.post("/v1/collections/meetings/backfills", json={"encoder": "tiny"}).json()
    own = meetings.segment_ids["m1"]
    with served.as_(served.token("read")) as reader:
        assert reader.get(f"/v1/backfills/{asked['backfill_id']}").status_code == 200
        assert reader.post("/v1/collections/meetings/backfills", json={"encoder": "tiny"}).status_code == 403
        assert reader.post(f"/v1/segments/{own}/split", json={"at_s": [0.5]}).status_code == 403


def test_a_segment_that_is_named_before_it_has_a_vector_is_embedded(served: Served, meetings: Meetings) -> None:
    named = [str(meetings.segment_ids[name]) for name in ("m1", "m2")]
    with served.console.database.begin() as tx:
        tx.execute(sa.text("DELETE FROM embedding WHERE segment_id = :id"), {"id": named[1]})
    assert served.http.post("/v1/labels", json={"segment_ids": named, "speaker": "Ada"}).status_code == 202

    (asked,) = events_of(served, EmbeddingRequested.type)
    assert (asked["encoder"], asked["segment_ids"], asked["duration_s"]) == ("tiny", [named[1]], 2.5)
