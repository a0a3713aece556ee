"""Between speech, what Whisper heard in it, and segments: windows, words in samples, cuts between words. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.ingest.segmenters.protocol import Span, Word
from shared.units import samples

WINDOW_SAMPLES: Final = samples(30.0)  # what Whisper hears at once
_SHORTEST_WORD_SAMPLES: Final = samples(0.02)  # the precision of its times, as which it may give the same twice


@dataclass(frozen=True, slots=True)
class HeardWord:
    """A word, and when it is said: in seconds from the window's start."""

    start_s: float
    end_s: float
    text: str


Heard = tuple[HeardWord, ...]
"""One utterance, as the transcriber cuts them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring stretches of speech, in samples of the recording, that fit into what Whisper hears at once."""

    speech: tuple[Span, ...]

    @property
    def start_sample(self) -> int:
        """Where the first stretch begins."""
        return self.speech[0].start_sample

    @property
    def end_sample(self) -> int:
        """Where the last stretch ends."""
        return self.speech[-1].end_sample

    @property
    def speech_samples(self) -> int:
        """How much of it is speech."""
        return sum(span.end_sample - span.start_sample for span in self.speech)


def windows(speech: Iterable[Span]) -> list[Window]:
    """Speech in windows, as many stretches in each as fit; none is parted, as none is longer than a window."""
    groups: list[list[Span]] = []
    for span in speech:
        if groups and span.end_sample - groups[-1][0].start_sample <= WINDOW_SAMPLES:
            groups[-1].append(span)
        else:
            groups.append([span])
    return [Window(tuple(group)) for group in groups]


def spoken(heard: Heard, window: Window, after_sample: int) -> tuple[Word, ...]:
    """The words that are said where there is speech, in samples of the recording: in order, disjoint, none empty.

    They begin at `after_sample` at the earliest. Times that Whisper gives twice are moved on; what is heard past the
    window's end is said with the word before it.
    """
    words: list[Word] = []
    for word in heard:
        start = window.start_sample + samples(word.start_s)
        end = max(window.start_sample + samples(word.end_s), start + _SHORTEST_WORD_SAMPLES)
        within = _within(start, end, window.speech)
        if within is None:
            continue
        start = max(within[0], words[-1].end_sample if words else after_sample)
        if start < window.end_sample:
            words.append(Word(start, max(within[1], start + 1), word.text))
        elif words:
            words[-1] = replace(words[-1], text=words[-1].text + word.text)
    return tuple(words)


def _within(start: int, end: int, speech: Sequence[Span]) -> tuple[int, int] | None:
    """The interval, shrunk to begin and end in speech; None if it touches none."""
    touched = [span for span in speech if span.start_sample < end and start < span.end_sample]
    if not touched:
        return None
    return max(start, touched[0].start_sample), min(end, touched[-1].end_sample)


def utterance(words: Sequence[Word], speaker_label: str | None) -> Span:
    """The words as one span, with their text."""
    text = "".join(word.text for word in words).strip()
    return Span(words[0].start_sample, words[-1].end_sample, text, speaker_label, tuple(words))


def cut_at_words(span: Span, turns: Sequence[Span]) -> list[Span]:
    """The utterance in parts, between words: each word belongs to the turn that its middle lies in.

    Turns are sorted; a part has its turn's label, and begins and ends with its words.
    """
    starts = [turn.start_sample for turn in turns]
    groups: dict[int, list[Word]] = {}
    for word in span.words:
        turn = max(0, bisect_right(starts, (word.start_sample + word.end_sample) // 2) - 1)
        groups.setdefault(turn, []).append(word)
    return [utterance(words, turns[turn].speaker_label) for turn, words in groups.items()]
