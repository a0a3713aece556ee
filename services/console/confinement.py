"""Tokens for single collections: everything that such a token asks must name one of them, or be open to all.

This one place decides, before any endpoint runs. An endpoint that names no collection and is not on the list of open
ones is closed to such tokens, so that a new one cannot be forgotten. What a token may not see does not exist for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from starlette.requests import Request

from services.console.calls import CHANGING, Call, call_of, route_of
from services.console.errors import Forbidden
from shared.errors import Conflict, EarmarkError
from shared.ledger import chains
from shared.storage import whereabouts
from shared.storage.archive_listing import UnknownArchive
from shared.storage.backfills import UnknownBackfill
from shared.storage.collections import UnknownCollection, is_name
from shared.storage.database import Transaction, Transactions
from shared.storage.encoder_comparisons import UnknownComparison
from shared.storage.labels import ClusterGone, SegmentGone, UnknownLabel
from shared.storage.narrowing import UnknownRecording
from shared.storage.overview import UnknownClustering
from shared.storage.reviews import UnknownReview
from shared.storage.switches import UnknownSwitch
from shared.storage.whereabouts import Kind


class Confined(Forbidden):
    """More is concerned than the collections that the token is for; use a token that is for all of them."""

    code = "token_confined"


class ChainTaken(Conflict):
    """Send another X-Correlation-Id, a random UUID, or none: with this one things happen that the token is not for."""

    code = "chain_taken"


KIND_OF_FIELD: Final[Mapping[str, Kind]] = {
    "archive_id": "archive",
    "backfill_id": "backfill",
    "but": "segment",
    "cluster_id": "cluster",
    "comparison_id": "comparison",
    "label_id": "label",
    "recording_id": "recording",
    "recording_ids": "recording",
    "request_id": "clustering",
    "review_id": "review",
    "segment_id": "segment",
    "segment_ids": "segment",
    "switch_id": "switch",
}
"""What the fields of paths, queries and bodies hold the ids of."""

_NOTED: Final = (*KIND_OF_FIELD, "event_ids")

NAMED_IN_BODY: Final = frozenset({"POST /v1/labels", "POST /v1/rejections", "POST /v1/reviews"})
OPEN: Final = frozenset(
    {
        "GET /v1/collections",  # these six leave out what the token may not see
        "GET /v1/speakers",
        "GET /v1/status",
        "GET /v1/dead",
        "GET /v1/dead/kinds",
        "GET /v1/events",
        "GET /v1/encoders",  # and these are about models, which belong to nobody
        "GET /v1/encoders/{name}",
        "GET /v1/encoder-families",
        "GET /v1/encoder-checks/{check_id}",
        "GET /v1/segmenters",
    }
)
_NEW_COLLECTION: Final = "POST /v1/collections"
_GONE: Final[Mapping[Kind, tuple[type[EarmarkError], str]]] = {
    "archive": (UnknownArchive, "archive"),
    "backfill": (UnknownBackfill, "backfill"),
    "cluster": (ClusterGone, "cluster"),
    "clustering": (UnknownClustering, "clustering"),
    "comparison": (UnknownComparison, "comparison"),
    "label": (UnknownLabel, "label"),
    "recording": (UnknownRecording, "recording"),
    "review": (UnknownReview, "review"),
    "segment": (SegmentGone, "segment"),
    "switch": (UnknownSwitch, "switch"),
}


def note(request: Request) -> None:
    """Note down in the call what it says that it is about: the audit log tells it even if the call is refused."""
    call = call_of(request)
    said = _collection(request, call) or call.fields.get("collection")
    call.collection = said if isinstance(said, str) and is_name(said) else None
    call.ids = {field: [value] for field, value in request.path_params.items() if _id(value)}
    call.ids |= {field: [str(one) for one in ids] for field, ids in _named(request, call, _NOTED)}


def look(request: Request, allowed: frozenset[str] | None, database: Transactions) -> None:
    """Find out which collection the call is about; `allowed` are the token's, None for all.

    Raises UnknownCollection, SegmentGone and the like for what lies elsewhere, Confined for what concerns everything,
    ChainTaken where the call would become part of what happened elsewhere.
    """
    call, route = call_of(request), _route(request)
    collection = _collection(request, call)
    if allowed is not None and collection is not None and collection not in allowed:
        if route == _NEW_COLLECTION:
            raise Confined(f"The token is not for {collection!r}.")
        raise UnknownCollection(f"No collection {collection!r}.")
    named = dict(_named(request, call, KIND_OF_FIELD))
    if named and (allowed is not None or request.method in CHANGING):
        with database.begin() as tx:
            call.collection = _whereabouts(tx, named, allowed) or call.collection
    if allowed is not None and not _opened(request, call, route, named):
        raise Confined
    if allowed is not None and request.method in CHANGING:
        with database.begin() as tx:
            if chains.leads_beyond(tx, call.call_id, allowed):
                raise ChainTaken


def _opened(request: Request, call: Call, route: str, named: Mapping[str, list[UUID]]) -> bool:
    """A thing that only the query names opens nothing."""
    if route in OPEN or route == _NEW_COLLECTION or "collection" in request.path_params:
        return True
    if route in NAMED_IN_BODY:
        return any(field in call.fields for field in named)
    return any(field in request.path_params for field in named)


def _route(request: Request) -> str:
    return f"{request.method} {route_of(request.scope)}"


def _collection(request: Request, call: Call) -> str | None:
    if _route(request) == _NEW_COLLECTION:
        found = call.fields.get("name")
    else:
        found = request.path_params.get("collection") or request.query_params.get("collection")
    return found if isinstance(found, str) else None


def _named(request: Request, call: Call, fields: Iterable[str]) -> Iterator[tuple[str, list[UUID]]]:
    for field in fields:
        values = [*_listed(request.path_params.get(field)), *_listed(call.fields.get(field))]
        if ids := [one for one in map(_id, [*values, *request.query_params.getlist(field)]) if one]:
            yield field, ids


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _id(value: Any) -> UUID | None:
    """What is no id the endpoint itself refuses."""
    try:
        return UUID(str(value))
    except ValueError:
        return None


def _whereabouts(tx: Transaction, named: Mapping[str, list[UUID]], allowed: frozenset[str] | None) -> str | None:
    """A collection that the ids lie in. Raises SegmentGone and the like for the first that lies in no allowed one."""
    found: str | None = None
    for field, ids in named.items():
        kind = KIND_OF_FIELD[field]
        lies_in = whereabouts.collections_of(tx, kind, ids)
        if allowed is not None:
            error, word = _GONE[kind]
            for one in ids:
                if lies_in.get(one) not in allowed:
                    raise error(f"No {word} {one}.")
        found = found or next(iter(lies_in.values()), None)
    return found
