"""Segments of a speaker, of a recording, of a cluster, or of nobody; and ids that are none."""

from uuid import uuid4

import pytest

from shared.storage import people, suggestions
from shared.storage.statements import name_segment
from shared.storage.suggestions import Suggested
from tests.integration.console.conftest import Served
from tests.integration.console.seeding import Meetings

BASE = "/v1/collections/meetings/segments"


def found(served: Served, meetings: Meetings, **query: object) -> set[str]:
    """The names of the segments, read page by page."""
    names, after, by_id = set(), None, {str(i): name for name, i in meetings.segment_ids.items()}
    while True:
        answer = served.http.get(BASE, params={**query, "limit": 2} | ({"after": after} if after else {}))
        assert answer.status_code == 200, answer.text
        names |= {by_id[row["segment_id"]] for row in answer.json()["items"]}
        if (after := answer.json()["next"]) is None:
            return names


@pytest.fixture
def named(served: Served, meetings: Meetings) -> Meetings:
    with served.console.database.begin() as tx:
        for name, speaker in (("m1", "Ada"), ("t1", "Ada"), ("m3", "Zoë B.")):
            name_segment(tx, meetings.segment_ids[name], speaker, "test")
    return meetings


def test_filters_narrow_one_another(served: Served, named: Meetings) -> None:
    monday = str(named.monday)
    cluster_id = served.http.get(f"/v1/segments/{named.segment_ids['m1']}").json()["cluster_id"]
    assert found(served, named, speaker="Ada") == {"m1", "t1"}
    assert found(served, named, speaker="Zoë B.") == {"m3"}
    assert found(served, named, unnamed="true") == {"m2", "t2"}
    assert found(served, named, recording_id=monday) == {"m1", "m2", "m3"}
    assert found(served, named, cluster_id=cluster_id) == {"m1", "m2", "t1"}
    assert found(served, named, recording_id=monday, speaker="Ada") == {"m1"}
    assert found(served, named, recording_id=monday, cluster_id=cluster_id, unnamed="true") == {"m2"}


@pytest.mark.parametrize("key", ["meetings/a monday/ü.wav", "a monday/ü.wav", "z/copy.wav"])
def test_a_recording_goes_by_each_of_its_keys(served: Served, named: Meetings, key: str) -> None:
    assert found(served, named, key=key) == {"m1", "m2", "m3"}


def test_what_nobody_is_called_is_said(served: Served, named: Meetings) -> None:
    for filters, code in (
        ({"speaker": "Nobody"}, "unknown_speaker"),
        ({"key": "nowhere.wav"}, "unknown_recording"),
        ({"key": "notes.txt"}, "unknown_recording"),  # a file, but none that holds a recording
        ({"recording_id": str(uuid4())}, "unknown_recording"),
        ({"cluster_id": str(uuid4())}, "cluster_gone"),
    ):
        answer = served.http.get(BASE, params=filters)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)
    for without in ("unnamed", "suggested"):
        assert served.http.get(BASE, params={"speaker": "Ada", without: "true"}).status_code == 422


@pytest.mark.parametrize(
    ("path", "names"),
    [("a", {"m1", "m2", "m3"}), ("b/", {"t1", "t2"}), ("meetings/b/tue", {"t1", "t2"}), ("z/silence.wav", set())],
)
def test_a_path_means_all_that_begin_so(served: Served, named: Meetings, path: str, names: set[str]) -> None:
    assert found(served, named, key=path) == names


def test_the_collections_own_name_is_no_path_in_it(served: Served, named: Meetings) -> None:
    assert served.http.get(BASE, params={"key": "meet"}).json()["error"]["code"] == "unknown_recording"


def test_a_whole_path_is_not_the_beginning_of_another(served: Served, named: Meetings) -> None:
    with served.console.database.begin() as tx:
        tx.exec_driver_sql(
            "UPDATE stored_object SET key = 'meetings/z/copy.wav.wav' WHERE key = 'meetings/b/tuesday.wav'"
        )
    assert found(served, named, key="z/copy.wav") == {"m1", "m2", "m3"}
    assert found(served, named, key="z/copy") == set(named.segment_ids)


def test_suggested_are_those_without_a_name_for_which_somebody_is_suggested(served: Served, named: Meetings) -> None:
    with served.console.database.begin() as tx:
        speaker_id = people.speaker_named(tx, "Ada")
        of = {named.segment_ids[name]: Suggested(speaker_id, 0.7) for name in ("m2", "m3")}
        suggestions.write(tx, "meetings", list(of), of)
    assert found(served, named, suggested="true") == {"m2"}


def test_a_cursor_is_good_for_its_filters_only(served: Served, named: Meetings) -> None:
    after = served.http.get(BASE, params={"speaker": "Ada", "limit": 1}).json()["next"]
    answer = served.http.get(BASE, params={"unnamed": "true", "after": after})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("/v1/segments/7d74b913", "earmark segments -c NAME"),
        (f"{BASE}?recording_id=monday", "earmark recordings -c NAME"),
        (f"{BASE}?cluster_id=3", "earmark clusters -c NAME"),
        ("/v1/labels/last", "earmark labels log -c NAME"),
    ],
)
def test_what_is_no_id_is_told_with_where_ids_are_listed(
    served: Served, named: Meetings, path: str, command: str
) -> None:
    error = served.http.get(path).json()["error"]
    assert error["code"] == "invalid_request"
    assert "is not an id; ids look like" in error["message"]
    assert f"`{command}`" in error["message"]
