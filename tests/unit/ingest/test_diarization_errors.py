"""The scorer of `benchmarks/diarization.py`, against errors that can be counted by hand."""

import pytest

from benchmarks.diarization import Errors, Turn, errors

_TRUTH = [Turn(0.0, 4.0, "ann"), Turn(4.0, 8.0, "bob")]


def test_labels_are_mapped_to_speakers():
    found = [Turn(0.0, 4.0, "SPEAKER_07"), Turn(4.0, 8.0, "SPEAKER_01")]
    assert errors(_TRUTH, found, 10.0, 0.0) == Errors(0, 0, 0, 800)


def test_one_label_for_two_speakers_is_confusion():
    assert errors(_TRUTH, [Turn(0.0, 8.0, "x")], 10.0, 0.0) == Errors(0, 0, 400, 800)


def test_missed_and_invented_speech_are_counted_apart():
    assert errors(_TRUTH, [Turn(1.0, 4.0, "x"), Turn(4.0, 9.5, "y")], 10.0, 0.0) == Errors(100, 150, 0, 800)


def test_a_collar_forgives_half_of_it_on_either_side_of_a_border():
    found = [Turn(0.0, 4.1, "x"), Turn(4.1, 8.1, "y")]
    assert errors(_TRUTH, found, 10.0, 0.0).rate == pytest.approx(100 * 20 / 800)
    assert errors(_TRUTH, found, 10.0, 0.25).rate == 0.0


def test_overlap_named_once_is_half_missed():
    truth = [Turn(0.0, 4.0, "ann"), Turn(2.0, 4.0, "bob")]
    assert errors(truth, [Turn(0.0, 4.0, "x")], 5.0, 0.0) == Errors(200, 0, 0, 600)


def test_nothing_found_is_all_missed():
    assert errors(_TRUTH, [], 10.0, 0.0).rate == 100.0
