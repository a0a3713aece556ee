"""Let another encoder name a collection's speakers, and take that back: at once, in one transaction.

An encoder that has never named the collection is clustered by and learned from first. One that has comes back as it was
left: its clusters, back-end, calibration and voices have stood beside those of the other one, and whoever arrived
meanwhile has joined them.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.clusterer import arriving, generations, hearing, naming
from services.clusterer.generations import Found
from services.clusterer.naming import Spread
from services.clusterer.spaces import Space, space_of
from shared.errors import PermanentError
from shared.events import ClustersUpdated, Event, LabelRecorded, LabelsPropagated
from shared.settings import ClustererSettings
from shared.storage import calibrations, clusters, collections, encoders, labels, reversals, switches
from shared.storage.database import Database, Transaction
from shared.storage.labels import Entry
from shared.storage.switches import Switch


class NothingEmbedded(PermanentError):
    """The encoder has no vector of any segment of the collection; `earmark backfill` counts why they have none."""

    code = "nothing_embedded"


def prepare(database: Database, collection: str, encoder: str) -> Found | None:
    """The clusters of a collection in a space that has never named it; None if it has, and comes back as it was.

    Holds no transaction while it thinks. Raises NothingEmbedded.
    """
    with database.begin() as tx:
        space = encoders.by_name(tx, encoder)
        if calibrations.get(tx, collection, space) is not None:
            return None
        if not calibrations.count(tx, collection, space):
            raise NothingEmbedded(f"{encoder!r} has no vector in {collection!r}.")
    return generations.find(database, collection, encoder)


@dataclass(frozen=True, slots=True)
class Turned:
    """How names changed, and what to announce of clusters that were found for it."""

    changed: Spread
    events: tuple[ClustersUpdated, ...] = ()


def carry_out(tx: Transaction, wanted: Switch, found: Found | None, settings: ClustererSettings) -> list[Event]:
    """Do a switch; returns what to announce. Call it under the names lock."""
    before = collections.get(tx, wanted.collection).encoders[0]
    told = {"from": before, "to": wanted.encoder}
    entry = labels.append(tx, wanted.collection, "switch", wanted.actor, detail=told)
    turned = turn(tx, wanted.collection, wanted.encoder, found, entry, settings)
    counts = _counts(turned.changed)
    labels.describe(tx, entry, {**told, **counts})
    switches.finish(tx, wanted.switch_id, before, entry.label_id)
    return [_propagated(entry.label_id, wanted.collection, counts), *turned.events]


def turn(
    tx: Transaction, collection: str, encoder: str, found: Found | None, entry: Entry, settings: ClustererSettings
) -> Turned:
    """Let an encoder name from now on. `found` is what `prepare` gave. Call it under the names lock."""
    collections.name_by(tx, collection, encoder)
    space = space_of(tx, collection)
    if found is None:
        return Turned(_come_back(tx, space, entry, settings))
    report = generations.write(tx, found)
    request_id = clusters.request(tx, collection, encoder).request_id
    generations.finish(tx, request_id, report, found)
    arriving.catch_up(tx, space, found.material.segment_ids)
    hearing.refit(tx, space, entry, settings)
    return Turned(naming.settle_all(tx, space, entry), (generations.event(request_id, found, report),))


def _come_back(tx: Transaction, space: Space, entry: Entry, settings: ClustererSettings) -> Spread:
    """Name by a space that has named before, as it was left; but what people said since stands."""
    left = switches.left(tx, space.collection, space.encoder.name)
    as_left = left is not None and not switches.clustered_since(tx, space.collection, space.encoder.name, left.at)
    if not as_left or hearing.is_deaf(tx, space) or calibrations.outgrown(tx, space.collection, space.encoder, 0):
        hearing.refit(tx, space, entry, settings)
        as_left = False
    # A voice grows with a statement, not with each arrival: as long as nobody said anything it is as it was.
    voices_stand = as_left and left is not None and not switches.said_since(tx, space.collection, left.seq)
    changed = naming.settle_all(tx, space, entry, voices_stand=voices_stand)
    if left is not None:  # what only the other encoder could hear goes with it
        unheard = switches.unheard(tx, space.collection, space.encoder.encoder_id, left.seq)
        labels.write(tx, entry, space.collection, {}, unheard)
    return changed


def take_back(tx: Transaction, event: LabelRecorded, entry: Entry, settings: ClustererSettings) -> list[Event]:
    """Let names follow a statement that takes a switch back, or brings it again; returns what to announce.

    Nothing changes if another switch has come between, or if the statement was taken back itself. Call it under the
    names lock.
    """
    wanted = reversals.statement_of(tx, event.label_id)
    now = switches.newest(tx, event.collection)
    if now is None or now.before is None or now.label_id != wanted.label_id or now.taken_back != wanted.active:
        counts = _counts(Spread(0, 0, 0, 0))
        labels.describe(tx, entry, counts)
        return [_propagated(event.label_id, event.collection, counts)]
    ends = (now.before, now.encoder) if wanted.active else (now.encoder, now.before)
    told = dict(zip(("from", "to"), ends, strict=True))
    changed = turn(tx, event.collection, told["to"], None, entry, settings).changed
    counts = _counts(changed)
    labels.describe(tx, entry, {**told, **counts})
    switches.turn(tx, now.switch_id, taken_back=not wanted.active)
    return [_propagated(event.label_id, event.collection, counts)]


def _counts(changed: Spread) -> dict[str, Any]:
    return {
        "n_direct": 0,
        "n_cluster": changed.n_named,
        "n_identified": changed.n_identified,
        "n_looked_at": changed.n_looked_at,
        "n_lost": changed.n_lost,
    }


def _propagated(label_id: UUID, collection: str, counts: dict[str, Any]) -> LabelsPropagated:
    told = {name: counts[name] for name in ("n_direct", "n_cluster", "n_identified")}
    return LabelsPropagated(label_id=label_id, collection=collection, **told)
