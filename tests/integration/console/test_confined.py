"""Tokens for single collections: nothing outside of them exists."""

import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy as sa

from services.console.confinement import KIND_OF_FIELD, NAMED_IN_BODY, OPEN
from shared.events import ClusteringRequested
from shared.ledger.outbox import announce, publish
from shared.storage import clusters, collections
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

PUBLIC = {"GET /v1/health/live", "GET /v1/health/ready"}
CLOSED = {
    "POST /v1/collections",  # but for one that the token is for
    "POST /v1/dead/requeue",
    "POST /v1/dead/drop",
    "POST /v1/encoders",
    "DELETE /v1/encoders/{name}",
    "POST /v1/encoders/{name}/checks",
    "POST /v1/speakers/{name}/rename",
    "POST /v1/speakers/{name}/merge",
    "POST /v1/speakers/{name}/split",
    "DELETE /v1/speakers/{name}",
    "GET /v1/receipts",
    "GET /v1/receipts/{receipt_id}",
    "GET /v1/tombstones",
    "POST /v1/tombstones/replay",
    "GET /v1/pauses",
    "POST /v1/pauses",
    "POST /v1/pauses/resume",
    "GET /v1/tokens",
    "POST /v1/tokens",
    "DELETE /v1/tokens/{token_id}",
    "GET /v1/audit",
    "GET /v1/metrics",
    "GET /v1/trace",
}
ID_FIELDS_OF_NOBODY = {"receipt_id", "check_id", "token_id", "event_ids", "last_event_id", "speaker_id"}


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


@pytest.fixture
def stranger(served: Served, meetings: Meetings) -> Iterator[httpx.Client]:
    """Their token is for another collection than `meetings`."""
    with served.console.database.begin() as tx:
        collections.create(tx, "theirs", "vad", ("tiny",))
    secret = served.token("read", "label", "ingest", collections=["theirs"])
    with served.as_(secret) as client:
        yield client


def operations(served: Served) -> dict[str, dict[str, Any]]:
    paths = served.http.get("/v1/openapi.json").json()["paths"]
    return {f"{method.upper()} {path}": found for path, methods in paths.items() for method, found in methods.items()}


def test_every_operation_names_a_collection_or_is_known_to_be_open_or_closed(served: Served) -> None:
    """A new endpoint is closed to confined tokens until somebody decides; here they are told to."""
    known = OPEN | CLOSED | PUBLIC | NAMED_IN_BODY
    for operation in operations(served):
        fields = set(re.findall(r"{(\w+)}", operation))
        assert operation in known or "collection" in fields or fields & KIND_OF_FIELD.keys(), operation
    assert known <= operations(served).keys()


def test_every_id_that_a_request_may_name_is_looked_up(served: Served) -> None:
    document = served.http.get("/v1/openapi.json").json()
    fields = {p["name"] for operation in operations(served).values() for p in operation.get("parameters", [])}
    for operation in operations(served).values():
        for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(operation.get("requestBody", {}))):
            fields |= document["components"]["schemas"][name]["properties"].keys()
    ids = {field for field in fields if field.endswith(("_id", "_ids"))} - {"contributor_id"}
    assert ids <= KIND_OF_FIELD.keys() | ID_FIELDS_OF_NOBODY


def test_another_collection_does_not_exist(served: Served, stranger: httpx.Client) -> None:
    for operation in operations(served):
        method, path = operation.split()
        if "{collection}" in path:
            filled = re.sub(r"{(\w+_id)}", str(uuid4()), path)
            there = stranger.request(method, re.sub(r"{collection}", "meetings", filled), json={})
            if code(there) == "scope_missing":
                continue
            assert (there.status_code, code(there)) == (404, "unknown_collection"), operation
            assert stranger.request(method, re.sub(r"{collection}", "nowhere", filled), json={}).status_code == 404


@pytest.fixture
def named(served: Served, meetings: Meetings) -> dict[str, str]:
    """By field, an id of something in `meetings`."""
    segment = str(meetings.segment_ids["m1"])
    cluster = served.http.get("/v1/collections/meetings/clusters").json()["items"][0]["cluster_id"]
    post = served.http.post
    label = post("/v1/labels", json={"segment_id": segment, "speaker": "Ada"}).json()["label_id"]
    review = post("/v1/reviews", json={"cluster_id": cluster, "speaker": "Ada"}).json()["review_id"]
    backfill = post("/v1/collections/meetings/backfills", json={"encoder": "tiny"}).json()["backfill_id"]
    with served.console.database.begin() as tx:
        event = clusters.request(tx, "meetings", "tiny", {})
        assert isinstance(event, ClusteringRequested)
        publish(tx, [announce(event)])
    clustering = str(event.request_id)
    return {
        "segment_id": segment,
        "cluster_id": cluster,
        "label_id": label,
        "review_id": review,
        "backfill_id": backfill,
        "request_id": clustering,
    }


def test_ids_of_another_collection_are_as_good_as_made_up(
    served: Served, stranger: httpx.Client, named: dict[str, str]
) -> None:
    for operation in operations(served):
        method, path = operation.split()
        (field, *_) = [*re.findall(r"{(\w+)}", path), ""]
        if field in KIND_OF_FIELD and field in named:
            made_up = str(uuid4())
            foreign = stranger.request(method, path.replace(f"{{{field}}}", named[field]), json={})
            unknown = stranger.request(method, path.replace(f"{{{field}}}", made_up), json={})
            assert foreign.status_code == 404, operation
            assert foreign.text.replace(named[field], made_up) == unknown.text, operation
            assert served.http.request("GET", path.replace(f"{{{field}}}", named[field])).status_code != 404, operation


def test_bodies_with_ids_of_another_collection_are_refused(stranger: httpx.Client, named: dict[str, str]) -> None:
    segment, cluster = named["segment_id"], named["cluster_id"]
    bodies: list[tuple[str, dict[str, Any], str]] = [
        ("/v1/labels", {"segment_id": segment, "speaker": "x"}, "segment_gone"),
        ("/v1/labels", {"segment_id": segment.upper(), "speaker": "x"}, "segment_gone"),
        ("/v1/labels", {"segment_id": f"urn:uuid:{segment}", "speaker": "x"}, "segment_gone"),
        ("/v1/labels", {"segment_ids": [segment], "speaker": "x"}, "segment_gone"),
        ("/v1/labels", {"cluster_id": cluster, "speaker": "x"}, "cluster_gone"),
        ("/v1/reviews", {"cluster_id": cluster, "speaker": "x"}, "cluster_gone"),
        ("/v1/rejections", {"segment_id": segment, "speaker": "x"}, "segment_gone"),
    ]
    for path, body, expected in bodies:
        answer = stranger.post(path, json=body)
        assert (answer.status_code, code(answer)) == (404, expected), (path, body)


def test_what_concerns_all_collections_is_closed(stranger: httpx.Client, named: dict[str, str]) -> None:
    for method, path, body in (
        ("POST", "/v1/collections", {"name": "more"}),
        ("POST", "/v1/speakers/Ada/rename", {"to": "Eve"}),
        ("POST", "/v1/speakers/Ada/rename?segment_id=" + named["segment_id"], {"to": "Eve"}),
        ("DELETE", "/v1/encoders/tiny", {}),
    ):
        answer = stranger.request(method, path, json=body)
        assert answer.status_code in {403, 404}, path
        assert code(answer) in {"token_confined", "segment_gone"}, path
    assert stranger.post("/v1/collections", json={"name": "theirs", "encoders": ["tiny"]}).status_code == 200


def test_listings_leave_out_what_the_token_is_not_for(
    served: Served, stranger: httpx.Client, named: dict[str, str]
) -> None:
    assert [c["name"] for c in stranger.get("/v1/collections").json()["items"]] == ["theirs"]
    assert stranger.get("/v1/speakers", params={"all": True}).json() == []
    assert [s["name"] for s in served.http.get("/v1/speakers", params={"all": True}).json()] == ["Ada"]
    status = stranger.get("/v1/status").json()
    assert (status["collections"], status["recordings"]["ready"], status["waiting"]) == (1, 0, [])
    assert not any(status["backlog"].values())
    assert stranger.get("/v1/dead").json()["items"] == []


def test_the_page_offers_their_collections_only(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        collections.create(tx, "theirs", "vad", ("tiny",))
    secret = served.token("read", collections=["theirs"])
    with served.as_(None) as browser:
        browser.get("/", params={"token": secret})
        page = browser.get("/").text
    assert "theirs" in page
    assert "meetings" not in page


def test_the_event_stream_holds_only_their_events(served: Served, stranger: httpx.Client) -> None:
    with served.console.database.begin() as tx:
        publish(tx, [announce(clusters.request(tx, name, "tiny", {})) for name in ("meetings", "theirs")])
    ask = {"begin": "start", "follow": "false"}
    for more in ({}, {"collection": "theirs"}):
        events = stranger.get("/v1/events", params=ask | more).text
        assert '"collection":"theirs"' in events
        assert "meetings" not in events
    refused = stranger.get("/v1/events", params=ask | {"collection": "meetings"})
    assert (refused.status_code, code(refused)) == (404, "unknown_collection")


def test_inside_their_collection_they_may_what_their_scopes_say(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("read", "label", collections=["meetings"])) as own:
        label = own.post("/v1/labels", json={"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"})
        assert label.status_code == 202, label.text
        assert own.get(f"/v1/labels/{label.json()['label_id']}").status_code == 200
        assert len(own.get("/v1/collections/meetings/segments").json()["items"]) == len(meetings.exported)
        assert own.post("/v1/collections/meetings/backfills", json={}).status_code == 403


def test_an_administrator_cannot_be_confined(served: Served) -> None:
    body = {"name": "x", "scopes": ["admin"], "collections": ["meetings"]}
    assert served.http.post("/v1/tokens", json=body).status_code == 422
    assert code(served.http.post("/v1/tokens", json=body | {"scopes": ["read"], "collections": ["../x"]})) == (
        "bad_collection_name"
    )


@pytest.fixture
def merged(served: Served, meetings: Meetings) -> Iterator[httpx.Client]:
    """Somebody who sees `meetings` alone, where Ada and the Countess are one: with an agent who was never heard there.

    The Countess is heard in another collection, too.
    """
    for segment, speaker in (("m1", "Ada"), ("m2", "Countess")):
        body = {"segment_id": str(meetings.segment_ids[segment]), "speaker": speaker}
        served.http.post("/v1/labels", json=body).raise_for_status()
    with served.console.database.begin() as tx:
        agent = "INSERT INTO speaker SELECT new, 'Agent A', now(), new FROM gen_random_uuid() AS new"
        tx.execute(sa.text(agent))
        collections.create(tx, "theirs", "vad", ("tiny",))
        elsewhere = "UPDATE assignment SET collection = 'theirs' WHERE segment_id = :segment_id"
        tx.execute(sa.text(elsewhere), {"segment_id": meetings.segment_ids["m2"]})
    for other in ("Countess", "Agent A"):
        served.http.post("/v1/speakers/Ada/merge", json={"other": other}).raise_for_status()
    with served.as_(served.token("read", collections=["meetings"])) as own:
        yield own


def test_names_that_were_never_said_in_their_collection_are_not_listed(merged: httpx.Client) -> None:
    (ada,) = [one for one in merged.get("/v1/speakers").json() if one["name"] == "Ada"]
    assert ada["also"] == ["Countess"]


def test_the_log_tells_of_a_merge_what_happened_in_their_collection(served: Served, merged: httpx.Client) -> None:
    def merges(client: httpx.Client) -> list[dict[str, Any]]:
        log = client.get("/v1/collections/meetings/labels").json()["items"]
        return [entry["detail"] for entry in log if entry["operation"] == "merge"]

    assert [entry["goes"] for entry in merges(served.http)] == ["Countess", "Agent A"]
    assert merges(served.http)[0]["collections"] == ["meetings", "theirs"]
    assert [(entry["stays"], entry["goes"]) for entry in merges(merged)] == [("Ada", "Countess"), ("Ada", None)]
    assert [entry["collections"] for entry in merges(merged)] == [["meetings"], ["meetings"]]


def test_no_call_becomes_part_of_what_happened_elsewhere(served: Served, meetings: Meetings) -> None:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    with served.console.database.begin() as tx:
        collections.create(tx, "theirs", "vad", ("tiny",))
        event = announce(clusters.request(tx, "theirs", "tiny", {}))
        publish(tx, [event])
    chain = str(event.correlation_id)
    with served.as_(served.token("label", collections=["meetings"])) as own:
        answer = own.post("/v1/labels", json=body, headers={"X-Correlation-Id": chain})
        assert (answer.status_code, code(answer)) == (409, "chain_taken")
        for _ in range(2):  # their own goes on
            mine = {"X-Correlation-Id": "7d74b913-9a5f-58eb-8a82-556a483ed566"}
            assert own.post("/v1/labels", json=body, headers=mine).status_code == 202
    assert served.http.post("/v1/labels", json=body, headers={"X-Correlation-Id": chain}).status_code == 202
