"""Comparisons of encoders and switches over HTTP: asked for in the ledger, shown, refused with a code."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events import BackfillRequested, ComparisonRequested
from shared.storage import backfills, encoder_comparisons, encoders, labels, switches
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings
from tests.integration.console.test_backfills import events_of

COMPARISONS, SWITCHES = "/v1/collections/meetings/comparisons", "/v1/collections/meetings/switches"


@pytest.fixture
def other(served: Served, meetings: Meetings) -> Served:
    with served.console.database.begin() as tx:
        encoders.announce_encoder(tx, "other", "other@1", 4, {})
        encoders.announce_encoder(tx, "words", "words@1", 4, {"modality": "text"})
    return served


def test_a_comparison_is_asked_for_and_shown(other: Served) -> None:
    answer = other.http.post(COMPARISONS, json={"encoders": ["tiny", "other"]})
    assert answer.status_code == 202
    comparison_id = answer.json()["comparison_id"]
    [event] = events_of(other, ComparisonRequested.type)
    assert (event["comparison_id"], event["collection"]) == (comparison_id, "meetings")
    path = f"/v1/comparisons/{comparison_id}"
    assert other.http.get(path).json() == {
        "comparison_id": comparison_id, "collection": "meetings", "encoders": ["tiny", "other"],
        "state": "requested", "result": None,
    }  # fmt: skip
    with other.console.database.begin() as tx:
        encoder_comparisons.write(tx, UUID(comparison_id), {"labelled": 4})
    shown = other.http.get(path).json()
    assert (shown["state"], shown["result"]) == ("done", {"labelled": 4})


def test_a_switch_is_asked_for_and_followed(other: Served) -> None:
    asked = other.http.post(SWITCHES, json={"encoder": "other"})
    assert asked.status_code == 202
    shown = asked.json()
    assert (shown["state"], shown["before"], shown["label_id"]) == ("embedding", None, None)
    assert [event["encoder"] for event in events_of(other, BackfillRequested.type)] == ["other"]
    assert other.http.get("/v1/collections/meetings").json()["encoders"] == ["tiny", "other"]
    assert other.http.post(SWITCHES, json={"encoder": "other"}).json()["switch_id"] == shown["switch_id"]
    assert len(events_of(other, BackfillRequested.type)) == 1

    path, switch_id = f"/v1/switches/{shown['switch_id']}", UUID(shown["switch_id"])
    with other.console.database.begin() as tx:
        backfill_id = switches.get(tx, switch_id).backfill_id
        assert backfills.count(tx, backfill_id, backfills.Count(n_wanted=2, n_done=2, all_enlisted=True))
    assert other.http.get(path).json()["state"] == "clustering"
    with other.console.database.begin() as tx:
        entry = labels.append(tx, "meetings", "switch", "test", detail={"from": "tiny", "to": "other"})
        switches.finish(tx, switch_id, "tiny", entry.label_id)
    shown = other.http.get(path).json()
    assert (shown["state"], shown["before"], shown["label_id"]) == ("done", "tiny", str(entry.label_id))
    assert (shown["wanted"], shown["done"], shown["changed"]) == (2, 2, 0)


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (COMPARISONS, {"encoders": ["tiny", "tiny"]}, 422, "same_encoder"),
        (COMPARISONS, {"encoders": ["tiny", "mystery"]}, 422, "unknown_encoder"),
        (COMPARISONS, {"encoders": ["tiny"]}, 422, "invalid_request"),
        ("/v1/collections/nowhere/comparisons", {"encoders": ["tiny", "other"]}, 404, "unknown_collection"),
        (SWITCHES, {"encoder": "mystery"}, 422, "unknown_encoder"),
        (SWITCHES, {"encoder": "words"}, 422, "encoder_of_texts"),
        (SWITCHES, {"encoder": "tiny"}, 409, "already_naming"),
        ("/v1/collections/nowhere/switches", {"encoder": "other"}, 404, "unknown_collection"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    other: Served, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = other.http.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert other.http.get("/v1/collections/meetings").json()["encoders"] == ["tiny"]


@pytest.mark.parametrize(("kind", "code"), [("comparisons", "unknown_comparison"), ("switches", "unknown_switch")])
def test_what_nobody_asked_for_is_404(served: Served, kind: str, code: str) -> None:
    answer = served.http.get(f"/v1/{kind}/{uuid4()}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_a_switch_needs_both_scopes(other: Served) -> None:
    for scopes in (("read", "label"), ("read", "ingest")):
        with other.as_(other.token(*scopes)) as http:
            assert http.post(SWITCHES, json={"encoder": "other"}).status_code == 403
