"""What each kind of delivery asks the embedder for, in one form: segments of a recording, by some encoders."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from uuid import UUID

from shared.encoders.protocol import EncoderSpec
from shared.events import EmbeddingRequested, Event, SegmentsCreated, SegmentsEnlisted
from shared.ledger.consumer import Delivered
from shared.storage import collections, embeddings, encoders
from shared.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Asked:
    """Segments of one recording that lack vectors of these encoders, or whose vectors are to be replaced."""

    recording_id: UUID
    collection: str
    segment_ids: tuple[UUID, ...]
    encoders: tuple[str, ...]
    overwrite: bool = False
    backfill_id: UUID | None = None
    n_counted: int = 0  # segments that count as done with this, in the backfill


def of(tx: Transaction, delivered: Iterable[Delivered], spec: Callable[[str], EncoderSpec]) -> dict[Delivered, Asked]:
    """Each delivery with what it still asks for: what has been embedded since it was asked for is left out."""
    encoders_of = cache(lambda collection: collections.get(tx, collection).encoders)
    return {d: asked for d in delivered if (asked := _of_event(tx, d.event, spec, encoders_of))}


def _of_event(
    tx: Transaction, event: Event, spec: Callable[[str], EncoderSpec], encoders_of: Callable[[str], tuple[str, ...]]
) -> Asked | None:
    match event:
        case SegmentsCreated():
            names = encoders_of(event.collection)
            return Asked(event.recording_id, event.collection, event.segment_ids, names)
        case EmbeddingRequested():
            missing = _missing(tx, event, spec)
            return Asked(event.recording_id, event.collection, missing, (event.encoder,))
        case SegmentsEnlisted():
            return Asked(
                event.recording_id,
                event.collection,
                event.segment_ids if event.overwrite else _missing(tx, event, spec),
                (event.encoder,),
                overwrite=event.overwrite,
                backfill_id=event.backfill_id,
                n_counted=len(event.segment_ids),
            )
        case _:
            return None


def _missing(
    tx: Transaction, event: EmbeddingRequested | SegmentsEnlisted, spec: Callable[[str], EncoderSpec]
) -> tuple[UUID, ...]:
    space = encoders.by_space(tx, spec(event.encoder).space)
    missing = embeddings.missing(tx, space, event.segment_ids)
    return tuple(segment_id for segment_id in event.segment_ids if segment_id in missing)
