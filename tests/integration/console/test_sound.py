"""Segments as sound: exactly the span, whole or in part."""

import io
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import numpy as np
import pytest
import soundfile

from tests.integration.console.conftest import Served
from tests.integration.console.seeding import SPANS, Meetings


def url(meetings: Meetings, name: str) -> str:
    return f"/v1/segments/{meetings.segment_ids[name]}/audio"


@pytest.mark.parametrize("name", ["m1", "m2", "m3"])
def test_a_segment_sounds_like_its_span(served: Served, meetings: Meetings, name: str) -> None:
    answer = served.http.get(url(meetings, name))
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert answer.headers["accept-ranges"] == "bytes"
    cut, rate_hz = soundfile.read(io.BytesIO(answer.content), dtype="int16")
    assert rate_hz == 16_000
    np.testing.assert_array_equal(cut, meetings.pcm[slice(*SPANS[name])])


def test_ranges_are_parts_of_the_whole(served: Served, meetings: Meetings) -> None:
    whole = served.http.get(url(meetings, "m2")).content
    for header, expected in (("bytes=0-1", whole[:2]), ("bytes=43-46", whole[43:47]), ("bytes=-9", whole[-9:])):
        part = served.http.get(url(meetings, "m2"), headers={"Range": header})
        assert (part.status_code, part.content) == (206, expected)
        assert int(part.headers["content-length"]) == len(expected)
        at = whole.index(expected) if header != "bytes=-9" else len(whole) - 9
        assert part.headers["content-range"] == f"bytes {at}-{at + len(expected) - 1}/{len(whole)}"


def test_a_range_behind_the_end_is_416(served: Served, meetings: Meetings) -> None:
    answer = served.http.get(url(meetings, "m1"), headers={"Range": "bytes=99999999-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{44 + 32_000}")


def test_what_the_client_has_is_not_sent_again(served: Served, meetings: Meetings) -> None:
    etag = served.http.get(url(meetings, "m1")).headers["etag"]
    assert served.http.get(url(meetings, "m1"), headers={"If-None-Match": etag}).status_code == 304
    changed = served.http.get(url(meetings, "m1"), headers={"Range": "bytes=0-1", "If-Range": '"other"'})
    assert changed.status_code == 200


def test_a_segment_that_does_not_exist_is_gone(served: Served) -> None:
    for path in (f"/v1/segments/{uuid4()}", f"/v1/segments/{uuid4()}/audio"):
        answer = served.http.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "segment_gone")
    assert served.http.get("/v1/segments/nonsense/audio").status_code == 422


def test_audio_that_left_the_bucket_is_named(served: Served, meetings: Meetings) -> None:
    answer = served.http.get(url(meetings, "t1"))  # tuesday's audio was never stored
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "audio_gone")


def test_many_listeners_at_once_hear_the_same(served: Served, meetings: Meetings) -> None:
    names = ["m1", "m2", "m3"] * 8
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda name: served.http.get(url(meetings, name)), names))
    assert {answer.status_code for answer in answers} == {200}
    for name, answer in zip(names, answers, strict=True):
        assert len(answer.content) == 44 + 2 * (SPANS[name][1] - SPANS[name][0])
