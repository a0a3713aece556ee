"""Tiers, as Praat and ELAN have them: turns of one speaker that do not overlap each other."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from services.console.annotations.turns import UNKNOWN, Turn

_OF_SPEAKERS: Final = frozenset({"speaker", "speakers"})


@dataclass(frozen=True, slots=True)
class Tier:
    """Some turns of a speaker, or of nobody in particular, by time."""

    name: str
    speaker: str | None
    turns: tuple[Turn, ...]


def holds_speakers(name: str) -> bool:
    """Whether a tier is called such that its labels are names of speakers, not what a speaker says."""
    return name.strip().casefold() in _OF_SPEAKERS


def tiers_of(turns: Iterable[Turn]) -> list[Tier]:
    """As few tiers as hold all turns, by name; the name is the speaker's."""
    by_speaker = defaultdict(list)
    for turn in sorted(turns, key=lambda turn: (turn.start_s, turn.end_s)):
        by_speaker[turn.speaker].append(turn)
    return [
        Tier(speaker or UNKNOWN, speaker, tuple(layer))
        for speaker, theirs in sorted(by_speaker.items(), key=lambda item: (item[0] is None, item[0] or ""))
        for layer in _layers(theirs)
    ]


def _layers(turns: Iterable[Turn]) -> list[list[Turn]]:
    """Turns by start, each in the first layer where the one before it has ended."""
    layers: list[list[Turn]] = []
    for turn in turns:
        layer = next((layer for layer in layers if layer[-1].end_s <= turn.start_s), None)
        if layer is None:
            layers.append(layer := [])
        layer.append(turn)
    return layers
