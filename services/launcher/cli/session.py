"""Which API a command talks to, and as whom: said by the caller, else the stack that runs on this machine."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from services.launcher.cli.discovery import LocalStack, default_data_dir, local_stack
from services.launcher.cli.failure import Failure, no_stack
from services.launcher.cli.wording import in_words

if TYPE_CHECKING:
    from services.launcher.cli.client import Client


@dataclass(frozen=True, slots=True)
class Address:
    """What --url and --token, or the environment, say."""

    url: str | None
    token: str | None


def connect(ctx: typer.Context) -> "Client":
    """A client of the API that the caller means.

    Raises Failure when none was named and none runs here.
    """
    from services.launcher.cli.client import Client

    def told(failure: Failure) -> Failure:
        return in_words(failure, ctx.command.params, ctx.command_path)

    given: Address = ctx.obj
    if given.url:
        return Client(given.url, given.token or _own_token(given.url), told)
    stack = local_stack()
    if stack is None:
        raise no_stack()
    return Client(stack.url, given.token or stack.token, told)


def _own_token(url: str) -> str | None:
    """The local stack's token, if it is the local stack that the caller names: it is not for strangers."""
    stack = LocalStack.in_dir(default_data_dir())
    return stack.token if stack and stack.url == url.rstrip("/") else None
