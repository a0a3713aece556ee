"""What corpora say of objects: written, counted, searched and exported; captions become segments and nothing else."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa

from shared.storage import listing_labels, progress
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

URL = "/v1/collections/meetings/attributes"
MONDAY, TUESDAY = "a monday/ü.wav", "b/tuesday.wav"


@pytest.fixture
def put(served: Served, meetings: Meetings) -> Callable[..., dict[str, Any]]:
    """Attributes by path."""

    def by_path(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
        items = [{"path": path, "attributes": data} for path, data in rows.items()]
        answer = served.http.put(URL, json={"items": items})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    return by_path


Put = Callable[[dict[str, dict[str, Any]]], dict[str, Any]]


def recordings(served: Served, *where: str) -> list[str]:
    """The first keys of the recordings that fulfil the conditions."""
    answer = served.http.get("/v1/collections/meetings/recordings", params={"where": list(where)})
    assert answer.status_code == 200, answer.text
    return [row["object_keys"][0].removeprefix("meetings/") for row in answer.json()["items"]]


def segments(served: Served, **query: Any) -> list[dict[str, Any]]:
    answer = served.http.get("/v1/collections/meetings/segments", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def rows(served: Served, query: str) -> list[tuple[Any, ...]]:
    with served.console.database.begin() as tx:
        return [tuple(row) for row in tx.execute(sa.text(query))]


def test_what_is_put_again_changes_nothing(put: Put) -> None:
    data = {MONDAY: {"etiology": "ALS", "take": 3}, "not/here/yet.wav": {"etiology": "Stroke"}}
    assert put(data) == {"objects": 2, "changed": 2, "captions_added": 0, "captions_removed": 0}
    assert put(data)["changed"] == 0
    assert put({MONDAY: {"etiology": "ALS"}})["changed"] == 1


def test_recordings_are_found_by_all_conditions_together(served: Served, put: Put) -> None:
    ratings = [{"dimension": "Intelligibility", "level": "3"}, {"dimension": "Naturalness", "level": "1"}]
    put({MONDAY: {"etiology": "ALS", "take": 3, "ratings": ratings}, TUESDAY: {"etiology": "ALS", "word": "cat, dog"}})
    assert sorted(recordings(served, "etiology=ALS")) == [MONDAY, TUESDAY]
    assert recordings(served, "etiology=als") == []
    assert recordings(served, "etiology=ALS", "word=cat, dog") == [TUESDAY]
    assert recordings(served, "take=3") == [MONDAY]
    assert recordings(served, "ratings.dimension=Naturalness") == [MONDAY]
    assert recordings(served, "ratings.dimension=Naturalness", "etiology=Stroke") == []
    assert recordings(served, 'etiology=x" || true || "') == []


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (3, "3"),
        (3, "3.0"),
        (3.0, "3"),
        (1e300, "1e300"),
        ("3", "3"),
        (True, "true"),
        (None, "null"),
        (["a", "b"], "b"),
        (2.5, "2.5"),
        ("a=b", "a=b"),
    ],
)
def test_a_value_is_found_as_it_is_written(served: Served, put: Put, value: Any, wanted: str) -> None:
    put({MONDAY: {"x": value, "a.b": "dotted"}, TUESDAY: {"x": "other"}})
    assert recordings(served, f"x={wanted}", "a.b=dotted") == [MONDAY]


@pytest.mark.parametrize("value", ["1e999999999", "NaN", "-Infinity", "1" * 900, "[" * 900, "{}"])
def test_what_spells_no_number_of_this_world_is_a_text(served: Served, put: Put, value: str) -> None:
    put({MONDAY: {"x": value}})
    assert recordings(served, f"x={value}") == [MONDAY]


@pytest.mark.parametrize("kind", ["recordings", "segments"])
def test_an_attribute_that_nothing_has_is_refused_with_those_that_there_are(
    served: Served, put: Put, kind: str
) -> None:
    put({MONDAY: {"etiology": "ALS", "a.b": 1, "deep": {"er": [{"x": 1}]}}})
    url = f"/v1/collections/meetings/{kind}"
    for known in ("etiology=Stroke", "a.b=7", "deep.er.x=7"):
        assert served.http.get(url, params={"where": known}).json()["items"] == []
    answer = served.http.get(url, params={"where": ["etiology=ALS", "Etiologie=ALS"]})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (422, "unknown_attribute")
    assert "did you mean 'etiology'? there are: a.b, deep, etiology" in error["message"]


def test_a_recording_is_found_by_any_of_its_keys(served: Served, put: Put) -> None:
    put({"z/copy.wav": {"copy": True}})
    assert recordings(served, "copy=true") == [MONDAY]


@pytest.mark.parametrize("condition", ["etiology", "=ALS", "a..b=c", ""])
def test_what_is_no_condition_is_refused(served: Served, meetings: Meetings, condition: str) -> None:
    for kind in ("recordings", "segments"):
        answer = served.http.get(f"/v1/collections/meetings/{kind}", params={"where": condition})
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_condition")


def test_segments_show_and_are_found_by_what_their_recording_has(served: Served, put: Put) -> None:
    put({TUESDAY: {"etiology": "ALS"}})
    found = segments(served, where="etiology=ALS")
    assert [row["object_key"] for row in found] == ["meetings/b/tuesday.wav"] * 2
    assert {json.dumps(row["attributes"]) for row in found} == {'{"etiology": "ALS"}'}
    assert [row["attributes"] for row in segments(served, key=MONDAY)] == [None] * 3


def test_pages_stay_within_their_conditions(served: Served, put: Put) -> None:
    put({MONDAY: {"x": 1}, TUESDAY: {"x": 1}})
    url = "/v1/collections/meetings/recordings"
    first = served.http.get(url, params={"where": "x=1", "limit": 1}).json()
    again = served.http.get(url, params={"where": "x=1", "limit": 1, "after": first["next"]}).json()
    assert (len(again["items"]), again["next"]) == (1, None)
    assert served.http.get(url, params={"after": first["next"]}).json()["error"]["code"] == "bad_cursor"


def test_names_and_values_are_counted(served: Served, put: Put) -> None:
    put({MONDAY: {"etiology": "ALS", "tags": ["a", "b"]}, TUESDAY: {"etiology": "ALS"}, "later.wav": {"etiology": 7}})
    assert served.http.get(URL).json()["names"] == [
        {"name": "etiology", "objects": 3, "values": 2},
        {"name": "tags", "objects": 1, "values": 1},
    ]
    of = served.http.get(URL, params={"name": "etiology"}).json()["values"]
    assert of == [{"value": "ALS", "objects": 2}, {"value": 7, "objects": 1}]
    put({MONDAY: {"a.b": 1, "a": {"b": 2}}})
    assert len(served.http.get(URL, params={"name": "a.b"}).json()["values"]) == 2
    put({MONDAY: {"tags": ["a", "b"]}})
    tags = served.http.get(URL, params={"name": "tags"}).json()["values"]
    assert tags == [{"value": "a", "objects": 1}, {"value": "b", "objects": 1}]


@pytest.mark.parametrize(
    "item",
    [
        {"path": "x.wav", "attributes": {"a": "x" * 70_000}},
        {"path": "x.wav", "attributes": {f"n{n}": n for n in range(201)}},
        {"path": "x.wav", "attributes": {"": 1}},
        {"path": "x.wav", "attributes": {"captions": "a text"}},
        {"path": "x.wav", "attributes": {"captions": ["a", 3]}},
        {"path": "x.wav", "attributes": {"captions": [" "]}},
        {"path": "x.wav", "attributes": {"captions": ["a"] * 101}},
        {"path": "../x.wav", "attributes": {}},
        {"path": "x.wav", "attributes": {}, "more": 1},
        {"path": "x.wav"},
    ],
)
def test_what_cannot_be_kept_is_refused_as_a_whole(served: Served, meetings: Meetings, item: dict[str, Any]) -> None:
    good = {"path": "good.wav", "attributes": {"a": 1}}
    assert served.http.put(URL, json={"items": [good, item]}).status_code == 422
    assert rows(served, "SELECT FROM object_attributes") == []


def test_one_object_is_named_once_and_a_batch_has_an_end(served: Served, meetings: Meetings) -> None:
    one = {"path": "x.wav", "attributes": {}}
    assert served.http.put(URL, json={"items": [one, one]}).json()["error"]["code"] == "bad_attributes"
    many = [{"path": f"{n}.wav", "attributes": {}} for n in range(1001)]
    assert served.http.put(URL, json={"items": many}).status_code == 422


def test_a_collection_that_is_not_there_has_none(served: Served, meetings: Meetings) -> None:
    url = "/v1/collections/nowhere/attributes"
    assert served.http.get(url).status_code == 404
    assert served.http.put(url, json={"items": []}).status_code == 404


def test_reading_is_not_writing(served: Served, meetings: Meetings) -> None:
    with served.as_(served.token("read")) as reader:
        assert reader.get(URL).status_code == 200
        assert reader.put(URL, json={"items": []}).status_code == 403


def test_captions_become_text_segments_of_the_whole_recording(served: Served, put: Put) -> None:
    texts = ["Rain on a tin roof.", "It rains."]
    assert put({TUESDAY: {"captions": texts}})["captions_added"] == 2
    assert put({TUESDAY: {"captions": texts}})["captions_added"] == 0
    found = segments(served, modality="text")
    assert {(s["source"], s["text"], s["start_s"], s["end_s"], s["speaker_label"]) for s in found} == {
        ("caption-1", texts[0], 0.0, 5.0, None),
        ("caption-2", texts[1], 0.0, 5.0, None),
    }
    requested = rows(served, "SELECT data FROM event WHERE type LIKE '%embedding.requested%'")
    assert sorted(i for (event,) in requested for i in event["segment_ids"]) == sorted(s["segment_id"] for s in found)
    assert {event["duration_s"] for (event,) in requested} == {0.0}


def test_counts_of_a_recording_follow_its_captions(served: Served, put: Put, meetings: Meetings) -> None:
    put({TUESDAY: {"captions": ["one", "two"]}})
    of = "FROM recording_progress p JOIN recording r USING (recording_id) JOIN stored_object o USING (recording_id)"
    count = f"SELECT r.n_segments, p.n_segments {of} WHERE o.key LIKE '%tuesday%'"
    assert rows(served, count) == [(4, 4)]
    put({TUESDAY: {"captions": ["two"]}})
    assert rows(served, count) == [(3, 3)]
    with served.console.database.begin() as tx:
        progress.recount_all(tx, meetings.tuesday)
    assert rows(served, count) == [(3, 3)]


def test_captions_that_changed_take_the_place_of_the_old_ones(served: Served, put: Put) -> None:
    put({TUESDAY: {"captions": ["one", "two"]}})
    (old,) = (s["segment_id"] for s in segments(served, modality="text") if s["text"] == "one")
    assert put({TUESDAY: {"captions": ["uno", "two"]}}) == {
        "objects": 1, "changed": 1, "captions_added": 1, "captions_removed": 1,
    }  # fmt: skip
    assert sorted(s["text"] for s in segments(served, modality="text")) == ["two", "uno"]
    (removed,) = rows(served, "SELECT data->'segment_ids' FROM event WHERE type LIKE '%segments.removed%'")
    assert removed == ([old],)
    assert put({TUESDAY: {"x": 1}})["captions_removed"] == 2


def test_captions_of_two_keys_of_one_recording_stand_together(served: Served, put: Put) -> None:
    put({MONDAY: {"captions": ["one"]}, "z/copy.wav": {"captions": ["one", "two"]}})
    assert sorted(s["text"] for s in segments(served, modality="text")) == ["one", "two"]


def test_nobody_speaks_in_a_caption(served: Served, put: Put) -> None:
    put({TUESDAY: {"captions": ["one"]}})
    (caption,) = segments(served, modality="text")
    assert caption["segment_id"] not in {s["segment_id"] for s in segments(served, unnamed="true")}
    one = served.http.post("/v1/labels", json={"segment_id": caption["segment_id"], "speaker": "Ada"})
    assert (one.status_code, one.json()["error"]["code"]) == (422, "not_speech")
    split = served.http.post(f"/v1/segments/{caption['segment_id']}/split", json={"at_s": [1.0]})
    assert (split.status_code, split.json()["error"]["code"]) == (422, "not_speech")
    with served.console.database.begin() as tx:
        assert listing_labels.naming(tx, "meetings").segments == 5


def test_exports_of_turns_have_no_captions_and_those_of_segments_have_attributes(served: Served, put: Put) -> None:
    put({TUESDAY: {"etiology": "ALS", "captions": ["one"]}})
    lines = served.http.get("/v1/collections/meetings/export/segments").text.splitlines()
    exported = [json.loads(line) for line in lines]
    assert [row["modality"] for row in exported].count("text") == 1
    of = {row["object_key"]: row.get("attributes") for row in exported}
    assert of["meetings/b/tuesday.wav"] == {"etiology": "ALS", "captions": ["one"]}
    assert "attributes" not in exported[0]
    for kind, by in (("rttm", "diarization"), ("csv", "speaker"), ("textgrid", "speaker")):
        packed = served.http.get(f"/v1/collections/meetings/export/{kind}", params={"by": by}).content
        with zipfile.ZipFile(BytesIO(packed)) as archive:
            assert all(b"one" not in archive.read(name) for name in archive.namelist())
            if kind == "csv":
                assert len(archive.read(archive.namelist()[0]).splitlines()) == 1 + 5
