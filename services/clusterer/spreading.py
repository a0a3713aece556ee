"""What follows from what people said: names for clusters and their members. Pure.

Two named speakers are never merged: a cluster in which people named several has no name, unless a person named the
cluster itself; whom its members follow is thought out in `contests`. Noise is in no cluster: it neither passes nor
receives a name here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from shared.storage.labels import Named, Names
from shared.storage.words import Said

Rejections = set[tuple[UUID, UUID]]
"""(segment, speaker) of which a person said that they do not belong together."""


@dataclass(frozen=True, slots=True)
class Membership:
    """The standing cluster of a segment, and how firmly it belongs there."""

    cluster_id: UUID
    probability: float


@dataclass(frozen=True, slots=True)
class Voice:
    """A speaker whom people named in a cluster: in which of its segments, by id, and their last word that did."""

    last: Said
    segment_ids: tuple[UUID, ...]


def voices_of_clusters(
    membership: Mapping[UUID, Membership], said: Mapping[UUID, Said]
) -> dict[UUID, tuple[Voice, ...]]:
    """The voices, ordered by speaker, of each cluster in which people named any.

    `membership` must hold every member that people spoke of.
    """
    spoken: dict[UUID, dict[UUID, list[UUID]]] = {}
    for segment_id in sorted(said.keys() & membership.keys()):
        in_cluster = spoken.setdefault(membership[segment_id].cluster_id, {})
        in_cluster.setdefault(said[segment_id].speaker_id, []).append(segment_id)
    return {
        cluster_id: tuple(
            # Ids rise with time: the last word is the reason.
            Voice(max((said[s] for s in segment_ids), key=lambda word: word.label_id), tuple(segment_ids))
            for _, segment_ids in sorted(by_speaker.items())
        )
        for cluster_id, by_speaker in spoken.items()
    }


def names_of_clusters(voices: Mapping[UUID, tuple[Voice, ...]], named_as_such: Mapping[UUID, Said]) -> dict[UUID, Said]:
    """Each cluster that has a name: a person's word on the cluster, or the one voice that people named in it."""
    of_one_voice = {cluster_id: several[0].last for cluster_id, several in voices.items() if len(several) == 1}
    return {**of_one_voice, **named_as_such}


def contested(
    voices: Mapping[UUID, tuple[Voice, ...]], named_as_such: Mapping[UUID, Said]
) -> dict[UUID, tuple[Voice, ...]]:
    """The voices of each cluster in which people named several and which has no name."""
    return {c: several for c, several in voices.items() if len(several) > 1 and c not in named_as_such}


def names_from_words(
    segment_ids: Iterable[UUID],
    membership: Mapping[UUID, Membership],
    said: Mapping[UUID, Said],
    rejected: Rejections,
    cluster_names: Mapping[UUID, Said],
) -> Names:
    """The names of those of the segments that people named, or that follow their cluster."""
    names: Names = {}
    for segment_id in segment_ids:
        member = membership.get(segment_id)
        if word := said.get(segment_id):
            names[segment_id] = Named(word.speaker_id, word.kind, _sure(word, member), word.label_id)
            continue
        name = cluster_names.get(member.cluster_id) if member else None
        if member and name and (segment_id, name.speaker_id) not in rejected:
            names[segment_id] = Named(name.speaker_id, "cluster", member.probability, name.label_id)
    return names


def _sure(word: Said, member: Membership | None) -> float | None:
    """A person is sure of what they said of a segment; of a cluster, as far as the segment belongs to one."""
    if word.kind != "cluster":
        return 1.0
    return member.probability if member else None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be written so that the view shows the wanted names."""

    names: Names
    nobodys: list[UUID]

    @property
    def n(self) -> int:
        """How many segments change."""
        return len(self.names) + len(self.nobodys)


def changes(segment_ids: Iterable[UUID], now: Names, wanted: Names, *, of_rules: bool) -> Changes:
    """The difference between how segments are named and how they should be.

    Names that only identification gave are left to it, unless `of_rules` says that this is identification.
    """
    new = {s: n for s, n in wanted.items() if not _same(now.get(s), n)}
    nobodys = [
        s for s in segment_ids if s in now and s not in wanted and (now[s].assigned_by == "identification") == of_rules
    ]
    return Changes(new, nobodys)


def _same(one: Named | None, other: Named) -> bool:
    if one is None or (one.speaker_id, one.assigned_by, one.because_id) != (
        other.speaker_id,
        other.assigned_by,
        other.because_id,
    ):
        return False
    sure, other_sure = one.confidence, other.confidence
    # The view keeps single precision.
    return sure == other_sure or (sure is not None and other_sure is not None and abs(sure - other_sure) < 1e-6)


def moved_speakers(now: Names, changed: Changes) -> set[UUID]:
    """The speakers whose labelled segments change: they lose some, or gain some."""
    labelled = {"human", "import", "cluster"}
    touched = [*changed.names, *changed.nobodys]
    left = {now[s].speaker_id for s in touched if s in now and now[s].assigned_by in labelled}
    return left | {n.speaker_id for n in changed.names.values() if n.assigned_by in labelled}
