"""What is known of one request, bit by bit: its body first, then who is asking and what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.types import Scope

from shared.storage.keyed_calls import Key

_PLACE: Final = "earmark.call"
CHANGING: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_ASKING: Final = frozenset(
    {"/v1/collections/{collection}/evaluations/trials", "/v1/collections/{collection}/objects/query"}
)
"""POSTs that read: what they ask for is too long for an address."""


@dataclass(slots=True)
class Call:
    """One request to the console."""

    call_id: UUID  # also the correlation id of the events that it makes happen
    body: bytes = b""
    fields: Mapping[str, Any] = field(default_factory=dict)  # of the body, where it is a JSON object
    actor: str | None = None  # the token's name
    collection: str | None = None  # that it is about
    ids: dict[str, list[str]] = field(default_factory=dict)  # that it names, by field
    key: Key | None = None  # with which it is to be done once
    key_taken: bool = False


def attach(scope: Scope, call: Call) -> None:
    """Let everybody who serves the request find it."""
    scope[_PLACE] = call


def call_in(scope: Scope) -> Call:
    """The call that was attached."""
    call: Call = scope[_PLACE]
    return call


def call_of(request: Request) -> Call:
    """The same, of a request."""
    return call_in(request.scope)


def route_of(scope: Scope) -> str:
    """`/v1/labels/{label_id}/undo`; empty where nothing serves the address."""
    return str(getattr(scope.get("route"), "path", ""))


def only_asks(scope: Scope) -> bool:
    """Whether it is a POST that changes nothing."""
    return scope["method"] == "POST" and route_of(scope) in _ASKING
