"""Which formats there are, how one is recognised, and who reads and writes it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from services.console.annotations import audacity, elan, labelstudio, rttm, tables, textgrid
from services.console.annotations.turns import FileTurns, Turn
from shared.errors import InvalidRequest

Format = Literal["rttm", "csv", "labelstudio", "textgrid", "elan", "audacity"]

_HEAD_BYTES: Final = 4096


class UnknownAnnotationFormat(InvalidRequest):
    """Name the format: rttm, csv, labelstudio, textgrid, elan or audacity."""

    code = "unknown_annotation_format"


@dataclass(frozen=True, slots=True)
class Codec:
    """How a format is read and written, and how its files end."""

    parse: Callable[[bytes, str], list[FileTurns]]
    write: Callable[[str, Sequence[Turn]], str]
    extension: str


CODECS: Final[Mapping[Format, Codec]] = {
    "rttm": Codec(rttm.parse, rttm.write, ".rttm"),
    "csv": Codec(tables.parse, tables.write, ".csv"),
    "labelstudio": Codec(labelstudio.parse, labelstudio.write, ".json"),
    "textgrid": Codec(textgrid.parse, textgrid.write, ".TextGrid"),
    "elan": Codec(elan.parse, elan.write, ".eaf"),
    "audacity": Codec(audacity.parse, audacity.write, ".txt"),
}
_BY_EXTENSION: Final[Mapping[str, Format]] = {
    ".rttm": "rttm",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "labelstudio",
    ".textgrid": "textgrid",
    ".eaf": "elan",
}
_BEGINNINGS: Final[Sequence[tuple[re.Pattern[bytes], Format]]] = (
    (re.compile(rb'File type = "ooTextFile|"?ooTextFile|ooBinaryFile'), "textgrid"),
    (re.compile(rb";;|(?:SPEAKER|SPKR-INFO|SEGMENT|LEXEME)\s"), "rttm"),
    (re.compile(rb"[\d.,]+\t[\d.,]+(?:[\t\r\n]|$)"), "audacity"),
    (re.compile(rb"$"), "audacity"),  # its label track of a recording where nobody speaks
    (re.compile(rb"[\[{]"), "labelstudio"),
    (re.compile(rb"<"), "elan"),
    (re.compile(rb"[^\r\n]*\b(?:speaker|label)\b", re.IGNORECASE), "csv"),
)


def sniff(raw: bytes, name: str) -> Format:
    """The format by the name's extension, else by how the content begins. Raises UnknownAnnotationFormat."""
    if by_name := _BY_EXTENSION.get(PurePosixPath(name).suffix.lower()):
        return by_name
    head = raw[:_HEAD_BYTES].replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n")  # UTF-16, as far as it goes
    found = next((format_ for pattern, format_ in _BEGINNINGS if pattern.match(head)), None)
    if found is None:
        raise UnknownAnnotationFormat(f"{name} does not show what format it has.")
    return found


def parse(raw: bytes, name: str, wanted: Format | None = None) -> tuple[Format, list[FileTurns]]:
    """The turns of an annotation file, and its format where none is named.

    Raises UnknownAnnotationFormat, BadAnnotations, TooManyAnnotations.
    """
    found = wanted or sniff(raw, name)
    return found, CODECS[found].parse(raw, name)
