"""Content-derived ids are the same for ever; ids of what happens once are new each time, and in order."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared import ids

RECORDING = UUID("0b7ccd9a-9a4c-5b70-8c2f-0d4a6a3b7f11")


def test_a_content_derived_id_is_the_same_in_every_version():
    # Written down once: rows of years ago carry these ids, so no change of the code may change them.
    assert ids.object_id("audio", "meetings/monday.wav") == UUID("9ead9bc8-63d0-594f-bcac-7e6f40ee5352")
    assert ids.recording_id("meetings", "ab" * 32) == UUID("857c847c-8c31-5c7d-8c64-39beaeb344e7")
    assert ids.segment_id(RECORDING, "vad@1", 0, 16_000) == UUID("b4358b87-e3d0-52d4-8200-eebb3345e8b1")
    assert ids.event_id(RECORDING, "t", "a") == UUID("0ef8d75e-d3fe-5fff-ad86-e7c583e1dd59")


def test_the_same_bytes_are_one_recording_in_a_collection_and_two_in_two():
    assert ids.recording_id("meetings", "ab" * 32) == ids.recording_id("meetings", "ab" * 32)
    assert ids.recording_id("meetings", "ab" * 32) != ids.recording_id("lectures", "ab" * 32)


def test_another_revision_of_a_segmenter_makes_another_segment():
    assert ids.segment_id(RECORDING, "vad@1", 0, 16_000) != ids.segment_id(RECORDING, "vad@2", 0, 16_000)


@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(1, 2**20)), unique=True, max_size=50))
def test_segments_of_one_recording_share_no_id(spans: list[tuple[int, int]]):
    found = {ids.segment_id(RECORDING, "vad@1", start, start + length) for start, length in spans}
    assert len(found) == len(spans)


def test_an_event_that_must_exist_once_has_one_id_for_each_type_and_subject():
    assert ids.event_id(RECORDING, "t", "a") == ids.event_id(RECORDING, "t", "a")
    assert len({ids.event_id(RECORDING, *named) for named in (("t", "a"), ("t", "b"), ("u", "a"))}) == 3


def test_new_ids_are_all_different_and_in_the_order_of_time():
    made = [ids.new_id() for _ in range(1000)]
    assert len(set(made)) == 1000
    assert made == sorted(made)
    assert {one.version for one in made} == {7}
