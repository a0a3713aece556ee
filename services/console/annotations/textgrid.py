"""Turns as Praat's TextGrid, in its long and its short text form: a tier for each speaker.

What counts in such a file are free-standing numbers, quoted texts and flags; everything else is a comment (Praat
manual, "TextGrid file formats"). That is why one reader serves both forms.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

from services.console.annotations.text import decode
from services.console.annotations.tiers import Tier, holds_speakers, tiers_of
from services.console.annotations.turns import BadAnnotations, FileTurns, Reading, Turn, number

_TOKEN: Final = re.compile(r'\s*+(?:"([^"]*+(?:""[^"]*+)*+)"|![^\n\r]*+|([^\s"]++))')
_NUMBER: Final = re.compile(r"[-+]?[\d.][\d.eE+-]*", re.ASCII)
_FLAG: Final = re.compile(r"<\w+>")

_Kind = Literal["text", "number", "flag"]
_Token = tuple[_Kind, str, int]
"""What it is, what it says, and where it ends, in characters."""


class BadTextGrid(BadAnnotations):
    """Open the file in Praat and save it again with "Save as text file" or "Save as short text file"."""

    code = "bad_textgrid"


def parse(raw: bytes, name: str) -> list[FileTurns]:
    """The intervals that hold a text; a tier is a speaker's, or holds speakers' names if it is called `speaker`.

    An interval whose text is the name of its tier is a turn without text. Point tiers are skipped. Raises BadTextGrid.
    """
    reading = Reading(name, BadTextGrid)
    if raw.startswith(b"ooBinaryFile"):
        raise reading.bad(1, "This is Praat's binary form.")
    tokens = _Tokens(reading, decode(raw, reading))
    if not tokens.text().startswith("ooTextFile") or tokens.text() != "TextGrid":
        raise reading.bad(1, "This is no TextGrid.")
    tokens.time_s(), tokens.time_s()
    if tokens.next("flag") == "<exists>":
        for _ in range(tokens.count()):
            _read_tier(tokens, reading)
    return reading.files()


def _read_tier(tokens: "_Tokens", reading: Reading) -> None:
    kind = tokens.text()
    if kind not in {"IntervalTier", "TextTier"}:
        raise reading.bad(tokens.line, f"{kind[:40]!r} is no kind of tier.")
    name = tokens.text()
    tokens.time_s(), tokens.time_s()
    n = tokens.count()
    if kind == "IntervalTier":
        for _ in range(n):
            start_s, end_s, label = tokens.time_s(), tokens.time_s(), tokens.text()
            if label.strip():
                speaker, text = (label, None) if holds_speakers(name) else (name, None if label == name else label)
                reading.add(reading.stem, tokens.line, start_s, end_s, speaker, text)
    else:
        for _ in range(n):
            tokens.time_s(), tokens.text()


class _Tokens:
    """What counts in the text, one after the other."""

    def __init__(self, reading: Reading, text: str) -> None:
        self._reading = reading
        self._text = text
        self._tokens = _tokens(reading, text)
        self._at = 0
        self._line, self._line_at = 1, 0

    @property
    def line(self) -> int:
        """That of the last token's end."""
        self._line += self._text.count("\n", self._line_at, self._at) or self._text.count("\r", self._line_at, self._at)
        self._line_at = self._at
        return self._line

    def next(self, wanted: _Kind) -> str:
        """Raises BadTextGrid if something else comes, or nothing."""
        kind, word, self._at = next(self._tokens, ("nothing more", "", len(self._text.rstrip())))
        if kind != wanted:
            raise self._reading.bad(self.line, f"Here should be a {wanted}, and there is {kind} {word[:40]!r}.")
        return word

    def text(self) -> str:
        return self.next("text")

    def time_s(self) -> float:
        word = self.next("number")
        return self._reading.seconds(self.line, word)

    def count(self) -> int:
        word = self.next("number")
        if not word.isdecimal() or len(word) > 9:
            raise self._reading.bad(self.line, f"{word[:40]!r} is no number of tiers or intervals.")
        return int(word)


def _tokens(reading: Reading, text: str) -> Iterator[_Token]:
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            line = text.count("\n", 0, at) + 1
            raise reading.bad(line, "A quoted text has no end; quotes within one are doubled.")
        at = found.end()
        quoted, word = found.groups()
        if quoted is not None:
            yield "text", quoted.replace('""', '"'), at
        elif word and _NUMBER.fullmatch(word):
            yield "number", word, at
        elif word and _FLAG.fullmatch(word):
            yield "flag", word, at


def write(file: str, turns: Sequence[Turn], duration_s: float = 0.0) -> str:
    """Praat's long text form; a speaker whose turns overlap has several tiers of the same name.

    The format has no place for the file's name. It must have a tier and a length, which is that of the recording:
    where that is not known, up to the last turn, or a second.
    """
    del file
    tiers = tiers_of(turns) or [Tier("UNKNOWN", None, ())]
    end_s = max([turn.end_s for turn in turns] + [duration_s]) or 1.0
    return "".join(_lines(tiers, end_s))


def _lines(tiers: Sequence[Tier], end_s: float) -> Iterator[str]:
    yield 'File type = "ooTextFile"\nObject class = "TextGrid"\n\n'
    yield f"xmin = 0\nxmax = {number(end_s)}\ntiers? <exists>\nsize = {len(tiers)}\nitem []:\n"
    for n, tier in enumerate(tiers, start=1):
        intervals = list(_intervals(tier, end_s))
        yield f'    item [{n}]:\n        class = "IntervalTier"\n        name = {_quoted(tier.name)}\n'
        yield f"        xmin = 0\n        xmax = {number(end_s)}\n        intervals: size = {len(intervals)}\n"
        for i, (start_s, stop_s, label) in enumerate(intervals, start=1):
            yield f"        intervals [{i}]:\n            xmin = {number(start_s)}\n"
            yield f"            xmax = {number(stop_s)}\n            text = {_quoted(label)}\n"


def _intervals(tier: Tier, end_s: float) -> Iterator[tuple[float, float, str]]:
    """The tier's turns and the silences around them: intervals touch each other from beginning to end."""
    at_s = 0.0
    for turn in tier.turns:
        if turn.start_s > at_s:
            yield at_s, turn.start_s, ""
        yield turn.start_s, turn.end_s, _label(tier, turn)
        at_s = turn.end_s
    if at_s < end_s:
        yield at_s, end_s, ""


def _label(tier: Tier, turn: Turn) -> str:
    return turn.text if turn.text and not holds_speakers(tier.name) else tier.name


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
