"""Removing an encoder that people added, with all that is kept under its name. Never one that is in use."""

from collections.abc import Sequence

import psycopg
import sqlalchemy as sa

from shared.errors import Conflict, TransientError
from shared.storage import collections, encoders, progress
from shared.storage.database import Transaction
from shared.storage.tables import encoder, encoder_check, encoder_definition


class EncoderPackaged(Conflict):
    """It comes with Earmark, or with a package, and goes with that; only encoders that were added can be removed."""

    code = "encoder_packaged"


class EncoderInUse(Conflict):
    """Have another encoder name (`earmark collections switch`), let its work end, and have the collections do without
    it and what it has made (`earmark collections drop-encoder COLLECTION ENCODER --purge`).
    """

    code = "encoder_in_use"


class EncoderBusy(TransientError):
    """Vectors are being read or written all the time just now, of whichever encoder; remove it a little later."""

    code = "encoder_busy"


_SPACES = sa.text("SELECT encoder_id FROM encoder WHERE name = :name FOR UPDATE")
_WITH_VECTORS = sa.text("SELECT DISTINCT collection FROM embedding WHERE encoder_id = ANY(:ids) ORDER BY 1")
_KEPT = sa.text("SELECT EXISTS (SELECT FROM frame_blob WHERE encoder_id = ANY(:ids))")
_UNDER_WAY = sa.text("""
    SELECT DISTINCT e.data->>'collection' AS collection FROM delivery d JOIN event e USING (event_id)
    WHERE e.data->>'encoder' = :name AND e.data ? 'collection' AND d.state <> 'dead' ORDER BY 1
""")
_FORGET_GIVEN_UP = sa.text("""
    DELETE FROM delivery d USING event e
    WHERE e.event_id = d.event_id AND d.state = 'dead' AND e.data->>'encoder' = :name
""")
_COUNTED = sa.text("""
    SELECT DISTINCT r.collection FROM recording_progress p JOIN recording r USING (recording_id)
    WHERE p.encoder = :name ORDER BY 1
""")
_FORGET_REASONS = sa.text("DELETE FROM unembeddable WHERE encoder = :name")
_END_BACKFILLS = sa.text("""
    UPDATE backfill SET state = 'done', finished_at = clock_timestamp() WHERE encoder = :name AND state <> 'done'
""")
# Whoever wants vectors, of whichever encoder, stands behind whoever waits for this lock.
_WAIT_SHORTLY = sa.text("SET LOCAL lock_timeout = '1s'")


def remove(tx: Transaction, name: str) -> None:
    """Forget it as if it had never been added; work for it that was given up is dropped, and backfills of it end.

    Call it last in its transaction. Raises UnknownEncoder, EncoderPackaged, EncoderInUse, EncoderBusy.
    """
    definition = sa.select(encoder_definition.c.name).where(encoder_definition.c.name == name)
    if tx.execute(definition.with_for_update()).one_or_none() is None:
        encoders.by_name(tx, name)
        raise EncoderPackaged(f"{name!r} was not added by anybody.")
    # From here on nobody can name it: whoever does holds its rows, and is waited for (encoders.named).
    ids = list(tx.execute(_SPACES, {"name": name}).scalars())
    _refuse_used(tx, name, ids)
    tx.execute(_FORGET_GIVEN_UP, {"name": name})
    tx.execute(_FORGET_REASONS, {"name": name})
    tx.execute(_END_BACKFILLS, {"name": name})
    for collection in tx.execute(_COUNTED, {"name": name}).scalars().all():
        progress.forget_encoder(tx, collection, name)
    tx.execute(sa.delete(encoder_check).where(encoder_check.c.encoder == name))
    tx.execute(sa.delete(encoder).where(encoder.c.name == name))
    tx.execute(sa.delete(encoder_definition).where(encoder_definition.c.name == name))
    _drop_partitions(tx, ids)


def _drop_partitions(tx: Transaction, ids: Sequence[int]) -> None:
    tx.execute(_WAIT_SHORTLY)
    try:
        for encoder_id in ids:
            tx.execute(sa.select(sa.func.drop_embedding_partition(encoder_id)))
    except sa.exc.OperationalError as error:
        if isinstance(error.orig, psycopg.errors.LockNotAvailable):
            raise EncoderBusy from error
        raise


def _refuse_used(tx: Transaction, name: str, ids: Sequence[int]) -> None:
    users = [one.name for one in collections.listing(tx) if name in one.encoders]
    if users:
        raise EncoderInUse(f"{name!r} is an encoder of {', '.join(users)}.")
    embedded = tx.execute(_WITH_VECTORS, {"ids": ids}).scalars().all()
    if embedded or tx.execute(_KEPT, {"ids": ids}).scalar_one():
        raise EncoderInUse(f"There are vectors or frames of {name!r} in {', '.join(embedded) or 'the store'}.")
    under_way = tx.execute(_UNDER_WAY, {"name": name}).scalars().all()
    if under_way:
        raise EncoderInUse(f"Work for {name!r} is under way in {', '.join(under_way)}.")
