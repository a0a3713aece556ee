"""Turns as RTTM, the format of NIST's Rich Transcription evaluations (RT-09 plan, appendix A).

Times are written to the millisecond, texts not at all. Fields cannot be quoted: blanks in names become underscores,
and `restored` turns them back where it is known who is meant.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from services.console.annotations.text import decode, numbered_lines
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, Turn

NO_LABEL: Final = "SPEAKER_00"
"""Who speaks where a recording was never diarized: one voice, as far as anybody knows."""

_NOTHING: Final = "<NA>"
_BLANKS: Final = re.compile(r"[\s\x00-\x1f\x7f]+")
_FIELD: Final = re.compile(r"[^ \t\v\f]+")
_OTHER_TYPES: Final = frozenset(
    {
        *("SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX", "NON-SPEECH"),
        *("FILLER", "EDIT", "IP", "SU", "CB", "A/P", "SPKR-INFO"),
    }
)


class BadRttm(BadAnnotations):
    """A turn is `SPEAKER file channel start duration <NA> <NA> name <NA> <NA>`, with `_` for blanks in names."""

    code = "bad_rttm"


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The SPEAKER lines; comments (`;;`) and the other types of the standard are skipped. Raises BadRttm."""
    reading = Reading(name, BadRttm)
    for number, line in numbered_lines(decode(raw, reading)):
        fields = _FIELD.findall(line)
        if not fields or fields[0].startswith(";;") or fields[0] in _OTHER_TYPES:
            continue
        if fields[0] != "SPEAKER":
            raise reading.bad(number, f"{fields[0][:40]!r} is no type of RTTM.")
        if not 8 <= len(fields) <= 10:
            raise reading.bad(number, f"It has {len(fields)} fields, not 10; a blank in a name is written `_`.")
        _take(reading, number, fields)
    return reading.files(also=reading.stem)


def _take(reading: Reading, number: int, fields: Sequence[str]) -> None:
    file = reading.stem if fields[1] == _NOTHING else fields[1]
    start_s, duration_s = (reading.seconds(number, word) for word in fields[3:5])
    speaker = None if fields[7] == _NOTHING else fields[7]
    reading.add(file, number, start_s, reading.checked_s(number, start_s + duration_s), speaker)


def write(file: str, turns: Sequence[Turn]) -> str:
    """A line for each turn that has a speaker: a name that nobody gave is not made up."""
    return "".join(line(file, turn.start_s, turn.end_s - turn.start_s, turn.speaker) for turn in turns if turn.speaker)


def line(stem: str, start_s: float, duration_s: float, name: str) -> str:
    """One SPEAKER line: a turn of `name` in the file `stem`, on channel 1."""
    return f"SPEAKER {field(stem)} 1 {start_s:.3f} {duration_s:.3f} <NA> <NA> {field(name)} <NA> <NA>\n"


def field(text: str) -> str:
    """Fields are separated by whitespace and cannot be quoted."""
    return _BLANKS.sub("_", text) or "_"


def restored(files: Iterable[FileTurns], known: Iterable[str]) -> list[FileTurns]:
    """`Ada_Lovelace` becomes the known speaker `Ada Lovelace`, if there is only one who would be written so."""
    meant = defaultdict(set)
    for name in known:
        meant[field(name)].add(name)
    names = {written: next(iter(who)) for written, who in meant.items() if len(who) == 1}
    return [
        replace(file, turns=tuple(replace(turn, speaker=names.get(turn.speaker or "", turn.speaker)) for turn in turns))
        for file in files
        for turns in (file.turns,)
    ]
