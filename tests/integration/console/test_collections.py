"""Collections and uploads into them, by real presigned addresses."""

import threading

import httpx

from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings


def make(served: Served, **body: object) -> httpx.Response:
    return served.http.post("/v1/collections", json=body)


def code(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


def test_a_collection_is_made_once(served: Served, meetings: Meetings) -> None:
    first = make(served, name="calls", segmenter="whole", encoders=["tiny"])
    assert first.status_code == 201
    assert first.json() | {"created_at": ""} == {
        "name": "calls",
        "segmenter": "whole",
        "encoders": ["tiny"],
        "speakers": None,
        "weight": 1,
        "created_at": "",
    }
    again = make(served, name="calls", segmenter="whole", encoders=["tiny", "tiny"])
    assert (again.status_code, again.json()) == (200, first.json())


def test_what_is_left_out_keeps_what_stands(served: Served, meetings: Meetings) -> None:
    make(served, name="calls", segmenter="whole", encoders=["tiny"])
    assert make(served, name="calls").json()["segmenter"] == "whole"
    assert make(served, name="fresh").json()["encoders"] == ["ge2e"]  # the default


def test_other_settings_are_a_conflict(served: Served, meetings: Meetings) -> None:
    answer = make(served, name="meetings", segmenter="whole")
    assert (answer.status_code, code(answer)) == (409, "collection_differs")


def test_a_wrong_collection_is_refused(served: Served, meetings: Meetings) -> None:
    wrong: list[tuple[dict, str]] = [
        ({"name": "x", "segmenter": "magic"}, "unknown_segmenter"),
        ({"name": "x", "encoders": ["tiny", "magic"]}, "unknown_encoder"),
        ({"name": "../x"}, "bad_collection_name"),
        ({"name": ""}, "bad_collection_name"),
        ({"name": "x", "encoders": []}, "invalid_request"),
        ({"name": "x", "segmentre": "vad"}, "invalid_request"),
        ({}, "invalid_request"),
    ]
    for body, expected in wrong:
        answer = make(served, **body)
        assert (answer.status_code, code(answer)) == (422, expected), body
    assert served.http.get("/v1/collections/x").status_code == 404


def test_an_unknown_encoder_comes_with_the_known_ones(served: Served, meetings: Meetings) -> None:
    assert "tiny" in make(served, name="x", encoders=["magic"]).json()["error"]["message"]
    assert "vad, whole" in make(served, name="x", segmenter="magic").json()["error"]["message"]


def test_a_collection_shows_its_counts(served: Served, meetings: Meetings) -> None:
    shown = served.http.get("/v1/collections/meetings").json()
    assert shown["recordings"] == {"registered": 0, "segmented": 3, "ready": 1, "rejected": 1}
    assert [c["name"] for c in served.http.get("/v1/collections").json()["items"]] == ["meetings"]


def test_an_upload_goes_where_its_address_says(served: Served) -> None:
    paths = ["plain.wav", "with space/ü 日本.wav", "50%+&=?#.wav", "%2F.wav", "a'b\"c.wav"]
    answer = served.http.post("/v1/collections/new/uploads", json={"paths": paths})
    assert answer.status_code == 200, answer.text
    assert [upload["object_key"] for upload in answer.json()["uploads"]] == [f"new/{path}" for path in paths]
    for upload in answer.json()["uploads"]:
        assert httpx.put(upload["url"], content=b"RIFF").status_code == 200
    assert {found.key for found in served.console.store.listing("audio")} == {f"new/{path}" for path in paths}
    assert served.http.get("/v1/collections/new").status_code == 200


def test_an_upload_that_leads_elsewhere_is_refused(served: Served) -> None:
    for path in ("", "/etc/passwd", "a/../b", "..", "a//b", "./a", "x" * 1024):
        answer = served.http.post("/v1/collections/new/uploads", json={"paths": ["fine.wav", path]})
        assert (answer.status_code, code(answer)) == (422, "bad_object_key"), path
    assert served.http.get("/v1/collections/new").status_code == 404


def test_a_thousand_uploads_at_a_time(served: Served) -> None:
    paths = [f"{n}.wav" for n in range(1001)]
    assert served.http.post("/v1/collections/new/uploads", json={"paths": paths}).status_code == 422
    answer = served.http.post("/v1/collections/new/uploads", json={"paths": paths[1:]})
    assert len(answer.json()["uploads"]) == 1000


def test_a_completed_upload_rings_the_watcher(served: Served, meetings: Meetings) -> None:
    heard: list[str] = []
    listening = threading.Event()

    def listen() -> None:
        with served.console.database.listen("earmark_hint") as connection:
            listening.set()
            heard.extend(n.payload for n in connection.notifies(timeout=10, stop_after=1))

    thread = threading.Thread(target=listen)
    thread.start()
    assert listening.wait(10)
    answer = served.http.post(
        "/v1/collections/meetings/uploads/complete", json={"object_keys": ["meetings/b/tuesday.wav"]}
    )
    thread.join()
    assert (answer.status_code, heard) == (202, ["meetings"])


def test_models_are_listed(served: Served, meetings: Meetings) -> None:
    assert [row["name"] for row in served.http.get("/v1/encoders").json()] == ["tiny"]
    assert [row["name"] for row in served.http.get("/v1/segmenters").json()] == ["vad", "whole"]
