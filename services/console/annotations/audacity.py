"""Turns as Audacity's label tracks: `start<tab>end<tab>speaker`, with six decimals and without texts."""

from collections.abc import Sequence

from services.console.annotations.text import decode, numbered_lines
from services.console.annotations.turns import UNKNOWN, BadAnnotations, FileTurns, Reading, Turn


class BadAudacity(BadAnnotations):
    """A label is `start<tab>end<tab>speaker`, both times in seconds; export the label track from Audacity again."""

    code = "bad_audacity"


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The labels; the lines of spectral selections and labels without length are skipped. Raises BadAudacity."""
    reading = Reading(name, BadAudacity)
    for number, line in numbered_lines(decode(raw, reading)):
        if not line.strip() or line.startswith("\\"):
            continue
        start, end, *label = line.split("\t", 2)[:3] if "\t" in line else (line, "")
        start_s, end_s = (reading.seconds(number, word.strip().replace(",", ".")) for word in (start, end))
        reading.add(reading.stem, number, start_s, end_s, label[0] if label else None)
    return reading.files()


def write(file: str, turns: Sequence[Turn]) -> str:
    """A line for each turn. The format has no place for the file's name."""
    del file
    return "".join(f"{turn.start_s:.6f}\t{turn.end_s:.6f}\t{turn.speaker or UNKNOWN}\n" for turn in turns)
