"""Which API a command talks to, and as whom: said by the caller, else the stack that runs on this machine."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import typer

from services.launcher.cli.discovery import LocalStack, default_data_dir, local_stack
from services.launcher.cli.failure import Failure, no_stack
from services.launcher.cli.output import tell
from services.launcher.cli.wording import in_words

if TYPE_CHECKING:
    from services.launcher.cli.client import Client

SAID_EVERY_S = 60.0
_SAFE = "Ctrl-C is safe: what was done stays, and nothing of this call was."


@dataclass(frozen=True, slots=True)
class Address:
    """What --url and --token, or the environment, say."""

    url: str | None
    token: str | None


def connect(ctx: typer.Context) -> "Client":
    """A client of the API that the caller means; a call that is sent away for now waits for the command's --timeout.

    Raises Failure when none was named and none runs here.
    """
    from services.launcher.cli.client import Client

    def told(failure: Failure) -> Failure:
        return in_words(failure, ctx.command.params, ctx.command_path)

    hold, hold_s = Hold(), ctx.params.get("timeout", inf)
    given: Address = ctx.obj
    if given.url:
        return Client(given.url, given.token or _own_token(given.url), told, hold, hold_s)
    stack = local_stack()
    if stack is None:
        raise no_stack()
    return Client(stack.url, given.token or stack.token, told, hold, hold_s)


class Hold:
    """Says that a call waits because it was sent away for now, and again only after a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said_s = -inf

    def __call__(self, failure: Failure, pause_s: float) -> None:
        """One sentence on stderr."""
        if self._clock() - self._said_s >= SAID_EVERY_S:
            self._said_s = self._clock()
            tell(f"On hold ({failure.code}): {failure.message} Asking again in {pause_s:.0f} s. {_SAFE}")


def _own_token(url: str) -> str | None:
    """The local stack's token, if it is the local stack that the caller names: it is not for strangers."""
    stack = LocalStack.in_dir(default_data_dir())
    return stack.token if stack and stack.url == url.rstrip("/") else None
