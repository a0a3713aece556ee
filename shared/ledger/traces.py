"""What the log of events tells of what was erased: whether work on it is still under way, and that it is told no more.

Events keep their place and their id, so that readers of the stream lose nothing but what was erased. Nothing indexes
events by what they are about: each of these statements reads the whole log, or the whole backlog.
"""

from typing import Any, Final

import sqlalchemy as sa

from shared.events import ErasureBegun, EventErased, RecordingErased, RecordingRejected
from shared.storage.database import Transaction
from shared.storage.receipts import Rest

# Of a key that holds other bytes by now, only what was told of the erased ones: those had another ETag.
_WHOLLY = """
    (e.type <> ALL(:announcing) AND (
        e.data->>'recording_id' = ANY(:recordings) OR e.data->>'after' = ANY(:recordings)
        OR e.data->>'segment_id' = ANY(:segments) OR e.data->>'speaker_id' = ANY(:speakers)
        OR e.data->>'object_id' = ANY(:objects) AND (e.data->>'etag' = ANY(:etags) OR e.type = :rejected)))
"""
_IN_PART = """
    (EXISTS (SELECT FROM jsonb_array_elements_text(e.data->'segment_ids') AS i(id) WHERE i.id = ANY(:segments))
     OR EXISTS (SELECT FROM jsonb_array_elements_text(e.data->'speaker_ids') AS i(id) WHERE i.id = ANY(:speakers)))
"""
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
    SELECT EXISTS (SELECT FROM delivery d JOIN event e USING (event_id)
                   WHERE d.state <> 'dead' AND ({_WHOLLY} OR NOT {_WAITS} AND {_IN_PART}))
""")  # noqa: S608  # constants
_BURY = sa.text(f"""
    DELETE FROM delivery d USING event e
    WHERE d.event_id = e.event_id AND d.state = 'dead' AND ({_WHOLLY} OR {_IN_PART})
""")  # noqa: S608  # constants
_BLANK = sa.text(f"""
    UPDATE event e SET type = :erased, subject = '', data = '{{}}' WHERE {_WHOLLY}
""")  # noqa: S608  # constants
_WITHOUT = sa.text(f"""
    UPDATE event e SET data = e.data || jsonb_strip_nulls(jsonb_build_object(
        'segment_ids', (SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text(e.data->'segment_ids')
                        AS i(id) WHERE i.id <> ALL(:segments)),
        'speaker_ids', CASE WHEN e.data ? 'speaker_ids' THEN (
            SELECT coalesce(jsonb_agg(i.id), '[]') FROM jsonb_array_elements_text(e.data->'speaker_ids')
            AS i(id) WHERE i.id <> ALL(:speakers)) END))
    WHERE {_IN_PART}
""")  # noqa: S608  # constants


def in_work(tx: Transaction, rest: Rest) -> bool:
    """Whether a delivery is left, other than a dead one, that may still write or announce anything of it.

    What nobody has begun with is given up, if it is of nothing else.
    """
    values = {**_values(rest), "of_one_recording": list(_OF_ONE_RECORDING)}
    tx.execute(_GIVE_UP, values)
    tx.execute(_KEEP_WAITING, values)
    return bool(tx.execute(_IN_WORK, values).scalar_one())


def erase(tx: Transaction, rest: Rest) -> None:
    """Have the log tell nothing of it but that it was erased. Call it once nothing is `in_work`."""
    values = _values(rest)
    tx.execute(_BURY, values)
    tx.execute(_BLANK, {**values, "erased": EventErased.type})
    tx.execute(_WITHOUT, values)


def _values(rest: Rest) -> dict[str, Any]:
    return {
        "recordings": [str(one) for one in rest.recordings],
        "segments": [str(one) for one in rest.segments],
        "speakers": [str(one) for one in rest.speakers],
        "objects": [str(one.object_id) for one in rest.originals],
        "etags": [one.etag for one in rest.originals],
        "announcing": [RecordingErased.type, ErasureBegun.type],
        "rejected": RecordingRejected.type,
    }
