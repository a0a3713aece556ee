"""From what Whisper hears in windows of speech to utterances with words."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.segmenters.protocol import Span, Word
from services.ingest.segmenters.whisper_words import (
    WINDOW_SAMPLES,
    HeardWord,
    Window,
    cut_at_words,
    spoken,
    utterance,
    windows,
)

RATE = 16_000
SPEECH = (Span(10 * RATE, 14 * RATE), Span(20 * RATE, 22 * RATE))
WINDOW = Window(SPEECH)


@st.composite
def stretches(draw):
    """Sorted, disjoint, none longer than a window."""
    spans, at = [], 0
    for _ in range(draw(st.integers(0, 12))):
        start = at + draw(st.integers(0, 20 * RATE))
        at = start + draw(st.integers(1, WINDOW_SAMPLES))
        spans.append(Span(start, at))
    return spans


@given(stretches())
def test_windows_hold_all_speech_in_order_and_none_is_too_long(spans):
    found = windows(spans)
    assert [span for window in found for span in window.speech] == spans
    assert all(window.end_sample - window.start_sample <= WINDOW_SAMPLES for window in found)


@given(stretches())
def test_no_window_could_have_taken_the_next_stretch(spans):
    assert all(
        right.speech[0].end_sample - left.start_sample > WINDOW_SAMPLES for left, right in pairwise(windows(spans))
    )


def test_words_are_placed_in_the_recording():
    heard = (HeardWord(0.5, 1.0, " good"), HeardWord(1.0, 1.5, " day"))
    assert spoken(heard, WINDOW, 0) == (
        Word(168_000, 176_000, " good"),
        Word(176_000, 184_000, " day"),
    )


def test_what_is_heard_between_stretches_of_speech_is_left_out():
    heard = (HeardWord(3.0, 3.5, " bye"), HeardWord(6.0, 8.0, " Thanks for watching!"))
    assert [word.text for word in spoken(heard, WINDOW, 0)] == [" bye"]


def test_words_end_with_the_speech_that_they_are_in():
    (word,) = spoken((HeardWord(3.5, 7.0, " so"),), WINDOW, 0)
    assert (word.start_sample, word.end_sample) == (round(13.5 * RATE), 14 * RATE)


def test_an_utterance_begins_after_the_one_before():
    (word,) = spoken((HeardWord(1.0, 2.0, " two"),), WINDOW, round(11.5 * RATE))
    assert (word.start_sample, word.end_sample) == (round(11.5 * RATE), 12 * RATE)


def test_what_is_heard_past_the_end_is_said_with_the_word_before():
    heard = (HeardWord(11.5, 12.0, " the"), HeardWord(12.0, 12.0, " end"))
    (word,) = spoken(heard, WINDOW, 0)
    assert (word.end_sample, word.text) == (22 * RATE, " the")
    (word,) = spoken((HeardWord(11.5, 13.0, " the"), HeardWord(11.9, 12.0, " end")), WINDOW, 0)
    assert word.text == " the end"


times = st.floats(-0.5, 13.0, allow_nan=False)


@given(st.lists(st.tuples(times, times)), st.integers(0, 23 * RATE))
def test_whatever_times_are_given_words_are_disjoint_in_order_and_within_the_window(given_times, after_sample):
    heard = tuple(HeardWord(start, end, " x") for start, end in given_times)
    words = spoken(heard, WINDOW, after_sample)
    assert all(word.start_sample < word.end_sample for word in words)
    assert all(left.end_sample <= right.start_sample for left, right in pairwise(words))
    assert all(max(after_sample, WINDOW.start_sample) <= word.start_sample for word in words)
    assert all(word.end_sample <= WINDOW.end_sample for word in words)


FOUR = tuple(
    Word(start, start + 80, f" {text}") for start, text in ((0, "I"), (100, "do."), (200, "You"), (300, "do?"))
)


def test_an_utterance_has_its_words_text_and_times():
    assert utterance(FOUR, "UNKNOWN") == Span(0, 380, "I do. You do?", "UNKNOWN", FOUR)


def test_an_utterance_of_two_is_cut_between_words_and_so_is_its_text():
    turns = [Span(0, 210, speaker_label="SPEAKER_00"), Span(210, 380, speaker_label="SPEAKER_01")]
    parts = cut_at_words(utterance(FOUR, "UNKNOWN"), turns)
    assert [(part.start_sample, part.end_sample, part.text, part.speaker_label) for part in parts] == [
        (0, 180, "I do.", "SPEAKER_00"),
        (200, 380, "You do?", "SPEAKER_01"),
    ]


def test_a_turn_without_a_word_makes_no_part():
    turns = [Span(0, 185), Span(185, 195), Span(195, 380)]
    assert [part.text for part in cut_at_words(utterance(FOUR, "UNKNOWN"), turns)] == ["I do.", "You do?"]


@given(st.lists(st.integers(1, 379), unique=True))
def test_cutting_loses_no_word(cuts):
    bounds = [0, *sorted(cuts), 380]
    parts = cut_at_words(utterance(FOUR, "UNKNOWN"), [Span(start, end) for start, end in pairwise(bounds)])
    assert tuple(word for part in parts for word in part.words) == FOUR
