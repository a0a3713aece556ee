"""What part of a body a Range header asks for (RFC 9110, section 14). Several ranges at once are answered in full."""

import re
from dataclasses import dataclass

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `start` up to and without `end`."""

    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def parse(header: str | None, size_bytes: int) -> ByteRange | None:
    """The one range that is asked for, cut at the end; None to answer with everything. Raises Unsatisfiable."""
    matched = _ONE_RANGE.fullmatch(header) if header else None
    if matched is None or matched.groups() == ("", ""):
        return None  # no range, several, or one that makes no sense: a server may ignore those
    first, last = matched.groups()
    if not first:
        n_last = min(int(last), size_bytes)
        asked = ByteRange(size_bytes - n_last, size_bytes)
    elif last and int(last) < int(first):
        return None
    else:
        asked = ByteRange(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    if asked.start >= size_bytes or not len(asked):
        raise Unsatisfiable
    return asked
