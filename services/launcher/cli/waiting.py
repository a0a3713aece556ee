"""Ask again and again, ever more slowly, until it is done or the time is up."""

import time
from collections.abc import Callable, Iterator

from services.launcher.cli.client import Document
from services.launcher.cli.failure import Failure

_FIRST_PAUSE_S = 0.2
_LAST_PAUSE_S = 1.0
_GROWTH = 1.5

PATIENCE_S = 30.0
"""How long the API may be away, while it is restarted for instance, before waiting for its work is given up."""


def rounds(
    timeout_s: float, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """One step for each look: at once, then after pauses that grow, and a last one when the time is up."""
    deadline, pause_s = clock() + timeout_s, _FIRST_PAUSE_S
    yield
    while (left_s := deadline - clock()) > 0:
        sleep(min(pause_s, left_s))
        pause_s = min(pause_s * _GROWTH, _LAST_PAUSE_S)
        yield


def wait_for_state(ask: Callable[[], Document], states: str, timeout_s: float, what: str) -> Document:
    """The first answer in this state, or in one of these, with blanks between them.

    Raises Failure `timeout`.
    """
    for _ in rounds(timeout_s):
        answer = ask()
        if answer.get("state") in states.split():
            return answer
    raise Failure(
        "timeout", f"{what} is not done after {timeout_s:g} s.", "It goes on by itself; see `earmark status`."
    )
