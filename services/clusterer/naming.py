"""Make the names of a collection follow from what people said, from its clusters and from its voices.

The names are a function of those three and of nothing else: that is what makes taking a label back exact. Each use
here works on the segments whose name could change, and writes the difference. Call it under the names lock.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.clusterer import contests, recognising, spreading
from services.clusterer.spaces import Space
from services.clusterer.spreading import Membership
from shared.storage import clusters, labels, words
from shared.storage.database import Transaction
from shared.storage.labels import Entry

ACTOR = "clusterer@2"


@dataclass(frozen=True, slots=True)
class Spread:
    """How many segments changed their name, by their cluster or a person's word, and by identification.

    `n_looked_at` is how many identification compared with the named, `n_lost` how many have no name any more.
    """

    n_named: int
    n_identified: int
    n_looked_at: int
    n_lost: int


def settle(
    tx: Transaction, space: Space, entry: Entry, segment_ids: Iterable[UUID], moved: Iterable[UUID] = ()
) -> Spread:
    """Name these segments and whoever depends on them.

    That is: everybody in their clusters; and everybody open to rules who is near to, or was given to, a speaker whose
    labelled segments change by it, or who is among `moved`.
    """
    scope = set(segment_ids)
    touched = clusters.clusters_of(tx, space.encoder.name, sorted(scope))
    members = clusters.members(tx, sorted(set(touched.values())))
    scope.update(s for inside in members.values() for s in inside)
    membership = {s: Membership(c, p) for c, inside in members.items() for s, p in inside.items()}
    return _settle(tx, space, entry, sorted(scope), membership, set(moved))


def settle_all(tx: Transaction, space: Space, entry: Entry, *, voices_stand: bool = False) -> Spread:
    """Name everybody: after clusters have changed, or the way in which scores are made.

    The speakers' voices are made anew, unless they are said to stand as they are.
    """
    scope = sorted(words.everything_said(tx, space.collection))
    members = clusters.members(tx, clusters.standing(tx, space.collection, space.encoder.name))
    membership = {s: Membership(c, p) for c, inside in members.items() for s, p in inside.items()}
    n_named, _, lost = _name(tx, space, entry, sorted({*scope, *membership}), membership)
    found = recognising.recognise_all(tx, space, entry, voices_stand=voices_stand)
    return Spread(n_named, found.n_changed, found.n_looked_at, len(lost))


def settle_arrivals(tx: Transaction, space: Space, entry: Entry, segment_ids: Sequence[UUID]) -> Spread:
    """Name segments that have just received their vectors, and may have joined a cluster.

    A person may have named one before it had a vector: then it also gives its voice to that speaker and that cluster.
    Those who only follow a cluster give theirs with the next statement on the speaker, or the next clustering: else
    each arrival would have everybody near to the speaker looked at again.
    """
    spoken_of = words.said(tx, segment_ids)
    if spoken_of:
        return settle(tx, space, entry, segment_ids, {word.speaker_id for word in spoken_of.values()})
    joined = clusters.clusters_of(tx, space.encoder.name, segment_ids)
    membership = {s: Membership(c, p) for s, (c, p) in clusters.firmness(tx, space.encoder.name, list(joined)).items()}
    scope = sorted(segment_ids)
    n_named, _, lost = _name(tx, space, entry, scope, membership, spoken_in=set(joined.values()))
    found = recognising.recognise(tx, space, entry, scope, moved=set())
    return Spread(n_named, found.n_changed, found.n_looked_at, len(lost))


def _settle(
    tx: Transaction,
    space: Space,
    entry: Entry,
    scope: Sequence[UUID],
    membership: Mapping[UUID, Membership],
    moved: set[UUID],
) -> Spread:
    """Names from words first, then identification."""
    n_named, also_moved, lost = _name(tx, space, entry, scope, membership)
    found = recognising.recognise(tx, space, entry, scope, moved | also_moved)
    return Spread(n_named, found.n_changed, found.n_looked_at, len(lost))


def _name(
    tx: Transaction,
    space: Space,
    entry: Entry,
    scope: Sequence[UUID],
    membership: Mapping[UUID, Membership],
    spoken_in: set[UUID] | None = None,
) -> tuple[int, set[UUID], set[UUID]]:
    """Names from words and clusters: how many received one, whose voices change by it, and who lost theirs.

    `spoken_in` are clusters of which the scope is only a part.
    """
    said = words.said(tx, scope)
    elsewhere = words.said_in_clusters(tx, sorted(spoken_in)) if spoken_in else {}
    voices = spreading.voices_of_clusters(
        {**membership, **{s: Membership(c, 0.0) for s, (c, _) in elsewhere.items()}},
        {**said, **{s: word for s, (_, word) in elsewhere.items()}},
    )
    named_as_such = words.cluster_names(tx, sorted({m.cluster_id for m in membership.values()}))
    names_of_clusters = spreading.names_of_clusters(voices, named_as_such)
    rejected = words.rejected(tx, scope)
    now = labels.names(tx, scope)
    wanted = spreading.names_from_words(scope, membership, said, rejected, names_of_clusters)
    if contested := spreading.contested(voices, named_as_such):
        open_members = {s: membership[s] for s in scope if s in membership and s not in said}
        wanted |= contests.names(tx, space, contested, open_members, rejected, now)
    changed = spreading.changes(scope, now, wanted, of_rules=False)
    written = labels.write(tx, entry, space.collection, changed.names, changed.nobodys)
    lost = written & set(changed.nobodys)
    return len(written - lost), spreading.moved_speakers(now, changed), lost
