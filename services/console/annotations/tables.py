"""Turns as CSV: a header that is read tolerantly, a row for each turn or for each segment that is named by its id."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from typing import Final
from uuid import UUID

from services.console.annotations.text import decode
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, Turn, number

HEADER: Final = ("segment_id", "object_key", "start_s", "end_s", "speaker", "text")

_DELIMITERS: Final = ",;\t"
_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "segment_id": ("segment_id",),
    "file": ("object_key", "path", "file", "filename", "file_name", "recording", "uri", "audio"),
    "start": ("start_s", "start", "start_time", "onset", "begin", "tmin"),
    "end": ("end_s", "end", "end_time", "offset", "tmax"),
    "duration": ("duration_s", "duration", "dur"),
    "speaker": ("speaker", "speaker_name", "label"),
    "text": ("text", "transcript", "transcription"),
}
"""Of several columns that mean the same, the first one of this list is read."""


class BadCsv(BadAnnotations):
    """Name the columns in the first line: `file, start_s, end_s, speaker` in seconds, or `segment_id, speaker`."""

    code = "bad_csv"


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The rows below the header, separated by commas, semicolons or tabs. Raises BadCsv.

    Without a column for the file all turns are of the recording that the CSV is named after.
    """
    reading = Reading(name, BadCsv)
    text = decode(raw, reading)
    rows = _rows(reading, text, delimiter := _delimiter(text))
    columns = _columns(reading, next(rows, (1, []))[1])
    for line, row in rows:
        if len(row) > len(columns.header) and any(row[len(columns.header) :]):
            raise reading.bad(line, f"It has {len(row)} fields; the header has {len(columns.header)}.")
        _take(reading, line, columns.values(row), decimal_comma=delimiter != ",")
    return reading.files()


def _delimiter(text: str) -> str:
    header = next((line for line in StringIO(text, newline=None) if line.strip()), "")
    return max(_DELIMITERS, key=header.count)


def _rows(reading: Reading, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows that hold anything, each with the number of its last line."""
    rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in rows:
            if any(map(str.strip, row)):
                yield rows.line_num, row
    except csv.Error as error:
        raise reading.bad(rows.line_num, f"It cannot be read: {error}.") from None


class _Header:
    """Which column means what."""

    def __init__(self, header: Sequence[str], places: Mapping[str, int]) -> None:
        self.header = header
        self._places = places

    def values(self, row: Sequence[str]) -> dict[str, str]:
        """The fields of a row that are there and not empty, by their meaning."""
        found = {what: row[place].strip() for what, place in self._places.items() if place < len(row)}
        return {what: value for what, value in found.items() if value}


def _columns(reading: Reading, header: Sequence[str]) -> _Header:
    names = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in header]
    if doubled := next((name for name in names if name and names.count(name) > 1), ""):
        raise reading.bad(1, f"Two columns are called {doubled!r}.")
    places = {
        what: names.index(found)
        for what, aliases in _COLUMNS.items()
        if (found := next((alias for alias in aliases if alias in names), ""))
    }
    by_time = "start" in places and ("end" in places or "duration" in places)
    if "speaker" not in places or not (by_time or "segment_id" in places):
        raise reading.bad(1, f"The header lacks columns; it has {', '.join(filter(None, names[:12])) or 'none'}.")
    return _Header(names, places)


def _take(reading: Reading, line: int, row: Mapping[str, str], *, decimal_comma: bool) -> None:
    file = row.get("file", reading.stem)

    def time_s(what: str) -> float:
        if what not in row:
            raise reading.bad(line, f"It has no {what}.")
        return reading.seconds(line, row[what].replace(",", ".") if decimal_comma else row[what])

    if "segment_id" in row:
        speaker = reading.speaker(line, row.get("speaker"))
        times = (time_s("start"), time_s("end")) if {"start", "end"} <= row.keys() else (0.0, 0.0)
        reading.put(file, Turn(*times, speaker, row.get("text"), _uuid(reading, line, row["segment_id"])))
        return
    start_s = time_s("start")
    end_s = time_s("end") if "end" in row else reading.checked_s(line, start_s + time_s("duration"))
    reading.add(file, line, start_s, end_s, row.get("speaker"), row.get("text"))


def _uuid(reading: Reading, line: int, word: str) -> UUID:
    try:
        return UUID(word)
    except ValueError:
        raise reading.bad(line, f"{word[:60]!r} is no segment_id.") from None


def write(file: str, turns: Sequence[Turn]) -> str:
    """The header and a row for each turn; nobody's name is an empty field."""
    return header() + rows(file, turns)


def header() -> str:
    """The first line."""
    return ",".join(HEADER) + "\r\n"


def rows(file: str, turns: Sequence[Turn]) -> str:
    """The lines after it, for one recording."""
    lines = StringIO(newline="")
    csv.writer(lines).writerows(
        (turn.segment_id or "", file, number(turn.start_s), number(turn.end_s), turn.speaker or "", turn.text or "")
        for turn in turns
    )
    return lines.getvalue()
