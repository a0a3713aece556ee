"""A turn, the turns of a recording, and the one way in which all formats collect them and name what is wrong."""

import math
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from uuid import UUID

from shared.errors import InvalidRequest

LATEST_S: Final = 1e6
"""Eleven days; a time beyond it is a number of milliseconds or samples that was taken for seconds."""

MAX_TURNS: Final = 500_000
"""Of one request: about 100 MB of memory."""

DECIMALS: Final = 7
"""The length of one sample at 16 kHz, 0.0000625 s, has as many: times of segments are exact."""

UNKNOWN: Final = "UNKNOWN"
"""Stands for nobody in particular where a format must name somebody."""

_LONGEST_NAME: Final = 200
_NUMBER: Final = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", re.ASCII)
_SHOWN_CHARACTERS: Final = 60


class BadAnnotations(InvalidRequest):
    """Correct the line that the message names and send all of it again: nothing was imported."""

    code = "bad_annotations"


class TooManyAnnotations(InvalidRequest):
    """Send it in several requests, some recordings in each."""

    code = "too_many_annotations"


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of speech. No speaker: somebody unknown; no text: nobody wrote down what is said."""

    start_s: float
    end_s: float
    speaker: str | None = None
    text: str | None = None
    segment_id: UUID | None = None
    """The segment that it is, if the file says so; then its times do not matter."""


@dataclass(frozen=True, slots=True)
class FileTurns:
    """The turns of one recording, in the order of the file that they come from."""

    file: str
    """What that file calls the recording: a stem, a path or an address."""
    turns: tuple[Turn, ...]
    also: str | None = None
    """Another name to find the recording by, if it is not known under the first."""


class Reading:
    """One annotation file being read: its turns by recording, and its name in front of every complaint."""

    def __init__(self, name: str, error: type[BadAnnotations]) -> None:
        self.name = name
        self._error = error
        self._turns: defaultdict[str, list[Turn]] = defaultdict(list)
        self._n_turns = 0
        self._speakers: dict[str, str | None] = {}

    @property
    def stem(self) -> str:
        """The file's path without its last extension: what formats go by that do not name the recording."""
        path = PurePosixPath(self.name)
        return str(path.with_suffix("")) if path.name else self.name

    def bad(self, place: str | int, what: str) -> BadAnnotations:
        """The error to raise; a number is a line's."""
        where = f"line {place}" if isinstance(place, int) else place
        return self._error(f"{self.name}, {where}: {what}")

    def seconds(self, place: str | int, word: str) -> float:
        """A time between 0 and LATEST_S; raises BadAnnotations for everything else, NaN included."""
        if not _NUMBER.fullmatch(word):
            raise self.bad(place, f"{_shown(word)} is no time in seconds.")
        return self.checked_s(place, float(word))

    def checked_s(self, place: str | int, time_s: float) -> float:
        """The same, of a number."""
        if not math.isfinite(time_s) or not 0 <= time_s <= LATEST_S:
            raise self.bad(place, f"{time_s:g} s is no time of a recording.")
        return round(time_s, DECIMALS) + 0.0  # no minus in front of a zero

    def speaker(self, place: str | int, name: str | None) -> str | None:
        """Who it is, as Earmark writes names; None for nobody, and for UNKNOWN, which is nobody's name."""
        if name is None or name not in self._speakers:
            self._speakers[name or ""] = self._checked_speaker(place, name or "")
        return self._speakers[name or ""]

    def _checked_speaker(self, place: str | int, name: str) -> str | None:
        name = unicodedata.normalize("NFC", name.strip())
        if not name or name.upper() == UNKNOWN:
            return None
        too_long = len(name) > _LONGEST_NAME
        if too_long or name in {".", ".."} or any(unicodedata.category(character) == "Cc" for character in name):
            raise self.bad(
                place, f"{_shown(name)} cannot name a speaker: 200 characters, no line break or tab, not dots alone."
            )
        return name

    def add(
        self, file: str, place: str | int, start_s: float, end_s: float, speaker: str | None, text: str | None = None
    ) -> None:
        """Take down a turn between checked times; one without length is left out, one that ends first is refused."""
        if end_s < start_s:
            raise self.bad(place, f"It ends at {end_s:g} s, before it begins at {start_s:g} s.")
        if end_s > start_s:
            self.put(file, Turn(start_s, end_s, self.speaker(place, speaker), (text or "").strip() or None))

    def put(self, file: str, turn: Turn) -> None:
        """Take down a turn that is right as it is. Raises TooManyAnnotations."""
        self._n_turns += 1
        if self._n_turns > MAX_TURNS:
            raise TooManyAnnotations(f"{self.name} has more than {MAX_TURNS} turns.")
        self._turns[file].append(turn)

    def files(self, also: str | None = None) -> list[FileTurns]:
        """What was taken down. The other name counts for the only recording of a file alone."""
        if len(self._turns) > 1:
            also = None
        return [FileTurns(file, tuple(turns), also if also != file else None) for file, turns in self._turns.items()]


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN_CHARACTERS else word[:_SHOWN_CHARACTERS] + "...")


def number(time_s: float) -> str:
    """A time in seconds as short as it can be without loss."""
    return f"{time_s:.{DECIMALS}f}".rstrip("0").rstrip(".") or "0"
