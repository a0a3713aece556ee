"""Whom the members of contested clusters follow: the nearest of the voices that people named in each.

The cluster says that a member is of one of its voices; which one, the collection's calibration must say as surely as it
must to give a name unasked. Where it is less sure, the name is left to identification: a wrong one spreads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from jaxtyping import Int64

from services.clusterer import hearing
from services.clusterer.hearing import Ear
from services.clusterer.identification.calibration import Enrolled
from services.clusterer.identification.identifying import identify_among
from services.clusterer.spaces import Space
from services.clusterer.spreading import Membership, Rejections, Voice
from shared.storage import embeddings, segments
from shared.storage.database import Transaction
from shared.storage.labels import Named, Names


def names(
    tx: Transaction,
    space: Space,
    contested: Mapping[UUID, Sequence[Voice]],
    members: Mapping[UUID, Membership],
    rejected: Rejections,
    now: Names,
) -> Names:
    """The names of those `members`, nobody of whom has a word of their own, that follow a voice of their cluster.

    Sure as far as the segment belongs to the cluster, times the probability that it is of that voice, if it is of one
    of those that people did not rule out. What cannot be compared, for lack of vectors in the encoder's newest space,
    keeps the name that a voice of the cluster gave it.
    """
    inside: dict[UUID, dict[UUID, float]] = {}
    for segment_id, member in sorted(members.items()):
        if member.cluster_id in contested:
            inside.setdefault(member.cluster_id, {})[segment_id] = member.probability
    ear = hearing.ear_of(tx, space) if inside else None
    found: Names = {}
    for cluster_id, own in inside.items():
        voices = contested[cluster_id]
        followed, compared = _followed(tx, space, ear, voices, own, rejected) if ear else ({}, set())
        kept = _kept({s: now[s] for s in own if s in now and s not in compared}, voices, rejected)
        found |= followed | kept
    return found


def _followed(
    tx: Transaction,
    space: Space,
    ear: Ear,
    voices: Sequence[Voice],
    members: Mapping[UUID, float],
    rejected: Rejections,
) -> tuple[Names, set[UUID]]:
    """The names of those who surely are of one voice; and who was compared with the voices at all."""
    spoken_of = [s for voice in voices for s in voice.segment_ids]
    vectors = embeddings.of_segments(tx, space.encoder, [*members, *spoken_of])
    row_of = {s: row for row, s in enumerate(vectors.segment_ids())}
    of_whom = [[row_of[s] for s in voice.segment_ids if s in row_of] for voice in voices]
    asked = [s for s in members if s in row_of]
    if not asked or not all(of_whom):  # of a voice without a vector nobody can say that another one is nearer
        return {}, set()
    rows, durations_s = ear.backend.scored(vectors.rows), segments.durations_s(tx, list(row_of))
    queries = [row_of[s] for s in asked]
    nearest, probability = identify_among(
        rows[queries],
        durations_s[queries],
        Enrolled.added_up(rows, durations_s, of_whom),
        ear.calibration,
        _forbidden(asked, voices, rejected),
    )
    followed: Names = {}
    for row in np.flatnonzero(probability >= ear.calibration.assign):
        word, sure = voices[nearest[row]].last, members[asked[row]] * float(probability[row])
        followed[asked[row]] = Named(word.speaker_id, "cluster", sure, word.label_id)
    return followed, set(asked)


def _forbidden(asked: Sequence[UUID], voices: Sequence[Voice], rejected: Rejections) -> Int64[np.ndarray, "pairs 2"]:
    of_voices = [voice.last.speaker_id for voice in voices]
    pairs = [(q, v) for q, s in enumerate(asked) for v, p in enumerate(of_voices) if (s, p) in rejected]
    return np.array(pairs, np.int64).reshape(-1, 2)


def _kept(now: Names, voices: Sequence[Voice], rejected: Rejections) -> Names:
    """Those of the names that a voice of the cluster gave and may go on giving."""
    last = {voice.last.speaker_id: voice.last for voice in voices}
    return {
        segment_id: replace(name, because_id=last[name.speaker_id].label_id)
        for segment_id, name in now.items()
        if name.assigned_by == "cluster" and name.speaker_id in last and (segment_id, name.speaker_id) not in rejected
    }
