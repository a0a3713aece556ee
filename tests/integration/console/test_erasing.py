"""Erasing recordings over HTTP: who may, what comes back, what is under way, and what a restored backup is told."""

import httpx
import pytest

from services.console.api import export
from services.console.withdrawing import unless_erased
from shared.events import ErasureBegun, RecordingErased, SegmentsRemoved
from shared.storage import receipts
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings
from tests.integration.console.test_naming import events_of

BASE = "/v1/collections/meetings"


def erase(served: Served, *recordings: object) -> httpx.Response:
    return served.http.post(f"{BASE}/recordings/erase", json={"recording_ids": [str(one) for one in recordings]})


def finish_erasures(served: Served) -> None:
    """As the service does whose work that is."""
    with served.console.database.begin() as tx:
        for one in receipts.listing(tx):
            if rest := receipts.rest(tx, one.receipt_id):
                receipts.finish(tx, one.receipt_id, rest, 0)


def test_a_recording_is_erased_by_an_administrator_and_everything_of_it_is_gone(
    served: Served, meetings: Meetings
) -> None:
    with served.as_(served.token("read", "label", "ingest")) as other:
        body = {"recording_ids": [str(meetings.monday)]}
        assert other.post(f"{BASE}/recordings/erase", json=body).status_code == 403
    receipt = erase(served, meetings.monday).raise_for_status().json()
    assert (receipt["erased"]["recordings"], receipt["erased"]["segments"], receipt["finished_at"]) == (1, 3, None)
    assert served.http.get(f"/v1/receipts/{receipt['receipt_id']}").json() == receipt
    assert served.http.get("/v1/receipts").json()["items"] == [receipt]
    listed = served.http.get(f"{BASE}/recordings").json()["items"]
    assert str(meetings.monday) not in [row["recording_id"] for row in listed]
    assert served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}/audio").status_code == 404
    assert {kind for kind, _ in events_of(served)} >= {SegmentsRemoved.type, RecordingErased.type, ErasureBegun.type}


def test_what_is_no_recording_of_the_collection_erases_nothing(served: Served, meetings: Meetings) -> None:
    refused = erase(served, meetings.monday, "00000000-0000-0000-0000-000000000001")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "unknown_recording")
    assert served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}").status_code == 200


def test_audio_that_somebody_has_listened_to_goes_from_the_consoles_disk(served: Served, meetings: Meetings) -> None:
    served.http.get(f"/v1/segments/{meetings.segment_ids['m1']}/audio").raise_for_status()
    shelf = served.console.shelf._home()
    assert [path.name for path in shelf.iterdir()] == [str(meetings.monday)]
    erase(served, meetings.monday).raise_for_status()
    assert list(shelf.iterdir()) == []


@pytest.mark.parametrize("path", ["export/segments", "export/embeddings"])
def test_an_export_that_is_under_way_ends_without_its_end(
    served: Served, meetings: Meetings, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def erased_meanwhile(blocks, database, collection, n_erasures):
        def first():
            block = next(blocks)
            erase(served, meetings.monday).raise_for_status()
            yield block
            yield from blocks

        return unless_erased(first(), database, collection, n_erasures)

    monkeypatch.setattr(export, "unless_erased", erased_meanwhile)
    refused = served.http.get(f"{BASE}/{path}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "erased_meanwhile")


def test_of_an_export_that_is_being_sent_the_rest_is_held_back(served: Served, meetings: Meetings) -> None:
    with served.console.database.begin() as tx:
        n_erasures = receipts.n_of(tx, "meetings")
    sent = unless_erased((block for block in (b"1", b"2", b"3")), served.console.database, "meetings", n_erasures)
    assert next(sent) == b"1"
    erase(served, meetings.monday).raise_for_status()
    with pytest.raises(Exception, match="Something was erased"):
        list(sent)


def test_tombstones_are_listed_carried_over_and_lifted(served: Served, meetings: Meetings) -> None:
    erase(served, meetings.monday).raise_for_status()
    erase(served, meetings.tuesday).raise_for_status()
    first = served.http.get("/v1/tombstones", params={"limit": 1}).json()
    second = served.http.get("/v1/tombstones", params={"limit": 1, "after": first["next"]}).json()
    stones = [*first["items"], *second["items"]]
    assert [stone["subject_id"] for stone in stones] == [str(meetings.monday), str(meetings.tuesday)]
    again = served.http.post("/v1/tombstones/replay", json={"items": stones}).raise_for_status().json()
    assert again == {"new": 0, "receipt": None}
    came_back = {**stones[0], "subject_id": str(meetings.silence)}
    replayed = served.http.post("/v1/tombstones/replay", json={"items": [came_back]}).raise_for_status().json()
    assert (replayed["new"], replayed["receipt"]["erased"]["recordings"]) == (1, 1)
    early = served.http.delete(f"{BASE}/tombstones/{meetings.monday}")
    assert (early.status_code, early.json()["error"]["code"]) == (409, "still_erasing")
    finish_erasures(served)
    lifted = served.http.delete(f"{BASE}/tombstones/{meetings.monday}").raise_for_status().json()
    assert lifted == {"recording_id": str(meetings.monday), "collection": "meetings"}
    refused = served.http.delete(f"{BASE}/tombstones/{meetings.monday}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "not_erased")
    with served.as_(served.token("read", "label", "ingest")) as other:
        assert other.get("/v1/tombstones").status_code == 403
        assert other.post("/v1/tombstones/replay", json={"items": []}).status_code == 403
        assert other.delete(f"{BASE}/tombstones/{meetings.tuesday}").status_code == 403


def test_a_voice_goes_with_its_recordings(served: Served, meetings: Meetings) -> None:
    body = {"segment_ids": [str(meetings.segment_ids["t1"])], "speaker": "Ada"}
    served.http.post("/v1/labels", json=body).raise_for_status()
    receipt = served.http.delete("/v1/speakers/Ada", params={"recordings": "true"}).raise_for_status().json()
    assert (receipt["erased"]["recordings"], receipt["erased"]["segments"]) == (1, 2)
    assert receipt["audio_kept"] == []
