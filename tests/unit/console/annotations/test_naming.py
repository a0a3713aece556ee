"""Which recording an annotation file means."""

from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.annotations.naming import Recordings
from services.console.stems import unique_stems

KEYS = [
    "c/id1/a/00001.wav",
    "c/id2/a/00001.wav",
    "c/monday/talk.wav",
    "c/monday/talk.flac",
    "c/top.v2.wav",
    "c/Zoe\u0308.wav",
    "c/x y/é?#1.wav",
    "c/solo.wav",
]


def recordings(keys: list[str]) -> Recordings:
    return Recordings("c", {key: uuid5(UUID(int=0), key) for key in keys})


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("c/id1/a/00001.wav", "c/id1/a/00001.wav"),
        ("id2/a/00001.wav", "c/id2/a/00001.wav"),
        ("id2/a/00001", "c/id2/a/00001.wav"),
        ("/home/ann/corpus/id2/a/00001.flac", "c/id2/a/00001.wav"),
        ("C:\\corpus\\id2\\a\\00001.wav", "c/id2/a/00001.wav"),
        ("s3://audio/c/id1/a/00001.wav", "c/id1/a/00001.wav"),
        ("s3://audio/c/x y/é?#1.wav", "c/x y/é?#1.wav"),
        ("https://s3.example/audio/c/id1/a/00001.wav?X-Amz-Signature=1", "c/id1/a/00001.wav"),
        ("https://s3.example/audio/c/Zo%C3%AB.wav", "c/Zoe\u0308.wav"),
        ("/data/local-files/?d=corpus/monday/solo.wav", "c/solo.wav"),
        ("/data/upload/3/0a1b2c3d-solo.wav", "c/solo.wav"),
        ("file:///C:/talks/solo.wav", "c/solo.wav"),
        ("./solo.wav", "c/solo.wav"),
        ("elsewhere/solo", "c/solo.wav"),
        ("monday/talk.flac", "c/monday/talk.flac"),
        ("talk.wav", "c/monday/talk.wav"),
        ("c__monday__talk", "c/monday/talk.flac"),
        ("c__monday__talk-2", "c/monday/talk.wav"),
        ("top.v2", "c/top.v2.wav"),
        ("Zo\u00eb", "c/Zoe\u0308.wav"),
        ("id1__a__00001", "c/id1/a/00001.wav"),
    ],
)
def test_a_recording_is_found_by_what_is_said_of_it(name, key):
    assert [found.object_key for found in recordings(KEYS).find(name)] == [key]


@pytest.mark.parametrize("name", ["talk", "00001", "a/00001.wav", "monday/talk"])
def test_a_name_that_may_mean_several_is_not_guessed(name):
    assert len(recordings(KEYS).find(name)) > 1


@pytest.mark.parametrize(
    "name", ["", "/", "..", "id3/a/00001", "tuesday/talk.wav", "top", "00002", "s3://", "http://[", "🎙"]
)
def test_what_nobody_is_called_finds_nothing(name):
    assert recordings(KEYS).find(name) == []


def test_a_recording_is_not_found_by_the_name_of_another_folder():
    assert recordings(["c/id1/a/00001.wav"]).find("id2/a/00001.wav") == []


@given(
    st.sets(st.text("ab./_ Ä", min_size=1, max_size=8).map(lambda path: f"c/{path}"), max_size=8), st.text(max_size=9)
)
def test_what_an_export_calls_a_recording_finds_it(keys, other):
    known = recordings(sorted(keys))
    known.find(other)
    stems = unique_stems(keys)
    clear = {stem: key for key, stem in stems.items() if not {stem, f"c/{stem}"} & keys and "//" not in key}
    for stem, key in clear.items():
        assert [found.object_key for found in known.find(stem)] == [key]
