"""How many speakers somebody says a recording has: `4`, or `2-6`."""

import re
from typing import Final

from shared.errors import InvalidRequest

_FORM: Final = re.compile(r"(?P<least>[1-9]\d{0,2})(?:-(?P<most>[1-9]\d{0,2}))?", re.ASCII)


class UnclearSpeakers(InvalidRequest):
    """Say how many speakers a recording has as a number from 1 to 999, `4`, or as a range, `2-6`."""

    code = "unclear_speakers"


def parse(text: str) -> tuple[int, int]:
    """The least and the greatest number that `N` or `MIN-MAX` means. Raises UnclearSpeakers."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise UnclearSpeakers(f"{text!r} is no number of speakers.")
    least = int(found["least"])
    most = int(found["most"] or least)
    if most < least:
        raise UnclearSpeakers(f"{text!r} ends below where it begins.")
    return least, most
