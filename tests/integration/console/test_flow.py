"""Too much work is sent away with a word, what shall rest rests, and the status says what waits and for how long."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from shared.events import LabelRecorded, ObjectSeen
from shared.ledger.outbox import announce, publish
from shared.settings import Settings
from tests.integration.console.conftest import Served, serving
from tests.integration.console.seeding import NAME, Meetings

CAP = 10


@pytest.fixture
def strict(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """A console that takes few events of a collection."""
    own = settings.console.model_copy(update={"max_backlog_events": CAP})
    with serving(settings.model_copy(update={"console": own}), tmp_path) as served:
        yield served


def wait(served: Served, collection: str, n_events: int, *, drained: int = 0) -> None:
    """So many events of a collection wait to be registered, and so many were in the last minute."""
    served.http.post("/v1/collections", json={"name": collection, "segmenter": "whole"})
    events = [
        ObjectSeen(object_id=uuid4(), collection=collection, bucket="audio", key="k", etag="e", size_bytes=1)
        for _ in range(n_events)
    ]
    with served.console.database.begin() as tx:
        publish(tx, [announce(event) for event in events])
        tx.execute(
            sa.text("""INSERT INTO drained (subscription, collection, n, at)
                       SELECT 'ingest.register', :c, :n, clock_timestamp() - interval '50 s' WHERE :n > 0"""),
            {"c": collection, "n": drained},
        )


def begin(served: Served, collection: str) -> "tuple[int, str | None, dict]":
    answer = served.http.post(f"/v1/collections/{collection}/uploads", json={"paths": ["a.wav"]})
    return answer.status_code, answer.headers.get("Retry-After"), answer.json()


def test_an_upload_to_a_backlog_above_the_cap_is_told_when_to_come_back(strict: Served, meetings: Meetings) -> None:
    wait(strict, "busy", CAP + 1, drained=25)

    status, retry_after, body = begin(strict, "busy")

    assert (status, retry_after) == (
        429,
        "5",
    )  # a tenth of the cap shall be free: two events, at one in two seconds or so
    assert body["error"]["code"] == "overloaded"
    assert "busy" in body["error"]["message"]


def test_where_nothing_is_done_the_guess_is_half_a_minute(strict: Served, meetings: Meetings) -> None:
    wait(strict, "busy", CAP + 1)
    assert begin(strict, "busy")[:2] == (429, "30")


def test_other_collections_are_not_sent_away(strict: Served, meetings: Meetings) -> None:
    wait(strict, "busy", CAP + 1)
    wait(strict, "idle", CAP)
    assert begin(strict, "idle")[0] == 200
    assert begin(strict, "new")[0] == 200


def test_a_label_is_not_refused_because_somebody_uploads(strict: Served, meetings: Meetings) -> None:
    wait(strict, NAME, CAP + 1)
    label = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    assert strict.http.post("/v1/labels", json=label).status_code == 202


def test_labels_that_pile_up_are_refused_and_leave_no_trace(strict: Served, meetings: Meetings) -> None:
    with strict.console.database.begin() as tx:
        words = [LabelRecorded(label_id=uuid4(), collection=NAME, operation="assign") for _ in range(CAP + 1)]
        publish(tx, [announce(word) for word in words])
    label = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Nobody Else"}

    answer = strict.http.post("/v1/labels", json=label)

    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")
    assert "Nobody Else" not in strict.http.get("/v1/speakers").text


@pytest.mark.parametrize("kind", ["backfills", "clusterings", "comparisons"])
def test_work_for_a_stage_is_refused_while_that_stage_has_too_much(
    strict: Served, meetings: Meetings, kind: str
) -> None:
    subscription = "embedder.embed" if kind == "backfills" else "clusterer.assign"
    with strict.console.database.begin() as tx:
        tx.execute(
            sa.text("""INSERT INTO delivery (event_id, subscription, collection)
                       SELECT gen_random_uuid(), :s, :c FROM generate_series(0, :n)"""),
            {"s": subscription, "c": NAME, "n": CAP},
        )
    bodies = {"backfills": {"encoder": "tiny"}, "clusterings": {}, "comparisons": {"encoders": ["tiny", "other"]}}
    answer = strict.http.post(f"/v1/collections/{NAME}/{kind}", json=bodies[kind])
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "overloaded")


def test_a_pause_is_shown_with_who_said_so_until_it_is_resumed(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("admin")) as admin:
        made = admin.post("/v1/pauses", json={"collection": NAME}).json()
    assert (made["kind"], made["name"], made["paused_by"]) == ("collection", NAME, "t admin")
    with served.console.database.begin() as tx:
        tx.execute(
            sa.text(
                """INSERT INTO delivery (event_id, subscription, collection)
                   SELECT gen_random_uuid(), s, :c FROM unnest(CAST(:s AS text[])) s"""
            ),
            {"s": ["embedder.embed", "embedder.discard"], "c": NAME},  # the second goes on
        )
    assert served.http.get("/v1/status").json()["pauses"] == [{**made, "pending": 1}]
    assert served.http.get(f"/v1/collections/{NAME}/work").json()["pauses"] == [made]
    assert served.http.post("/v1/pauses/resume", json={"collection": NAME}).json() == {"resumed": True, "held_by": []}
    assert served.http.get("/v1/pauses").json() == []
    assert served.http.post("/v1/pauses/resume", json={"collection": NAME}).json() == {"resumed": False, "held_by": []}


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"stage": "ingest.register"}, ["ingest"]),
        ({"stage": "ingest.erase"}, []),  # it goes on
        ({"stage": "embedder"}, ["embedder.embed"]),
        ({"collection": NAME}, ["ingest", "embedder.embed"]),
    ],
)
def test_what_is_resumed_names_the_pauses_that_hold_it_still(
    served: Served, meetings: Meetings, body: dict, names: list[str]
) -> None:
    for stage in ("ingest", "embedder.embed"):
        served.http.post("/v1/pauses", json={"stage": stage})
    answer = served.http.post("/v1/pauses/resume", json=body).json()
    assert (answer["resumed"], [one["name"] for one in answer["held_by"]]) == (False, names)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"collection": "nowhere"}, "unknown_collection"),
        ({"stage": "decoder"}, "unknown_stage"),
        ({}, "invalid_request"),
        ({"stage": "ingest", "collection": "c"}, "invalid_request"),
    ],
)
def test_a_pause_of_nothing_is_refused(served: Served, body: dict, code: str) -> None:
    for path in ("/v1/pauses", "/v1/pauses/resume"):
        assert served.http.post(path, json=body).json()["error"]["code"] == code


def test_who_names_both_is_told_to_name_one(served: Served) -> None:
    answer = served.http.post("/v1/pauses", json={"stage": "ingest", "collection": NAME})
    assert "name only one of them" in answer.json()["error"]["message"]


def test_only_administrators_pause_and_weigh(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("read", "label", "ingest")) as somebody:
        assert somebody.post("/v1/pauses", json={"stage": "ingest"}).status_code == 403
        assert somebody.post("/v1/pauses/resume", json={"stage": "ingest"}).status_code == 403
        assert somebody.patch(f"/v1/collections/{NAME}", json={"weight": 2}).status_code == 403


def test_a_collection_is_given_more_turns(served: Served, meetings: Meetings) -> None:
    path = f"/v1/collections/{NAME}"
    assert served.http.get(path).json()["weight"] == 1
    assert served.http.patch(path, json={"weight": 3}).json()["weight"] == 3
    assert served.http.get(path).json()["weight"] == 3
    assert served.http.patch(path, json={"weight": 0}).status_code == 422
    assert served.http.patch("/v1/collections/nowhere", json={"weight": 3}).status_code == 404


def test_the_status_says_what_waits_for_how_long_and_how_fast_it_goes(served: Served, meetings: Meetings) -> None:
    wait(served, "few", 2)
    wait(served, "many", 5, drained=40)
    with served.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE delivery SET created_at = created_at - interval '1 h' WHERE collection = 'few'"))
    served.http.post("/v1/pauses", json={"stage": "ingest"})

    status = served.http.get("/v1/status").json()

    (stage,) = [one for one in status["stages"] if one["pending"]]
    assert (stage["stage"], stage["pending"], stage["drained_per_minute"]) == ("ingest.register", 7, 40)
    assert stage["paused"]
    assert [(one["name"], one["pending"]) for one in status["pauses"]] == [("ingest", 7)]
    assert 3600 <= stage["lag_s"] < 3700
    assert [(one["collection"], one["pending"]) for one in status["waiting"]] == [("many", 5), ("few", 2)]
    assert status["backlog"]["pending"] == 7
