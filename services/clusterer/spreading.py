"""What follows from what people said: names for clusters, then for neighbours. Pure.

Two named speakers are never merged: a cluster in which people named several gives its name to nobody.
"""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from shared.storage.labels import Effect
from shared.storage.speakers import Named

SAID = frozenset({"human", "import"})


def over_cluster(members: Sequence[UUID], speaker_id: UUID, named: Mapping[UUID, Named]) -> list[Effect]:
    """A label that a person gave to the cluster itself: every member that no person named otherwise."""
    return [Effect(m, speaker_id, "cluster") for m in members if m not in named or named[m].assigned_by not in SAID]


def voices_in(members: Iterable[UUID], named: Mapping[UUID, Named]) -> set[UUID]:
    """The speakers that people named inside a cluster."""
    return {named[m].speaker_id for m in members if m in named and named[m].assigned_by in SAID}


def from_members(members: Sequence[UUID], named: Mapping[UUID, Named]) -> list[Effect]:
    """A cluster in which people named exactly one speaker follows that name; otherwise nothing follows."""
    voices = voices_in(members, named)
    return over_cluster(members, next(iter(voices)), named) if len(voices) == 1 else []
