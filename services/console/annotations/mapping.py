"""From turns to names of segments: who covers most of a segment names it, unless somebody else is heard in it too.

Pure, and in whole samples, so that a turn that ends where a segment begins does not touch it.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from services.console.annotations.turns import BadAnnotations, Turn
from shared.units import samples

SHARE_OF_SPEAKER: Final = 0.5
"""Of a segment that its speaker covers at least."""

SHARE_OF_OTHERS: Final = 0.2
"""Of a segment that nobody else covers more than: room for a word thrown in, none for a second turn."""

MAX_SPEAKERS: Final = 1000
"""In one recording; more mean that texts were taken for names."""

Interval = tuple[int, int]
"""Start and end in samples."""


class TooManySpeakers(BadAnnotations):
    """No recording has a thousand speakers: look whether the names stand where the format has them."""

    code = "too_many_speakers"


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of one recording, in samples."""

    segment_id: UUID
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mapped:
    """What turns say of the segments of one recording: each segment is named, mixed or uncovered."""

    words: tuple[tuple[UUID, str], ...]
    """Segments and who speaks in them."""
    mixed: tuple[UUID, ...]
    """Two speakers cover more than SHARE_OF_OTHERS each; nobody unknown counts as one more speaker."""
    uncovered: tuple[UUID, ...]
    """Nobody with a name covers SHARE_OF_SPEAKER."""
    n_turns_without_segment: int
    """Turns with a name in stretches where there is no segment."""


def map_turns(segments: Iterable[Segment], turns: Sequence[Turn]) -> Mapped:
    """Each segment gets the speaker who covers half of it or more, if nobody else covers more than a fifth.

    A speaker's overlapping turns count once. Raises TooManySpeakers.
    """
    ordered = sorted(segments, key=lambda segment: (segment.start, segment.segment_id))
    spans = _Spans(ordered)
    covered: list[dict[str | None, int]] = [{} for _ in ordered]
    for speaker, intervals in _by_speaker(turns).items():
        for interval in _merged(intervals):
            for place, n_samples in spans.overlaps(interval):
                covered[place][speaker] = covered[place].get(speaker, 0) + n_samples
    words, mixed, uncovered = [], [], []
    for segment, shares in zip(ordered, covered, strict=True):
        speaker, is_mixed = _judge(segment.end - segment.start, shares)
        if is_mixed:
            mixed.append(segment.segment_id)
        elif speaker is None:
            uncovered.append(segment.segment_id)
        else:
            words.append((segment.segment_id, speaker))
    n_lost = sum(turn.speaker is not None and not any(spans.overlaps(_interval(turn))) for turn in turns)
    return Mapped(tuple(words), tuple(mixed), tuple(uncovered), n_lost)


def _judge(n_samples: int, shares: Mapping[str | None, int]) -> tuple[str | None, bool]:
    """Who names a segment of so many samples, and whether two speak in it."""
    ranked = sorted(shares.items(), key=lambda item: item[1], reverse=True)
    if len(ranked) > 1 and ranked[1][1] > SHARE_OF_OTHERS * n_samples:
        return None, True
    if ranked and ranked[0][1] >= SHARE_OF_SPEAKER * n_samples:
        return ranked[0][0], False
    return None, False


def _by_speaker(turns: Iterable[Turn]) -> Mapping[str | None, list[Interval]]:
    found: defaultdict[str | None, list[Interval]] = defaultdict(list)
    for turn in turns:
        found[turn.speaker].append(_interval(turn))
    if len(found) > MAX_SPEAKERS:
        raise TooManySpeakers(f"{len(found)} speakers in one recording.")
    return found


def _interval(turn: Turn) -> Interval:
    return samples(turn.start_s), samples(turn.end_s)


def _merged(intervals: Iterable[Interval]) -> Iterator[Interval]:
    """The same stretches, sorted and without overlaps."""
    standing: Interval | None = None
    for start, end in sorted(intervals):
        if standing is None or start > standing[1]:
            if standing:
                yield standing
            standing = start, end
        else:
            standing = standing[0], max(standing[1], end)
    if standing:
        yield standing


class _Spans:
    """Segments by start, to be asked which of them a stretch overlaps; they may overlap each other."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments
        self._starts = [segment.start for segment in segments]
        self._longest = max((segment.end - segment.start for segment in segments), default=0)

    def overlaps(self, interval: Interval) -> Iterator[tuple[int, int]]:
        """Place and shared samples of each segment that shares any with the stretch."""
        start, end = interval
        first, last = bisect_right(self._starts, start - self._longest), bisect_left(self._starts, end)
        for place in range(first, last):
            segment = self._segments[place]
            if (n_shared := min(end, segment.end) - max(start, segment.start)) > 0:
                yield place, n_shared
