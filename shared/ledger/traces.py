"""What the log of events tells of what was erased: whether work on it is still under way, and that it is told no more.

Events keep their place and their id, so that readers of the stream lose nothing but what was erased. Nothing indexes
events by what they are about: the whole backlog is read, and then the whole log, page by page.
"""

from typing import Any, Final

import sqlalchemy as sa

from shared.events import ErasureBegun, EventErased, RecordingErased, RecordingRejected
from shared.ledger.stream import Position
from shared.storage.database import Transaction
from shared.storage.receipts import Rest

PAGE_EVENTS: Final = 20_000
"""That are read in one transaction, which takes half a second; as many as there are ids if these are more."""
_MOST_TOLD: Final = 1000
_LAST: Final = 2**63 - 1

# Lists of a million ids are looked up in by hash as long as the hash may be that large.
_ROOM = sa.text("SET LOCAL work_mem = '256MB'")


def _among(name: str) -> str:
    """A list to look things up in: `ANY` is gone through one by one wherever its array is a parameter."""
    return f"(SELECT unnest(CAST(:{name} AS text[])))"


# Of a key that holds other bytes by now, only what was told of the erased ones: those had another ETag.
_WHOLLY = f"""
    (e.type <> ALL(:announcing) AND (
        e.data->>'recording_id' IN {_among("recordings")} OR e.data->>'after' IN {_among("recordings")}
        OR e.data->>'segment_id' IN {_among("segments")} OR e.data->>'speaker_id' IN {_among("speakers")}
        OR e.data->>'object_id' || ' ' || (e.data->>'etag') IN {_among("versions")}
        OR e.type = :rejected AND e.data->>'object_id' IN {_among("objects")}))
"""
# `IS TRUE`: else each event would be joined with the whole list.
_IN_PART = f"""
    (EXISTS (SELECT FROM jsonb_array_elements_text(e.data->'segment_ids') AS i(id)
             WHERE (i.id IN {_among("segments")}) IS TRUE)
     OR EXISTS (SELECT FROM jsonb_array_elements_text(e.data->'speaker_ids') AS i(id)
                WHERE (i.id IN {_among("speakers")}) IS TRUE))
"""  # noqa: S608  # constants
# These do nothing but for their one recording, and would find it gone: nobody waits for them, as they may be paused.
_OF_ONE_RECORDING: Final = (
    "ingest.register", "ingest.segment", "ingest.render", "embedder.embed", "embedder.supply", "clusterer.assign",
)  # fmt: skip
_WAITS = "(d.state = 'pending' AND d.subscription = ANY(:of_one_recording))"
_GIVE_UP = sa.text(f"""
    DELETE FROM delivery d USING event e WHERE d.event_id = e.event_id AND {_WAITS} AND {_WHOLLY}
""")  # noqa: S608  # constants
# What they are told of others stays, so they do; but the relay does not take them before their events are mended.
_KEEP_WAITING = sa.text(f"""
    SELECT FROM delivery d JOIN event e USING (event_id) WHERE {_WAITS} AND {_IN_PART} FOR UPDATE OF d
""")
_IN_WORK = sa.text(f"""
    SELECT e.data FROM delivery d JOIN event e USING (event_id)
    WHERE d.state <> 'dead' AND ({_WHOLLY} OR NOT {_WAITS} AND {_IN_PART}) LIMIT :most
""")  # noqa: S608  # constants
_BURY = sa.text(f"""
    DELETE FROM delivery d USING event e
    WHERE d.event_id = e.event_id AND d.state = 'dead' AND ({_WHOLLY} OR {_IN_PART})
""")  # noqa: S608  # constants
# Up to the oldest transaction that is still running: see stream.py.
_PAGE = sa.text("""
    SELECT now.xmin, page.xid, page.seq
    FROM (SELECT (pg_snapshot_xmin(pg_current_snapshot())::text)::bigint AS xmin) AS now
    LEFT JOIN LATERAL (
        SELECT xid, seq FROM event WHERE (xid, seq) > (:xid, :seq) AND xid < now.xmin
        ORDER BY xid, seq OFFSET :n_skipped LIMIT 1
    ) AS page ON true
""")
_HORIZON = sa.text("SELECT (pg_snapshot_xmax(pg_current_snapshot())::text)::bigint")
_ON_PAGE = "((e.xid, e.seq) > (:xid, :seq) AND (e.xid, e.seq) <= (:to_xid, :to_seq))"
_BLANK = sa.text(f"""
    UPDATE event e SET type = :erased, subject = '', data = '{{}}' WHERE {_ON_PAGE} AND {_WHOLLY}
""")  # noqa: S608  # constants
_WITHOUT = f"""
    UPDATE event e SET data = e.data || jsonb_strip_nulls(jsonb_build_object(
        'segment_ids', (SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text(e.data->'segment_ids')
                        AS i(id) WHERE (i.id IN {_among("segments")}) IS NOT TRUE),
        'speaker_ids', CASE WHEN e.data ? 'speaker_ids' THEN (
            SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text(e.data->'speaker_ids')
            AS i(id) WHERE (i.id IN {_among("speakers")}) IS NOT TRUE) END))
"""  # noqa: S608  # constants
_MEND_PAGE = sa.text(f"{_WITHOUT} WHERE {_ON_PAGE} AND {_IN_PART}")
_MEND_WAITING = sa.text(f"{_WITHOUT} FROM delivery d WHERE d.event_id = e.event_id AND {_WAITS} AND {_IN_PART}")


def in_work(tx: Transaction, rest: Rest) -> list[dict[str, Any]]:
    """What some of the deliveries are told that may still write or announce anything of it; [] if none is left.

    Dead letters are buried before, so that nobody requeues one, and what nobody has begun with is given up, if it is of
    nothing else.
    """
    values = _values(rest)
    tx.execute(_ROOM)
    tx.execute(_BURY, values)
    tx.execute(_GIVE_UP, values)
    tx.execute(_KEEP_WAITING, values)
    return list(tx.execute(_IN_WORK, {**values, "most": _MOST_TOLD}).scalars())


def mend_backlog(tx: Transaction, rest: Rest) -> int:
    """Have what waits tell nothing of it. Call it in the transaction that found nothing `in_work`: it holds what waits.

    Returns a transaction's id: when all below it are over, whatever comes into the log tells nothing of it.
    """
    tx.execute(_MEND_WAITING, _values(rest))
    return int(tx.execute(_HORIZON).scalar_one())


def erase_page(tx: Transaction, rest: Rest, after: Position) -> tuple[Position, bool]:
    """Have the next page of the log tell nothing of it but that it was erased; where that ends, and whether it is the
    last one for now: behind it nothing is committed for certain.
    """
    n_events = max(PAGE_EVENTS, len(rest.recordings) + len(rest.segments))
    place = {"xid": after.xid, "seq": after.seq}
    tx.execute(_ROOM)
    page = tx.execute(_PAGE, {**place, "n_skipped": n_events - 1}).one()
    is_last = page.xid is None
    to = Position(page.xmin - 1, _LAST) if is_last else Position(page.xid, page.seq)
    values = {**_values(rest), **place, "to_xid": to.xid, "to_seq": to.seq}
    tx.execute(_BLANK, values)
    tx.execute(_MEND_PAGE, values)
    return to, is_last


def _values(rest: Rest) -> dict[str, Any]:
    return {
        "recordings": [str(one) for one in rest.recordings],
        "segments": [str(one) for one in rest.segments],
        "speakers": [str(one) for one in rest.speakers],
        "objects": [str(one.object_id) for one in rest.originals],
        "versions": [f"{one.object_id} {one.etag}" for one in rest.originals],
        "announcing": [RecordingErased.type, ErasureBegun.type],
        "erased": EventErased.type,
        "rejected": RecordingRejected.type,
        "of_one_recording": list(_OF_ONE_RECORDING),
    }
