"""What corpora say of objects: written in batches, counted, and what listings are narrowed by."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from services.console.keys import object_key
from shared.corpora.items import why_unfit
from shared.errors import InvalidRequest
from shared.ledger.outbox import announce, publish
from shared.storage import attributes, backfills, captions, collections, conditions
from shared.storage.database import Transaction

router = APIRouter(tags=["attributes"])

_MOST: Final = 1000
_MOST_CONDITIONS: Final = 20

Where = Annotated[
    tuple[Annotated[str, Field(max_length=1000)], ...],
    Query(
        description="`name=value`: only what has this attribute; again for more, which must all apply. Dots lead into "
        "nested attributes, and a list has each of its values",
        max_length=_MOST_CONDITIONS,
        examples=[["etiology=ALS"]],
    ),
]


class BadAttributes(InvalidRequest):
    """Send what the message says otherwise, or leave it out; the other objects of the request are fine."""

    code = "bad_attributes"


class ObjectAttributes(Asked):
    """One object, as a path in its collection, and all that is to be known of it from now on."""

    path: str = Field(examples=["Train/0a1b/0a1b_1_1_16kHz.wav"])
    attributes: dict[str, Any] = Field(examples=[{"etiology": "ALS", "captions": ["Rain on a tin roof."]}])


class ManyAttributes(Asked):
    """So many objects, each of them once."""

    items: Annotated[list[ObjectAttributes], Field(max_length=_MOST)]


class Written(Shown):
    """How many objects have other attributes than before, and how many captions became segments or ceased to be."""

    objects: int
    changed: int
    captions_added: int
    captions_removed: int


class NameShown(Shown):
    """An attribute: how many objects have it, and how many different values it has."""

    name: str
    objects: int
    values: int


class ValueShown(Shown):
    """A value of an attribute and how many objects have it."""

    value: Any
    objects: int


class AttributesShown(Shown):
    """The attributes of a collection; with `name` the values of that one, the most frequent thousand."""

    names: list[NameShown] | None = None
    values: list[ValueShown] | None = None


def predicate(where: Sequence[str]) -> str | None:
    """What storage narrows by. Raises BadCondition."""
    return conditions.matching(where) if where else None


def check_found(tx: Transaction, collection: str, where: Sequence[str]) -> None:
    """Whether there is anything that the conditions of an empty listing could mean. Raises UnknownAttribute."""
    conditions.check_names(tx, collection, map(conditions.name_of, where))


@router.put("/v1/collections/{collection}/attributes", dependencies=[Depends(Requires("ingest"))])
def put(console: ConsoleDep, collection: CollectionName, wanted: ManyAttributes) -> Written:
    """Let objects have these attributes in the place of what they had; they may be there already or come later.

    `captions`, a list of texts, become text segments of the recording. Doing it again changes nothing.
    """
    rows = _rows(collection, wanted)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        changed = attributes.put(tx, collection, rows)
    with console.database.begin() as tx:  # after it, as captions.settle wants it
        settled = captions.settle(tx, attributes.recordings_of(tx, collection, list(rows)))
        _announce(tx, collection, settled, console.settings.ledger.segments_per_event)
    n_removed = sum(len(event.segment_ids) for event in settled.removed)
    return Written(objects=len(rows), changed=changed, captions_added=len(settled.new), captions_removed=n_removed)


def _rows(collection: str, wanted: ManyAttributes) -> dict[str, dict[str, Any]]:
    """By object key. Raises BadObjectKey, BadAttributes."""
    rows: dict[str, dict[str, Any]] = {}
    for item in wanted.items:
        if reason := why_unfit(item.attributes):
            raise BadAttributes(f"{item.path!r}: {reason}")
        key = object_key(collection, item.path)
        if key in rows:
            raise BadAttributes(f"{item.path!r} is named twice.")
        rows[key] = item.attributes
    return rows


def _announce(tx: Transaction, collection: str, settled: captions.Settled, most: int) -> None:
    encoders = collections.get(tx, collection).encoders
    requests = backfills.embedding_requests(settled.new, encoders, most)
    publish(tx, [announce(event) for event in (*settled.removed, *requests)])


@router.get("/v1/collections/{collection}/attributes", dependencies=[Depends(Requires("read"))])
def counted(
    console: ConsoleDep,
    collection: CollectionName,
    name: Annotated[str | None, Query(max_length=1000, examples=["etiology"])] = None,
) -> AttributesShown:
    """Which attributes the objects of a collection have, or how often each value of one of them occurs."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        if name is None:
            return AttributesShown(names=[NameShown.model_validate(n) for n in attributes.names(tx, collection)])
        found = attributes.values_of(tx, collection, name)
        return AttributesShown(values=[ValueShown.model_validate(value) for value in found])
