"""The encoders and segmenters that running workers have announced, and the vector partition of each encoder."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import EarmarkError, InvalidRequest, NotFound
from shared.events import EncoderCheckRequested
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import encoder, encoder_check, encoder_definition, segmenter

_LOCK_FOR_PARTITIONS = 0x6561726D  # "earm"


class UnknownEncoder(NotFound):
    """`earmark encoders list` shows the encoders that workers offer."""

    code = "unknown_encoder"


class EncoderOfTexts(InvalidRequest):
    """Names are made of voices: put an encoder of audio first, and encoders of texts after it."""

    code = "encoder_of_texts"


class UnknownSegmenter(NotFound):
    """`earmark segmenters list` shows the segmenters that workers offer."""

    code = "unknown_segmenter"


class UnknownCheck(NotFound):
    """Ask for a check with `earmark encoders check NAME`."""

    code = "unknown_check"


@dataclass(frozen=True, slots=True)
class StoredEncoder:
    """One announced encoder; `space` is what its vectors can be compared within."""

    encoder_id: int
    name: str
    space: str
    dimension: int
    spec: dict[str, Any]
    code: str | None = None  # why its model cannot be had, as far as is known
    reason: str | None = None

    @property
    def hears(self) -> bool:
        """Whether it tells voices apart; one of texts does not."""
        return bool(self.spec.get("modality", "audio") == "audio")


def announce_encoder(tx: Transaction, name: str, space: str, dimension: int, spec: dict[str, Any]) -> StoredEncoder:
    """Write an encoder down and make the partition that holds its vectors, once."""
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_FOR_PARTITIONS})
    row = tx.execute(sa.select(encoder.c.encoder_id).where(encoder.c.space == space)).one_or_none()
    if row is None:
        values = {"name": name, "space": space, "dimension": dimension, "spec": spec}
        encoder_id = tx.execute(insert(encoder).values(values).returning(encoder.c.encoder_id)).scalar_one()
        tx.execute(sa.select(sa.func.make_embedding_partition(encoder_id)))
    else:
        changed = {"spec": spec, "announced_at": sa.func.clock_timestamp()}
        tx.execute(sa.update(encoder).where(encoder.c.space == space).values(changed))
    return by_name(tx, name)


_NOTE = sa.text("""
    UPDATE encoder SET code = :code, reason = :reason
    WHERE space = :space AND (code IS DISTINCT FROM :code OR reason IS DISTINCT FROM :reason)
""")


def note(tx: Transaction, space: str, error: EarmarkError | None) -> None:
    """Write down why the model of a space cannot be had on a worker's machine, or that it can."""
    fault = {"code": None, "reason": None} if error is None else {"code": error.code, "reason": str(error)}
    tx.execute(_NOTE, {"space": space, **fault})


def announce_segmenter(tx: Transaction, name: str, spec: dict[str, Any]) -> None:
    """Write a segmenter down."""
    statement = insert(segmenter).values(name=name, spec=spec)
    changed = {"spec": spec, "announced_at": sa.func.clock_timestamp()}
    tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))


def by_name(tx: Transaction, name: str) -> StoredEncoder:
    """The newest space of that name; raises UnknownEncoder with the known ones."""
    known = encoders(tx)
    if name not in known:
        listed = f"known are: {', '.join(sorted(known)) or 'none yet'}"
        raise UnknownEncoder(f"No encoder {name!r}{_made_of(tx, name)}; {listed}.")
    return known[name]


def named(tx: Transaction, name: str) -> StoredEncoder:
    """The same for whoever writes the name down: the encoder is not removed until this transaction ends."""
    held = sa.select(encoder.c.encoder_id).where(encoder.c.name == name)
    tx.execute(held.with_for_update(key_share=True, read=True))
    return by_name(tx, name)


def _made_of(tx: Transaction, name: str) -> str:
    """What became of a definition that no worker has made an encoder of, as part of a sentence."""
    definition = sa.select(encoder_definition).where(encoder_definition.c.name == name)
    row = tx.execute(definition).one_or_none()
    if row is None:
        return ""
    return (
        f" yet, since it could not be made: {row.reason.rstrip('.')}"
        if row.reason
        else " yet: a worker reads its model"
    )


def by_space(tx: Transaction, space: str) -> StoredEncoder:
    """The encoder of exactly that space: what a worker writes its own vectors under. Raises UnknownEncoder."""
    row = tx.execute(sa.select(encoder).where(encoder.c.space == space)).one_or_none()
    if row is None:
        raise UnknownEncoder(f"No worker has announced the space {space!r}.")
    return _stored(row)


def hold(tx: Transaction, spaces: Collection[str]) -> set[str]:
    """Those of the spaces that are there; they are not removed until this transaction ends."""
    held = sa.select(encoder.c.space).where(encoder.c.space.in_(spaces)).order_by(encoder.c.encoder_id)
    return set(tx.execute(held.with_for_update(key_share=True, read=True)).scalars())


def encoders(tx: Transaction) -> dict[str, StoredEncoder]:
    """The newest space of every encoder name."""
    rows = tx.execute(sa.select(encoder).order_by(encoder.c.announced_at, encoder.c.encoder_id))
    return {row.name: _stored(row) for row in rows}


def _stored(row: sa.Row[Any]) -> StoredEncoder:
    return StoredEncoder(row.encoder_id, row.name, row.space, row.dimension, row.spec, row.code, row.reason)


def segmenters(tx: Transaction) -> dict[str, dict[str, Any]]:
    """The specs of all segmenters by name."""
    rows = tx.execute(sa.select(segmenter).order_by(segmenter.c.name))
    return {row.name: row.spec for row in rows}


def check_names(tx: Transaction, segmenter_name: str | None, encoder_names: Sequence[str]) -> None:
    """Raises UnknownSegmenter or UnknownEncoder, naming what there is instead; EncoderOfTexts if the first one is."""
    known = segmenters(tx)
    if segmenter_name is not None and segmenter_name not in known:
        raise UnknownSegmenter(f"No segmenter {segmenter_name!r}; known are: {', '.join(known) or 'none yet'}.")
    for position, name in enumerate(encoder_names):
        found = named(tx, name)
        if position == 0:
            check_hears(found)


def check_hears(encoder: StoredEncoder) -> None:
    """Raises EncoderOfTexts for one that cannot tell voices apart."""
    if not encoder.hears:
        raise EncoderOfTexts(f"{encoder.name!r} reads texts: voices cannot be told apart by it.")


def request_check(tx: Transaction, name: str) -> EncoderCheckRequested:
    """Write a request down; raises UnknownEncoder. The caller publishes the event in the same transaction."""
    by_name(tx, name)
    event = EncoderCheckRequested(check_id=new_id(), encoder=name)
    tx.execute(sa.insert(encoder_check).values(check_id=event.check_id, encoder=name))
    return event


def write_check(tx: Transaction, check_id: UUID, result: dict[str, Any]) -> None:
    """Write down what a check found."""
    tx.execute(sa.update(encoder_check).where(encoder_check.c.check_id == check_id).values(result=result))


def check_result(tx: Transaction, check_id: UUID) -> dict[str, Any] | None:
    """What a check found, None while it is under way; raises UnknownCheck."""
    row = tx.execute(sa.select(encoder_check.c.result).where(encoder_check.c.check_id == check_id)).one_or_none()
    if row is None:
        raise UnknownCheck(f"No check {check_id}.")
    result: dict[str, Any] | None = row.result
    return result
