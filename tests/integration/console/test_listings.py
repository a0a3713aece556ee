"""What a collection holds, page by page."""

from uuid import uuid4

import pytest

from shared.storage import clusters, encoders, statements
from shared.storage.clusters import NewCluster
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

BASE = "/v1/collections/meetings"


def everything(served: Served, path: str, limit: int, **query: str) -> list[dict]:
    """All pages of a listing."""
    rows, after = [], None
    while True:
        params = {"limit": limit, **query} | ({"after": after} if after else {})
        page = served.http.get(path, params=params)
        assert page.status_code == 200, page.text
        rows += page.json()["items"]
        assert len(page.json()["items"]) <= limit
        if (after := page.json()["next"]) is None:
            return rows


@pytest.mark.parametrize("kind", ["recordings", "segments", "clusters", "objects", "labels"])
def test_pages_of_any_size_make_the_same_listing(served: Served, meetings: Meetings, kind: str) -> None:
    for name, speaker in (("m1", "Ada"), ("t1", "Ben"), ("m1", "Cleo")):
        label(served, meetings, name, speaker)
    whole = everything(served, f"{BASE}/{kind}", 1000)
    assert whole
    for limit in (1, 2, 3):
        assert everything(served, f"{BASE}/{kind}", limit) == whole


def label(served: Served, meetings: Meetings, name: str, speaker: str) -> None:
    with served.console.database.begin() as tx:
        statements.name_segment(tx, meetings.segment_ids[name], speaker, "test")


def test_a_recording_shows_its_keys_and_speakers(served: Served, meetings: Meetings) -> None:
    label(served, meetings, "m1", "Ada")
    label(served, meetings, "m3", "Ben")
    rows = {row["recording_id"]: row for row in everything(served, f"{BASE}/recordings", 10)}
    monday = rows[str(meetings.monday)]
    assert monday["object_keys"] == ["meetings/a monday/ü.wav", "meetings/z/copy.wav"]
    assert (monday["state"], monday["duration_s"], monday["segments"]) == ("segmented", 10.0, 3)
    assert monday["speakers"] == ["Ada", "Ben"]
    assert monday["facts"] == {"codec": "pcm_s16le"}
    assert rows[str(meetings.silence)]["state"] == "ready"
    assert rows[str(meetings.ghost)]["object_keys"] == []


def test_segments_come_by_key_and_start_and_only_if_their_recording_has_a_key(
    served: Served, meetings: Meetings
) -> None:
    rows = everything(served, f"{BASE}/segments", 2)
    assert [row["segment_id"] for row in rows] == [str(i) for i in meetings.exported]
    assert {row["object_key"] for row in rows} == {"meetings/a monday/ü.wav", "meetings/b/tuesday.wav"}
    assert (rows[2]["start_s"], rows[2]["end_s"]) == (80_001 / 16_000, 10.0)
    assert (rows[4]["speaker_label"], rows[4]["speaker"], rows[4]["text"]) == ("UNKNOWN", None, "Hello, “you”.")


def test_segments_of_one_recording_or_cluster(served: Served, meetings: Meetings) -> None:
    tuesday = everything(served, f"{BASE}/segments", 1, recording_id=str(meetings.tuesday))
    assert [row["segment_id"] for row in tuesday] == [str(i) for i in meetings.exported[3:]]
    cluster_id = tuesday[0]["cluster_id"]
    members = everything(served, f"{BASE}/segments", 1, cluster_id=cluster_id)
    assert [row["segment_id"] for row in members] == [str(meetings.segment_ids[n]) for n in ("m1", "m2", "t1")]


def test_one_segment(served: Served, meetings: Meetings) -> None:
    label(served, meetings, "t2", "Zoë")
    row = served.http.get(f"/v1/segments/{meetings.segment_ids['t2']}").json()
    assert row == everything(served, f"{BASE}/segments", 10)[-1]
    assert (row["speaker"], row["assigned_by"], row["confidence"]) == ("Zoë", "human", 1.0)


def test_clusters_come_by_size_with_the_name_of_most_members(served: Served, meetings: Meetings) -> None:
    for name, speaker in (("m1", "Ada"), ("m2", "Ben"), ("t1", "Ben")):
        label(served, meetings, name, speaker)
    large, small = everything(served, f"{BASE}/clusters", 10)
    assert (large["segments"], large["recordings"], large["speaker"]) == (3, 2, "Ben")
    assert large["exemplar_segment_id"] == str(meetings.segment_ids["m1"])
    assert large["cohesion"] == pytest.approx(0.95)
    assert large["speakers"] == [{"name": "Ben", "segments": 2}, {"name": "Ada", "segments": 1}]
    assert (small["segments"], small["speaker"], small["speakers"]) == (2, None, [])


def test_objects_tell_what_became_of_them(served: Served, meetings: Meetings) -> None:
    rows = {row["object_key"]: row for row in everything(served, f"{BASE}/objects", 2)}
    assert list(rows) == sorted(rows, key=str.encode)
    assert {row["status"] for row in rows.values()} == {"pending", "ready", "rejected"}
    rejected = rows["meetings/notes.txt"]
    assert (rejected["state"], rejected["code"], rejected["reason"]) == ("rejected", "no_audio", "It is <text>.")
    assert everything(served, f"{BASE}/objects", 10, state="rejected") == [rejected]


def test_keys_are_looked_up_in_their_order(served: Served, meetings: Meetings) -> None:
    keys = ["meetings/z/silence.wav", "meetings/not there.wav", "meetings/notes.txt", "meetings/b/tuesday.wav"]
    items = served.http.post(f"{BASE}/objects/query", json={"object_keys": keys}).json()["items"]
    assert [item["object_key"] for item in items] == keys
    assert [item["status"] for item in items] == ["ready", "pending", "rejected", "pending"]
    assert items[1]["state"] is None
    assert items[0]["segments"] == 0


def test_the_label_log_is_in_order(served: Served, meetings: Meetings) -> None:
    for speaker in ("Ada", "Ben"):
        label(served, meetings, "m1", speaker)
    first, second = everything(served, f"{BASE}/labels", 10)
    assert (first["operation"], first["speaker"], first["segments"], first["actor"]) == ("assign", "Ada", 1, "test")
    assert second["speaker"] == "Ben"
    assert everything(served, f"{BASE}/labels", 1, order="newest") == [second, first]
    newest = served.http.get(f"{BASE}/labels", params={"order": "newest", "limit": 1}).json()["next"]
    assert served.http.get(f"{BASE}/labels", params={"after": newest}).json()["error"]["code"] == "bad_cursor"


def test_clusters_of_another_encoder(served: Served, meetings: Meetings) -> None:
    assert len(everything(served, f"{BASE}/clusters", 10, encoder="tiny")) == 2
    with served.console.database.begin() as tx:
        encoders.announce_encoder(tx, "other", "other@1:last:mean", 4, {"revision": "1", "assign_threshold": 0.9})
    unused = served.http.get(f"{BASE}/clusters", params={"encoder": "other"})
    assert (unused.status_code, unused.json()["error"]["code"]) == (422, "encoder_not_used")
    with served.console.database.begin() as tx:
        tx.exec_driver_sql("UPDATE collection SET encoders = '{tiny,other}'")
        one = NewCluster(uuid4(), (meetings.segment_ids["m1"],), (1.0,), 1, 0.9, meetings.segment_ids["m1"])
        clusters.write_generation(tx, "meetings", "other", [one])
    assert [row["cluster_id"] for row in everything(served, f"{BASE}/clusters", 10, encoder="other")] == [
        str(one.cluster_id)
    ]
    unknown = served.http.get(f"{BASE}/clusters", params={"encoder": "magic"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_encoder")


@pytest.mark.parametrize("kind", ["recordings", "segments", "clusters", "objects", "labels"])
def test_cursors_are_good_for_their_listing_only(served: Served, meetings: Meetings, kind: str) -> None:
    forged = served.http.get(f"{BASE}/{kind}", params={"after": "AAAA"})
    assert (forged.status_code, forged.json()["error"]["code"]) == (422, "bad_cursor")
    borrowed = served.http.get(f"{BASE}/segments", params={"limit": 1}).json()["next"]
    if kind != "segments":
        assert served.http.get(f"{BASE}/{kind}", params={"after": borrowed}).status_code == 422


@pytest.mark.parametrize("kind", ["", "/recordings", "/segments", "/clusters", "/objects", "/labels"])
def test_an_unknown_collection_is_named(served: Served, kind: str) -> None:
    answer = served.http.get(f"/v1/collections/nowhere{kind}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_collection")
    assert answer.json()["error"]["remedy"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "many", "1" * 40])
def test_limits_have_limits(served: Served, meetings: Meetings, limit: str) -> None:
    assert served.http.get(f"{BASE}/segments", params={"limit": limit}).status_code == 422
