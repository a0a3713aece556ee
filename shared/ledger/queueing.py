"""Which deliveries the relay may push, as SQL: what waits where, taken in turns, marked as queued and taken back."""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.ledger.packing import Pending
from shared.ledger.routes import SUBSCRIPTIONS
from shared.ledger.turns import Due, shares, topped_up
from shared.settings import LedgerSettings
from shared.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Tier:
    """How deliveries of a number of failed attempts travel."""

    lowest: int
    highest: int
    share: float  # of the subscription's limits; 0 is alone
    isolated: bool


TIERS = (Tier(0, 0, 1.0, isolated=False), Tier(1, 1, 0.5, isolated=False), Tier(2, 2**31 - 1, 0.0, isolated=True))


@dataclass(frozen=True, slots=True)
class Lane:
    """Deliveries of one subscription that travel alike, with the collections whose turn may come."""

    subscription: str
    tier: Tier
    depth: int  # messages of it in Redis
    waiting: tuple[Due, ...]


# One round trip that says what there is to do: a wake-up with nothing to push must cost next to nothing. The names of
# the collections that wait are found by hopping through the index from one to the next, past any number of deliveries.
# The statement's time, here and in _TAKE: an index knows nothing to do with that of the clock, which runs on meanwhile.
_SURVEY = sa.text("""
    WITH RECURSIVE hop(name, collection) AS (
        SELECT s.name, (SELECT min(d.collection) FROM delivery d WHERE d.subscription = s.name AND d.state = 'pending')
        FROM unnest(CAST(:names AS text[])) AS s(name)
        UNION ALL
        SELECT hop.name, (SELECT min(d.collection) FROM delivery d WHERE d.subscription = hop.name
                          AND d.state = 'pending' AND d.collection > hop.collection)
        FROM hop WHERE hop.collection IS NOT NULL
    ), waits AS MATERIALIZED (
        SELECT hop.name, hop.collection, tier.lowest
        FROM hop CROSS JOIN unnest(CAST(:lowest AS int[]), CAST(:highest AS int[])) AS tier(lowest, highest)
        WHERE hop.collection IS NOT NULL
          AND (hop.name <> ALL(:pausable) OR NOT EXISTS (
              SELECT FROM pause p WHERE p.kind = 'collection' AND p.name = hop.collection
                                     OR p.kind = 'stage' AND p.name IN (hop.name, split_part(hop.name, '.', 1))))
          AND EXISTS (SELECT FROM delivery d WHERE d.subscription = hop.name AND d.collection = hop.collection
                      AND d.state = 'pending' AND d.attempt BETWEEN tier.lowest AND tier.highest
                      AND d.not_before <= statement_timestamp() OFFSET 0)  -- else joined, with the whole backlog read
    )
    SELECT waits.name, waits.lowest, waits.collection, coalesce(collection.weight, 1) AS weight,
           (SELECT count(*) FROM delivery d WHERE d.subscription = waits.name AND d.collection = waits.collection
            AND d.state IN ('queued', 'leased')) AS n_out,
           depths.depth
    FROM waits JOIN (
        SELECT lane.name, lane.lowest,
               (SELECT count(DISTINCT message_id) FROM delivery d WHERE d.state = 'queued'
                AND d.subscription = lane.name AND (d.attempt >= :alone) = (lane.lowest >= :alone)) AS depth
        FROM (SELECT DISTINCT name, lowest FROM waits) AS lane
    ) AS depths USING (name, lowest)
    LEFT JOIN collection ON collection.name = waits.collection
    ORDER BY waits.name, waits.lowest
""")
_NAMES = [s.name for s in SUBSCRIPTIONS]
_PAUSABLE = [s.name for s in SUBSCRIPTIONS if s.pausable]
_BY_LOWEST = {tier.lowest: tier for tier in TIERS}


def survey(tx: Transaction, settings: LedgerSettings) -> list[Lane]:
    """Every lane in which something waits that is due and not paused."""
    values = {
        "names": _NAMES,
        "pausable": _PAUSABLE,
        "lowest": [t.lowest for t in TIERS],
        "highest": [t.highest for t in TIERS],
        "alone": TIERS[-1].lowest,
    }
    rows = tx.execute(_SURVEY, values)
    return [
        Lane(name, _BY_LOWEST[lowest], depth, _waiting(list(group), settings.out_per_collection))
        for (name, lowest, depth), group in groupby(rows, key=lambda r: (r.name, r.lowest, r.depth))
    ]


def _waiting(rows: Sequence[sa.Row[Any]], most_out: int) -> tuple[Due, ...]:
    """The cap leaves room for others; where one waits alone, there are none, and workers may be many."""
    if len(rows) == 1:
        return (Due(rows[0].collection, rows[0].weight, sys.maxsize),)
    return tuple(Due(row.collection, row.weight, max(0, most_out - row.n_out)) for row in rows)


# Each collection's share is read off the index. They are shuffled together by their weights, so that the first message
# has somebody of everyone.
_TAKE = """
    SELECT event_id, n_segments, audio_s, collection FROM (
        SELECT d.*, turn.collection, turn.weight, turn.place,
               row_number() OVER (PARTITION BY turn.collection ORDER BY d.not_before) AS n
        FROM unnest(CAST(:collections AS text[]), CAST(:shares AS int[]), CAST(:weights AS int[]))
             WITH ORDINALITY AS turn(collection, share, weight, place)
        CROSS JOIN LATERAL (
            SELECT event_id, n_segments, audio_s, not_before FROM delivery
            WHERE subscription = :subscription AND collection = turn.collection AND state = 'pending'
              AND not_before <= statement_timestamp() AND attempt {attempt} :lowest
            ORDER BY not_before LIMIT turn.share FOR UPDATE SKIP LOCKED
        ) AS d
    ) AS taken ORDER BY (n - 1) / weight, place, n
"""
_TAKE_TOGETHER = sa.text(_TAKE.format(attempt="="))  # equality keeps the index's order
_TAKE_ALONE = sa.text(_TAKE.format(attempt=">="))


def take(tx: Transaction, lane: Lane, most: int, after: str) -> tuple[list[Pending], list[str]]:
    """Lock the next deliveries of a lane, `most` at most, and the collection of each; turns begin behind `after`."""
    given = shares(lane.waiting, most, after)
    rows = _take(tx, lane, given)
    more = topped_up(given, Counter(row.collection for row in rows), lane.waiting, most)
    if more:  # what this transaction has locked already, it finds again
        rows = _take(tx, lane, more)
    rows = rows[:most]
    return [Pending(row.event_id, row.n_segments, row.audio_s) for row in rows], [row.collection for row in rows]


def _take(tx: Transaction, lane: Lane, given: dict[str, int]) -> Sequence[sa.Row[tuple[UUID, int, float, str]]]:
    if not given:
        return []
    weights = {one.collection: one.weight for one in lane.waiting}
    values = {
        "subscription": lane.subscription,
        "lowest": lane.tier.lowest,
        "collections": list(given),
        "shares": list(given.values()),
        "weights": [weights[collection] for collection in given],
    }
    return tx.execute(_TAKE_ALONE if lane.tier.isolated else _TAKE_TOGETHER, values).all()


_MARK = sa.text("""
    UPDATE delivery SET state = 'queued', message_id = pushed.message_id,
           lease_until = clock_timestamp() + make_interval(secs => :timeout_s)
    FROM unnest(CAST(:event_ids AS uuid[]), CAST(:message_ids AS uuid[])) AS pushed(event_id, message_id)
    WHERE delivery.event_id = pushed.event_id AND subscription = :subscription
""")


def mark(tx: Transaction, subscription: str, messages: Mapping[UUID, Sequence[UUID]], timeout_s: float) -> None:
    """Write down which message carries which events; unclaimed for `timeout_s`, they are pending again."""
    tx.execute(
        _MARK,
        {
            "subscription": subscription,
            "timeout_s": timeout_s,
            "event_ids": [event_id for event_ids in messages.values() for event_id in event_ids],
            "message_ids": [message_id for message_id, event_ids in messages.items() for _ in event_ids],
        },
    )


_TAKE_BACK = sa.text("""
    UPDATE delivery SET state = 'pending', message_id = NULL, lease_until = NULL
    WHERE state = 'queued' AND (:every OR message_id = ANY(CAST(:ids AS uuid[])))
""")


def take_back(tx: Transaction, message_ids: list[UUID] | None) -> int:
    """Make queued deliveries pending again: of these messages, or all. A message that got through does no harm."""
    return tx.execute(_TAKE_BACK, {"every": message_ids is None, "ids": message_ids or []}).rowcount
