"""Why what is waited for does not come: counts by state, the errors of what failed, and where to see more."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.flow import sentence
from services.launcher.cli.lacks import lack
from services.launcher.cli.output import tell
from services.launcher.cli.waiting import PATIENCE_S

QUIET_S: Final = 10.0
"""Where nothing has moved for so long, it is asked why."""

DROPPED: Final = "work_dropped"
"""The code of what nothing is left to be done for, though it has not come to its end."""

_STATES: Final = {"requested": "no worker has read its model yet"}
_REASON_CHARACTERS: Final = 300


def work_of(api: Client, collection: str) -> Document:
    """What a collection's work waits for, now."""
    return api.get(api_path("collections", collection, "work"), patience_s=PATIENCE_S)


def reasons(work: Document) -> Iterator[str]:
    """A sentence for the work that is left, and one for each kind of fault."""
    backlog = work["backlog"]
    yield "Work left: " + ", ".join(f"{n} {state}" for state, n in backlog.items()) + "."
    yield from holding(work)
    for fault in work["faults"]:
        kind = "given up" if fault["state"] == "dead" else "to be tried again"
        yield f"{fault['deliveries']} of {fault['subscription']} {kind}: {fault['code']}: {_shortened(fault['reason'])}"
    if backlog["dead"]:
        yield f"More: earmark dead list; once it is put right: {' and '.join(_requeueing(work))}"
    else:
        yield "More: earmark status"


def holding(work: Document) -> Iterator[str]:
    """A sentence for each pause and each service that keeps work from being done."""
    yield from map(sentence, work["pauses"])
    yield from map(lack, work.get("missing", ()))  # an older console does not say


def is_left(work: Document) -> bool:
    """Whether anything will be done yet; what was given up will not."""
    return any(n for state, n in work["backlog"].items() if state != "dead")


def given_up(work: Document) -> Failure | None:
    """The fault because of which nothing more will happen, if that is so: nothing is left but what was given up."""
    dead = _dead(work)
    if not dead or is_left(work):
        return None
    again = " and ".join(f"`{command}`" for command in _requeueing(work))
    remedy = f"Given up: put it right, then {again}; see `earmark dead list`."
    return Failure(dead[0]["code"], _shortened(dead[0]["reason"]), remedy)


def over(work: Document, again: str) -> Failure | None:
    """Why nothing more will happen to work that was begun, if nothing will; `again`: what begins anew what was dropped.

    Work that is done ends in the same transaction as what it is waited for with: look at that once more before this is
    believed.
    """
    if is_left(work) or work["backlog"]["dead"]:
        return given_up(work)
    return Failure(DROPPED, "Nothing more happens: the work was dropped (earmark dead drop).", again)


def _dead(work: Document) -> list[Document]:
    return [fault for fault in work["faults"] if fault["state"] == "dead"]


def _requeueing(work: Document) -> list[str]:
    """The command for each kind of dead letter."""
    codes = dict.fromkeys(fault["code"] for fault in _dead(work))
    return [f"earmark dead requeue --code {code}" for code in codes]


class Quiet:
    """Tells when nothing has moved for a while, and then again only after as long."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since_s = clock()
        self._seen: object = None

    def __call__(self, seen: object) -> bool:
        """Whether the same was seen for QUIET_S."""
        now_s = self._clock()
        if seen != self._seen:
            self._seen, self._since_s = seen, now_s
        elif now_s - self._since_s >= QUIET_S:
            self._since_s = now_s
            return True
        return False


def tell_encoders(api: Client, collection: str) -> None:
    """Say at once which of a collection's encoders cannot embed as things stand."""
    for trouble in api.get(api_path("collections", collection))["troubles"]:
        tell(f"{trouble['encoder']} ({trouble['state']}): {why(trouble)}")
        tell(f"To have it tried: earmark encoders check {trouble['encoder']}")


def why(trouble: Document) -> str:
    """The reason of an encoder that is not ready."""
    return _shortened(str(trouble["reason"] or _STATES.get(trouble["state"], trouble["state"])))


def _shortened(reason: str) -> str:
    """On one line: what libraries say may be long."""
    line = " ".join(reason.split())
    return line if len(line) <= _REASON_CHARACTERS else f"{line[:_REASON_CHARACTERS]} ..."
