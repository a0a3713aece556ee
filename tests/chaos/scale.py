"""How much of the suite is run: a short form in `make test`, all of it in `make chaos`."""

import os
from typing import Final

FULL: Final = os.environ.get("EARMARK_CHAOS") == "full"


def scaled(full: int, short: int) -> int:
    """So many in the full run, so few in the short one."""
    return full if FULL else short
