"""From the bytes of an annotation file to its text, whatever the editor that saved it."""

import codecs
from collections.abc import Iterator
from io import StringIO
from typing import Final

from services.console.annotations.turns import Reading, TooManyAnnotations
from shared.units import MIB

MAX_FILE_BYTES: Final = 16 * MIB
"""Of one annotation file; 100 hours of turns have a tenth of that in any format."""


def decode(raw: bytes, reading: Reading) -> str:
    """UTF-8 with or without a mark, or UTF-16 as Praat and Windows write it.

    Raises TooManyAnnotations; BadAnnotations for other encodings, which would need a guess, and for a NUL.
    """
    if len(raw) > MAX_FILE_BYTES:
        raise TooManyAnnotations(f"{reading.name} has {len(raw)} bytes; {MAX_FILE_BYTES} are read.")
    try:
        text = raw.decode(_encoding(raw))
    except UnicodeDecodeError as error:
        what = "This is neither UTF-8 nor UTF-16 text; save the file as UTF-8."
        raise reading.bad(raw.count(b"\n", 0, error.start) + 1, what) from None
    if (place := text.find("\x00")) >= 0:
        raise reading.bad(text.count("\n", 0, place) + 1, "There is a NUL in the text.")
    return text


def _encoding(raw: bytes) -> str:
    if raw.startswith((codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE)):
        return "utf-16"
    # Without a mark: every format of ours begins with an ASCII character.
    if raw[:1] == b"\x00" and raw[1:2] != b"\x00":
        return "utf-16-be"
    return "utf-16-le" if raw[1:2] == b"\x00" and raw[:1] else "utf-8-sig"


def numbered_lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its number from 1, without its end: a line feed, a carriage return, or both."""
    for number, line in enumerate(StringIO(text, newline=None), start=1):
        yield number, line.rstrip("\n")
