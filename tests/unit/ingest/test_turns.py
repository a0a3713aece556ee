from dataclasses import replace

import numpy as np
import pytest

from services.ingest.segmenters.protocol import Hints, Span
from services.ingest.segmenters.voices.finder import TurnFinder
from tests.support.voices import InMemory, MadeUpEncoder, spoken

_FINDER = TurnFinder(MadeUpEncoder())
_TOLERANCE = 0.35  # s: a border between windows that begin every 0.53 s


def _region(audio: InMemory) -> list[Span]:
    return [Span(0, audio.n_samples)]


def _seconds(spans: list[Span]) -> list[tuple[float, float, str | None]]:
    return [(s.start_sample / 16_000, s.end_sample / 16_000, s.speaker_label) for s in spans]


def test_a_region_of_two_voices_is_cut_where_they_meet():
    audio = spoken((3, 5.0), (1, 6.0), (3, 4.0), (1, 5.0))
    found = _seconds(_FINDER.turns(audio, _region(audio)))
    assert [label for *_, label in found] == ["SPEAKER_00", "SPEAKER_01", "SPEAKER_00", "SPEAKER_01"]
    assert [end for _, end, _ in found] == pytest.approx([5.0, 11.0, 15.0, 20.0], abs=_TOLERANCE)


def test_turns_cover_their_regions_exactly():
    audio = spoken((0, 5.0), (1, 6.0), (None, 1.0), (0, 4.0))
    found = _FINDER.turns(audio, [Span(100, 176_000), Span(192_000, 256_000)])
    assert sum(s.end_sample - s.start_sample for s in found) == 175_900 + 64_000
    assert (found[0].start_sample, found[-1].end_sample) == (100, 256_000)


@pytest.mark.parametrize("duration_s", [0.3, 1.0, 2.5, 20.0, 300.0])
def test_one_voice_stays_one(duration_s):
    audio = spoken((2, duration_s))
    assert {s.speaker_label for s in _FINDER.turns(audio, _region(audio))} == {"SPEAKER_00"}


@pytest.mark.parametrize("n_voices", [2, 3, 5, 8])
def test_labels_are_in_order_of_appearance(n_voices):
    audio = spoken(*[(voice, 4.0) for _ in range(2) for voice in reversed(range(n_voices))])
    labels = [s.speaker_label for s in _FINDER.turns(audio, _region(audio))]
    assert labels == [f"SPEAKER_{n:02d}" for _ in range(2) for n in range(n_voices)]


def test_short_turns_with_pauses_between_are_told_apart():
    turns = [part for n in range(12) for part in ((n % 3, 1.1), (None, 0.6))]
    audio = spoken(*turns)
    starts = [round(n * 1.7 * 16_000) for n in range(12)]
    found = _FINDER.turns(audio, [Span(start, start + 17_600) for start in starts])
    assert [s.speaker_label for s in found] == [f"SPEAKER_{n % 3:02d}" for n in range(12)]


def test_hints_are_kept():
    audio = spoken((0, 6.0), (1, 6.0), (2, 6.0), (0, 6.0), (1, 6.0), (2, 6.0))
    labels = {s.speaker_label for s in _FINDER.turns(audio, _region(audio), Hints(1, 2))}
    assert len(labels) == 2


def test_the_same_recording_has_the_same_turns_whatever_came_before():
    audio, other = spoken((0, 6.0), (1, 6.0), (0, 6.0)), spoken((4, 9.0), (2, 9.0))
    alone = TurnFinder(MadeUpEncoder()).turns(audio, _region(audio))
    _FINDER.turns(other, _region(other))
    assert _FINDER.turns(audio, _region(audio)) == alone


def test_no_region_has_no_turn():
    assert _FINDER.turns(spoken((0, 1.0)), []) == []
    assert _FINDER.split_at_turns(spoken((0, 1.0)), []) == []


def test_silence_that_somebody_calls_speech_has_a_label_and_no_error():
    audio = InMemory(np.zeros(80_000, np.float32))
    assert [s.speaker_label for s in _FINDER.turns(audio, _region(audio))] == ["SPEAKER_00"]


def test_silence_between_voices_joins_nobody():
    audio = spoken((0, 6.0), (None, 6.0), (1, 6.0))
    spans = [Span(0, 96_000), Span(96_000, 192_000), Span(192_000, 288_000)]
    labels = [s.speaker_label for s in _FINDER.turns(audio, spans)]
    assert (labels[0], labels[-1]) == ("SPEAKER_00", "SPEAKER_01")


def test_spans_with_text_are_labelled_and_left_whole():
    audio = spoken((0, 6.0), (1, 3.0), (0, 6.0), (1, 6.0))
    spans = [Span(0, 144_000, "hello there"), Span(144_000, 240_000, "yes"), Span(240_000, 336_000)]
    found = _FINDER.split_at_turns(audio, spans)
    assert found[:2] == [replace(span, speaker_label="SPEAKER_00") for span in spans[:2]]
    assert [(s.text, s.speaker_label) for s in found[2:]] == [(None, "SPEAKER_01")]


def test_whoever_knows_where_words_end_divides_the_text():
    def at_the_comma(span: Span, turns: list[Span]) -> list[Span]:
        texts = (span.text or "").split(", ")
        return [replace(turn, text=text) for turn, text in zip(turns, texts, strict=True)]

    audio = spoken((0, 6.0), (1, 6.0), (0, 6.0), (1, 6.0))
    spans = [Span(0, 192_000, "how are you, fine"), Span(192_000, 384_000, "good, indeed")]
    found = _FINDER.split_at_turns(audio, spans, cut_text=at_the_comma)
    assert [(s.text, s.speaker_label) for s in found] == [
        ("how are you", "SPEAKER_00"),
        ("fine", "SPEAKER_01"),
        ("good", "SPEAKER_00"),
        ("indeed", "SPEAKER_01"),
    ]
