"""Reject, take back, unite, part, forget, look first, look back: by the API, on a real Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from shared.events import LabelRecorded, ReviewRequested, SegmentsRemoved
from shared.storage import clustering_states, clusters, labels, questions, reviews
from shared.storage.clusters import Report
from shared.storage.questions import NewQuestion
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings
from tests.integration.console.test_naming import events_of


def say(served: Served, meetings: Meetings, name: str, speaker: str) -> str:
    body = {"segment_id": str(meetings.segment_ids[name]), "speaker": speaker}
    return str(served.http.post("/v1/labels", json=body).raise_for_status().json()["label_id"])


def speaker_of(served: Served, meetings: Meetings, name: str) -> Any:
    return served.http.get(f"/v1/segments/{meetings.segment_ids[name]}").json()["speaker"]


def undo(served: Served, label_id: str) -> Any:
    return served.http.post(f"/v1/labels/{label_id}/undo", json={})


def test_a_label_is_taken_back_and_given_again(served: Served, meetings: Meetings) -> None:
    label_id = say(served, meetings, "m1", "Ada")
    taken = undo(served, label_id)
    assert (taken.status_code, taken.json()["speaker"]) == (202, "Ada")
    undone = {"operation": "assign", "speaker": "Ada", "cluster_id": None, "standing": False, "detail": {}}
    assert taken.json()["undone"] == undone
    assert served.http.get(f"/v1/labels/{taken.json()['label_id']}").json()["changed"] == 1
    assert speaker_of(served, meetings, "m1") is None
    assert undo(served, label_id).json()["error"]["code"] == "already_undone"
    assert undo(served, taken.json()["label_id"]).json()["undone"] == {**undone, "standing": True}
    assert speaker_of(served, meetings, "m1") == "Ada"
    log = served.http.get("/v1/collections/meetings/labels").json()["items"]
    assert [(entry["operation"], entry["active"]) for entry in log] == [
        ("assign", True),
        ("undo", False),
        ("undo", True),
    ]
    assert [data["operation"] for kind, data in events_of(served) if kind == LabelRecorded.type] == [
        "assign",
        "undo",
        "undo",
    ]


def test_the_word_before_counts_again_when_the_last_one_is_taken_back(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    undo(served, say(served, meetings, "m1", "Bea"))
    assert speaker_of(served, meetings, "m1") == "Ada"


def test_what_is_no_statement_cannot_be_taken_back(served: Served, meetings: Meetings) -> None:
    assert undo(served, str(uuid4())).json()["error"]["code"] == "unknown_label"
    assert undo(served, "nonsense").status_code == 422


def test_a_rejected_name_goes_at_once(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    assert served.http.post("/v1/rejections", json=body).status_code == 202
    assert speaker_of(served, meetings, "m1") is None
    unknown = served.http.post("/v1/rejections", json={**body, "speaker": "Nobody we know"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_speaker")


def test_several_segments_are_one_label(served: Served, meetings: Meetings) -> None:
    ids = [str(meetings.segment_ids[name]) for name in ("m1", "t1")]
    label = served.http.post("/v1/labels", json={"segment_ids": ids, "speaker": "Ada"}).json()
    assert label["segments"] == 2
    assert {speaker_of(served, meetings, name) for name in ("m1", "t1")} == {"Ada"}
    undo(served, label["label_id"])
    assert {speaker_of(served, meetings, name) for name in ("m1", "t1")} == {None}
    gone = served.http.post("/v1/labels", json={"segment_ids": [ids[0], str(uuid4())], "speaker": "Ada"})
    assert gone.json()["error"]["code"] == "segment_gone"
    both = served.http.post("/v1/labels", json={"segment_ids": ids, "segment_id": ids[0], "speaker": "Ada"})
    assert both.status_code == 422


def test_the_past_can_be_seen(served: Served, meetings: Meetings) -> None:
    before = datetime.now(UTC) - timedelta(seconds=5)
    say(served, meetings, "m1", "Ada")
    then = {
        when: served.http.get("/v1/collections/meetings/names", params={"at": at.isoformat()}).json()["items"]
        for when, at in {"before": before, "now": datetime.now(UTC) + timedelta(seconds=5)}.items()
    }
    assert then["before"] == []
    assert [(row["speaker"], row["assigned_by"]) for row in then["now"]] == [("Ada", "human")]


def test_why_tells_the_person_and_the_history(served: Served, meetings: Meetings) -> None:
    first = say(served, meetings, "m1", "Ada")
    second = say(served, meetings, "m1", "Bea")
    why = served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}/why").json()
    assert (why["speaker"], why["because"]["label_id"]) == ("Bea", second)
    assert [(step["speaker"], step["label_id"]) for step in why["history"]] == [("Ada", first), ("Bea", second)]
    assert why["cluster"]["segments"] == 3
    assert why["cluster"]["named"] == [{"speaker": "Bea", "segments": 1}]
    assert served.http.get(f"/v1/segments/{uuid4()}/why").json()["error"]["code"] == "segment_gone"


def test_two_speakers_become_one_and_two_again(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    say(served, meetings, "t1", "Addie")
    merged = served.http.post("/v1/speakers/Ada/merge", json={"other": "Addie"})
    assert merged.status_code == 202
    (ada,) = served.http.get("/v1/speakers").json()
    assert (ada["name"], ada["also"]) == ("Ada", ["Addie"])
    again = served.http.post("/v1/speakers/Addie/merge", json={"other": "Ada"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_one")
    undone = undo(served, merged.json()["label_id"]).json()["undone"]
    assert (undone["operation"], undone["detail"]["stays"], undone["detail"]["goes"]) == ("merge", "Ada", "Addie")
    assert [row["name"] for row in served.http.get("/v1/speakers").json()] == ["Ada", "Addie"]


def test_a_rename_can_be_taken_back_unless_the_name_is_somebody_elses(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    served.http.post("/v1/speakers/Ada/rename", json={"to": "Augusta"}).raise_for_status()
    renaming = next(
        entry
        for entry in served.http.get("/v1/collections/meetings/labels").json()["items"]
        if entry["operation"] == "rename"
    )
    say(served, meetings, "t1", "Ada")
    taken = undo(served, renaming["label_id"])
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "speaker_name_taken")
    assert speaker_of(served, meetings, "m1") == "Augusta"


def test_a_speaker_is_split(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    say(served, meetings, "t1", "Ada")
    body = {"segment_ids": [str(meetings.segment_ids["t1"])], "to": "Bea"}
    assert served.http.post("/v1/speakers/Ada/split", json=body).status_code == 202
    assert (speaker_of(served, meetings, "m1"), speaker_of(served, meetings, "t1")) == ("Ada", "Bea")
    assert served.http.post("/v1/speakers/Nobody/split", json=body).status_code == 404


def test_a_voice_is_erased_by_an_administrator_only(served: Served, meetings: Meetings) -> None:
    say(served, meetings, "m1", "Ada")
    with served.as_(served.token("label", "read")) as labeller:
        assert labeller.delete("/v1/speakers/Ada").status_code == 403
    receipt = served.http.delete("/v1/speakers/Ada").raise_for_status().json()
    assert (receipt["erased"]["speakers"], receipt["erased"]["segments"]) == (1, 1)
    assert len(receipt["audio_kept"]) >= 1
    assert served.http.get(f"/v1/receipts/{receipt['receipt_id']}").json() == receipt
    assert served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}").status_code == 404
    assert SegmentsRemoved.type in [kind for kind, _ in events_of(served)]
    assert served.http.get(f"/v1/receipts/{uuid4()}").json()["error"]["code"] == "unknown_receipt"


@pytest.fixture
def review(served: Served, meetings: Meetings) -> str:
    body = {"segment_id": str(meetings.segment_ids["m1"]), "speaker": "Ada"}
    return str(served.http.post("/v1/reviews", json=body).raise_for_status().json()["review_id"])


def test_a_review_changes_nothing_until_it_is_applied(served: Served, meetings: Meetings, review: str) -> None:
    assert served.http.get(f"/v1/reviews/{review}").json()["state"] == "requested"
    assert [kind for kind, _ in events_of(served)] == [ReviewRequested.type]
    m1, t1 = (meetings.segment_ids[name] for name in ("m1", "t1"))
    with served.console.database.begin() as tx:  # as the clusterer does
        changes = [reviews.Change(m1, "Ada", "human", 1.0), reviews.Change(t1, "Ada", "cluster", 0.9)]
        reviews.write(tx, reviews.UUID(review), labels.last_seq(tx, "meetings"), changes)
    shown = served.http.get(f"/v1/reviews/{review}").json()
    assert shown["state"] == "ready"
    assert {(c["segment_id"], c["before"], c["speaker"]) for c in shown["changes"]} == {
        (str(m1), None, "Ada"),
        (str(t1), None, "Ada"),
    }
    first = next(change for change in shown["changes"] if change["segment_id"] == str(m1))
    assert (first["object_key"], first["start_s"], first["end_s"]) == ("meetings/a monday/ü.wav", 0.0, 1.0)
    assert speaker_of(served, meetings, "m1") is None
    applied = served.http.post(f"/v1/reviews/{review}/apply", json={"but": [str(t1)]})
    assert applied.status_code == 202
    assert speaker_of(served, meetings, "m1") == "Ada"
    assert served.http.get(f"/v1/segments/{t1}/why").json()["rejected"] == ["Ada"]
    again = served.http.post(f"/v1/reviews/{review}/apply", json={})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "already_applied")


def test_a_discarded_review_leaves_a_trace_and_no_effect(served: Served, meetings: Meetings, review: str) -> None:
    path, kept = f"/v1/reviews/{review}", "/v1/collections/meetings/reviews"
    other = {"segment_id": str(meetings.segment_ids["t1"]), "speaker": "Bea"}
    newer = served.http.post("/v1/reviews", json=other).json()["review_id"]
    with served.console.database.begin() as tx:  # as the clusterer does
        change = reviews.Change(meetings.segment_ids["m1"], "Ada", "human", 1.0)
        reviews.write(tx, reviews.UUID(review), labels.last_seq(tx, "meetings"), [change])
    assert served.http.post(f"{path}/discard", json={}).status_code == 204
    assert [(r["review_id"], r["state"], r["changes"], r["discarded_by"]) for r in listed(served, kept)] == [
        (newer, "requested", None, None),
        (review, "discarded", 1, "owner"),
    ]
    assert served.http.get(path).json()["state"] == "discarded"
    for verb in ("apply", "discard"):
        error = served.http.post(f"{path}/{verb}", json={})
        assert (error.status_code, error.json()["error"]["code"]) == (409, "already_discarded")
    assert speaker_of(served, meetings, "m1") is None
    assert served.http.post(f"/v1/reviews/{uuid4()}/discard", json={}).status_code == 404


def listed(served: Served, path: str) -> list[dict[str, Any]]:
    """All rows of a listing, one a page."""
    rows: list[dict[str, Any]] = []
    after: str | None = ""
    while after is not None:
        page = served.http.get(path, params={"limit": 1} | ({"after": after} if after else {})).json()
        rows, after = rows + page["items"], page["next"]
    return rows


def test_an_applied_review_cannot_be_discarded(served: Served, meetings: Meetings, review: str) -> None:
    with served.console.database.begin() as tx:
        reviews.write(tx, reviews.UUID(review), labels.last_seq(tx, "meetings"), [])
    served.http.post(f"/v1/reviews/{review}/apply", json={}).raise_for_status()
    assert served.http.post(f"/v1/reviews/{review}/discard", json={}).json()["error"]["code"] == "already_applied"


def test_what_cannot_be_reviewed_is_refused(served: Served, meetings: Meetings) -> None:
    gone = served.http.post("/v1/reviews", json={"segment_id": str(uuid4()), "speaker": "Ada"})
    assert gone.json()["error"]["code"] == "segment_gone"
    assert served.http.get(f"/v1/reviews/{uuid4()}").json()["error"]["code"] == "unknown_review"


def test_before_any_clustering_there_is_nothing_to_ask(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:  # as after an import: names have spread, and nobody has clustered
        tx.exec_driver_sql("UPDATE cluster SET current = false")
        asked = [NewQuestion(meetings.segment_ids["m1"], 1.0, "like_no_other", "like no other", 1)]
        questions.write(tx, "meetings", labels.last_seq(tx, "meetings"), asked)
    error = served.http.get("/v1/collections/meetings/next").json()["error"]
    assert error["code"] == "no_questions_yet"
    assert "earmark cluster" in error["remedy"]
    with served.console.database.begin() as tx:  # a clustering that found noise only
        clustering_states.write(tx, "meetings", "tiny@1:last:mean", clustering_states.Left(1, b"", b""))
    assert served.http.get("/v1/collections/meetings/next").status_code == 404  # as after that one was taken back
    with served.console.database.begin() as tx:
        clusters.finish(tx, clusters.request(tx, "meetings", "tiny").request_id, Report(1, 0, 5, 5), {})
    assert len(served.http.get("/v1/collections/meetings/next").json()["items"]) == 1


def test_questions_leave_out_what_was_passed_over(served: Served, meetings: Meetings) -> None:
    path = "/v1/collections/meetings/next"
    assert served.http.get(path).json()["error"]["code"] == "no_questions_yet"
    asked = [NewQuestion(meetings.segment_ids[name], 2.0, "names_cluster", "names 2", 2) for name in ("m1", "t1")]
    with served.console.database.begin() as tx:  # as the clusterer does
        questions.write(tx, "meetings", labels.last_seq(tx, "meetings"), asked)
    found = served.http.get(path).json()
    assert (found["fresh"], [q["reason"] for q in found["items"]]) == (True, ["names 2", "names 2"])
    served.http.post(f"/v1/segments/{meetings.segment_ids['m1']}/skip").raise_for_status()
    say(served, meetings, "t1", "Ada")
    assert served.http.get(path).json() == {"items": [], "fresh": False}
    assert served.http.post(f"/v1/segments/{uuid4()}/skip").status_code == 404
