"""Who changed what: the audit log."""

from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from tests.integration.console.conftest import OWNER_TOKEN, Served
from tests.integration.console.seeding import NAME, Meetings


def entries(served: Served, **query: object) -> list[dict]:
    return served.http.get("/v1/audit", params=query).json()["items"]


def test_changes_are_written_down_and_reading_is_not(served: Served, meetings: Meetings) -> None:
    segment = str(meetings.segment_ids["m1"])
    secret = served.token("label")
    with served.as_(secret) as labeller:
        label = labeller.post("/v1/labels", json={"segment_id": segment, "speaker": "Ada"})
        served.http.get("/v1/status")
        undone = labeller.post(f"/v1/labels/{label.json()['label_id']}/undo")
        refused = labeller.post("/v1/dead/drop", json={"event_ids": []})
    drop, undo, said, made = entries(served)
    assert [made["actor"], said["actor"], undo["actor"], drop["actor"]] == ["owner", "t label", "t label", "t label"]
    assert [made["route"], said["route"]] == ["/v1/tokens", "/v1/labels"]
    assert (undo["route"], undo["ids"]) == ("/v1/labels/{label_id}/undo", {"label_id": [label.json()["label_id"]]})
    assert (said["collection"], said["ids"], said["status"]) == ("meetings", {"segment_id": [segment]}, 202)
    assert (undo["collection"], undo["status"], undone.status_code) == ("meetings", 202, 202)
    assert (drop["status"], refused.status_code) == (403, 403)
    assert {entry["address"] for entry in (made, said)} == {"127.0.0.1"}
    assert entries(served, collection="meetings") == [undo, said]
    assert entries(served, since=said["at"]) == [drop, undo, said]
    text = served.http.get("/v1/audit").text
    assert not any(kept_out in text for kept_out in ("Ada", secret, OWNER_TOKEN))


def test_a_collection_of_which_there_is_neither_itself_nor_an_entry_is_unknown(
    served: Served, meetings: Meetings
) -> None:
    assert entries(served, collection=NAME) == []
    answer = served.http.get("/v1/audit", params={"collection": "nosuch"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")
    served.http.patch("/v1/collections/nosuch", json={"weight": 2})
    assert [entry["status"] for entry in entries(served, collection="nosuch")] == [404]


def test_what_a_call_that_is_refused_was_about_is_known(served: Served, meetings: Meetings) -> None:
    recording = str(meetings.monday)
    with served.as_(served.token("read")) as reader:
        reader.post("/v1/collections/meetings/recordings/erase", json={"recording_ids": [recording]})
        reader.post("/v1/pauses", json={"collection": "meetings"})
        reader.post("/v1/pauses", json={"collection": "no name! " * 99})
    unnamed, paused, erased, _ = entries(served)
    assert (erased["collection"], erased["ids"], erased["status"]) == ("meetings", {"recording_ids": [recording]}, 403)
    assert (paused["collection"], unnamed["collection"]) == ("meetings", None)
    assert entries(served, collection="meetings") == [paused, erased]


def test_an_erasure_is_known_by_its_receipt_and_a_letter_by_its_event(served: Served, meetings: Meetings) -> None:
    body = {"recording_ids": [str(meetings.monday)]}
    receipt = served.http.post("/v1/collections/meetings/recordings/erase", json=body).json()
    letter = str(UUID(int=7))
    served.http.post("/v1/dead/drop", json={"event_ids": [letter]})
    dropped, erased = entries(served)
    assert erased["ids"] == {**body, "receipt_id": [receipt["receipt_id"]]}
    assert dropped["ids"] == {"event_ids": [letter]}


def test_an_entry_leads_to_the_events_of_its_call(served: Served, meetings: Meetings) -> None:
    answer = served.http.post("/v1/labels", json={"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"})
    (entry,) = entries(served)
    assert answer.headers["x-correlation-id"] == entry["correlation_id"]
    with served.console.database.begin() as tx:
        ids = tx.execute(sa.text("SELECT DISTINCT correlation_id FROM event WHERE type LIKE '%label.recorded%'"))
        assert [str(found) for found in ids.scalars()] == [entry["correlation_id"]]


def test_a_token_that_is_deleted_is_named_by_its_id(served: Served) -> None:
    served.token("read")
    (made,) = served.http.get("/v1/tokens").json()
    served.http.delete(f"/v1/tokens/{made['token_id']}")
    assert entries(served)[0]["ids"] == {"token_id": [made["token_id"]]}


def test_strangers_leave_no_entry(served: Served) -> None:
    with served.as_("wrong") as stranger:
        assert stranger.post("/v1/labels", json={}).status_code == 401
    assert entries(served) == []


def test_entries_come_in_pages(served: Served) -> None:
    for _ in range(5):
        served.http.post("/v1/dead/drop", json={"event_ids": []})
    first = served.http.get("/v1/audit", params={"limit": 3}).json()
    rest = served.http.get("/v1/audit", params={"limit": 3, "after": first["next"]}).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (3, 2, None)


def test_no_entry_can_be_changed(served: Served) -> None:
    served.http.post("/v1/dead/drop", json={"event_ids": []})
    with pytest.raises(sa.exc.DBAPIError) as refused, served.console.database.begin() as tx:
        tx.execute(sa.text("UPDATE audit_entry SET actor = 'nobody'"))
    assert isinstance(refused.value.orig, psycopg.errors.RaiseException)


def test_only_administrators_read_it(served: Served) -> None:
    with served.as_(served.token("read", "label", "ingest")) as other:
        assert other.get("/v1/audit").status_code == 403
    assert [(one["method"], one["route"], one["status"]) for one in entries(served)][:1] == [("GET", "/v1/audit", 403)]


def test_a_post_that_only_asks_is_written_down_where_it_is_refused(served: Served, meetings: Meetings) -> None:
    asked = "/v1/collections/meetings/objects/query"
    assert served.http.post(asked, json={"object_keys": []}).status_code == 200
    assert entries(served) == []
    with served.as_(served.token("label")) as labeller:
        assert labeller.post(asked, json={"object_keys": []}).status_code == 403
    assert [(entry["route"], entry["status"]) for entry in entries(served)][:1] == [
        ("/v1/collections/{collection}/objects/query", 403)
    ]
