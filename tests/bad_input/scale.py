"""How much of the suite is run: a short form in `make test`, all of it with `EARMARK_BAD_INPUT=full`."""

import os
from typing import Final

from tests.bad_input.cases import CASES

FULL: Final = os.environ.get("EARMARK_BAD_INPUT") == "full"
TRIED: Final = [case for case in CASES if FULL or not case.slow]
N_MUTANTS: Final = 5000 if FULL else 200  # of each format
