"""Which segment to have named next: the one whose name resolves most others, with a reason. Pure.

A segment is resolved when it has a name that is right. What a name for one segment is expected to resolve is a sum of
probabilities over those that would follow it; a question about a voice that was asked about already is worth less.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float64, Int64

from services.clusterer.identification.answer import NOBODY, NOBODY_VERDICT, Identified
from shared.wording import counted

NOISE: Final = -1

Why = Literal["names_cluster", "decides_between", "checks_name", "checks_suggestion", "names_one"]

_AGAIN: Final = 0.5
"""What another question is worth once one of the same voice, or of the same cluster in vain, was asked: half."""

_SUREST_CLUSTER: Final = 0.95
"""No cluster is surer of a member than that."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What is known of every segment, by its row. Speakers are rows of what was enrolled, or NOBODY."""

    clusters: Int64[np.ndarray, " segments"]  # numbered from 0 on, or NOISE
    membership: Float64[np.ndarray, " segments"]  # how firmly each belongs to its cluster, or its voice of it, 0 to 1
    said: Int64[np.ndarray, " segments"]  # what a person said of this very segment
    named: Int64[np.ndarray, " segments"]  # the name that it has now, whoever or whatever gave it
    guessed: Bool[np.ndarray, " segments"]  # that name is identification's
    identified: Identified  # of every segment, whether it is open to rules or not
    asked: Bool[np.ndarray, " segments"]  # it was put to a person, who did not know or did not want to say
    exemplars: dict[int, tuple[int, ...]]  # of each cluster, most typical first


@dataclass(frozen=True, slots=True)
class Question:
    """A segment to have named, and why this one."""

    segment: int
    expected_resolved: float  # how many segments are right after the answer that are not now, on average
    why: Why
    n_segments: int  # that the answer bears upon
    cluster: int  # or NOISE
    speakers: tuple[int, ...]  # whom it is between, the likeliest first; may be empty

    def reason(self, names: dict[int, str]) -> str:
        """For people: a few words without a full stop."""
        who = [names[s] for s in self.speakers]
        match self.why:
            case "names_cluster":
                return f"names {counted(self.n_segments, 'segment')} of an unnamed cluster"
            case "decides_between":
                return f"decides between {who[0]} and {who[1]} for {counted(self.n_segments, 'segment')}"
            case "checks_name":
                return f"checks a doubtful name: {who[0]}"
            case "checks_suggestion":
                return f"may be {who[0]}"
            case "names_one":
                return "names a segment that is like no other"


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Questions of one kind; each is of one segment and one voice."""

    why: Why
    segments: Int64[np.ndarray, " n"]
    resolved: Float64[np.ndarray, " n"]
    sizes: Int64[np.ndarray, " n"]


def questions(scene: Scene, n_wanted: int) -> list[Question]:
    """The best questions, best first; no segment that a person spoke of, or was asked about, is among them.

    Costs a few sorts of all segments.
    """
    kinds = (_of_unnamed_clusters(scene), _of_disputed_names(scene), _of_single_segments(scene))
    segments = np.concatenate([k.segments for k in kinds])
    kind = np.arange(len(kinds)).repeat([len(k.segments) for k in kinds])
    sizes = np.concatenate([k.sizes for k in kinds])
    resolved = np.concatenate([k.resolved for k in kinds]) * _AGAIN ** _asked_in_vain(scene)[segments]
    worth = resolved * _AGAIN ** _rank_within(_voices(scene, segments), resolved, segments)
    doubt = 1 - scene.identified.probability[segments]
    order = np.lexsort((segments, -doubt, -worth))  # of two that resolve as much, the less certain one
    once = np.sort(np.unique(segments[order], return_index=True)[1])  # a segment asks its best question only
    best = order[once][:n_wanted]
    return [_question(scene, kinds[kind[i]].why, int(segments[i]), float(worth[i]), int(sizes[i])) for i in best]


def _of_unnamed_clusters(scene: Scene) -> _Candidates:
    """For each cluster of which nobody said anything, its most typical segment that was not asked about."""
    n_clusters = int(scene.clusters.max(initial=NOISE)) + 1
    inside = scene.clusters != NOISE
    spoken_of = np.bincount(scene.clusters[inside & (scene.said != NOBODY)], minlength=n_clusters) > 0
    weights = np.where(inside, _unresolved(scene) * scene.membership, 0.0)
    resolved = np.bincount(scene.clusters[inside], weights[inside], minlength=n_clusters)
    unnamed = inside & (_unresolved(scene) > 0)
    sizes = np.bincount(scene.clusters[unnamed], minlength=n_clusters)
    typical = _typical(scene, n_clusters)
    open_ones = np.flatnonzero(~spoken_of & (resolved > 0) & (typical >= 0))
    return _Candidates("names_cluster", typical[open_ones], resolved[open_ones], sizes[open_ones])


def _typical(scene: Scene, n_clusters: int) -> Int64[np.ndarray, " clusters"]:
    """The first exemplar of each cluster that may be asked about, else its firmest such member, else -1."""
    free = ~scene.asked & (scene.said == NOBODY) & (scene.clusters != NOISE)
    rows = np.flatnonzero(free)
    firmest_last = rows[np.lexsort((-rows, scene.membership[rows]))]
    typical = np.full(n_clusters, -1)
    typical[scene.clusters[firmest_last]] = firmest_last
    for cluster, exemplars in scene.exemplars.items():
        typical[cluster] = next((e for e in exemplars if free[e]), typical[cluster])
    return typical


def _of_disputed_names(scene: Scene) -> _Candidates:
    """For each cluster with a name, and each other speaker whom members sound like, the likeliest of those members.

    The answer bears upon all of them: if it is the other speaker, the cluster is of one voice more, and each member
    follows the nearest.
    """
    found = scene.identified
    disputed = (
        (scene.clusters != NOISE)
        & (scene.named != NOBODY)
        & ~scene.guessed
        & (scene.said == NOBODY)
        & (found.verdict != NOBODY_VERDICT)
        & (found.nearest != scene.named)
        & ~scene.asked
    )
    rows = np.flatnonzero(disputed)
    pairs = np.stack([scene.clusters[rows], found.nearest[rows]], axis=1)
    _, group = np.unique(pairs, axis=0, return_inverse=True)
    group = group.reshape(len(rows))
    sizes = np.bincount(group)
    likeliest = np.full(len(sizes), -1)
    order = np.lexsort((-rows, found.probability[rows]))
    likeliest[group[order]] = rows[order]
    return _Candidates("decides_between", likeliest, np.bincount(group, found.probability[rows]), sizes)


def _of_single_segments(scene: Scene) -> _Candidates:
    """Segments that no cluster speaks for: noise, and members of clusters with names that follow none of those.

    And last of all those whom their cluster gave a name that they do not much sound like.
    """
    follows = (scene.named != NOBODY) & ~scene.guessed
    inside = scene.clusters != NOISE
    with_names = np.unique(scene.clusters[inside & (follows | (scene.said != NOBODY))])
    alone = ~inside | np.isin(scene.clusters, with_names)
    alone &= (scene.said == NOBODY) & ~scene.asked
    unresolved = _unresolved(scene)
    rows = np.flatnonzero(alone & (unresolved > 0))
    return _Candidates("names_one", rows, unresolved[rows] + _passed_on(scene)[rows], np.ones(len(rows), np.int64))


def _passed_on(scene: Scene) -> Float64[np.ndarray, " segments"]:
    """How many other suggestions of the same speaker a confirmed one is expected to turn into names.

    With n segments a speaker's mean is 1 / (n + 1) surer for one more, and about as many of the doubtful become sure.
    """
    found = scene.identified
    suggested = (found.verdict != NOBODY_VERDICT) & (scene.named == NOBODY)
    n_speakers = int(max(found.nearest.max(initial=NOBODY), scene.named.max(initial=NOBODY))) + 1
    n_suggested = np.bincount(found.nearest[suggested], minlength=n_speakers)
    n_named = np.bincount(scene.named[scene.named != NOBODY], minlength=n_speakers)
    others = np.append((n_suggested - 1) / (n_named + 1), 0.0)  # its last is what NOBODY reads
    return np.where(suggested, found.probability * others[found.nearest], 0.0)


def _unresolved(scene: Scene) -> Float64[np.ndarray, " segments"]:
    """The probability that each segment has no right name now; of a cluster's name, that both it and the sound err."""
    found = scene.identified
    own = np.where(found.nearest == scene.named, found.probability, 0.0)
    loose = 1 - np.minimum(scene.membership, _SUREST_CLUSTER)
    doubt = (1 - own) * np.where(scene.guessed, 1.0, loose)
    return np.where(scene.said != NOBODY, 0.0, np.where(scene.named == NOBODY, 1.0, doubt))


def _asked_in_vain(scene: Scene) -> Int64[np.ndarray, " segments"]:
    """How many segments of each segment's cluster were asked about without an answer; none of noise."""
    inside = scene.clusters != NOISE
    n_clusters = int(scene.clusters.max(initial=NOISE)) + 1
    asked = np.bincount(scene.clusters[inside & scene.asked], minlength=n_clusters + 1)
    asked[n_clusters] = 0  # what NOISE reads
    counts: Int64[np.ndarray, " segments"] = asked[scene.clusters]
    return counts


def _voices(scene: Scene, segments: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """A number for each question, the same for questions that one answer may settle: those of one likely speaker."""
    found = scene.identified
    likely = found.verdict[segments] != NOBODY_VERDICT
    return np.where(likely, found.nearest[segments], -1 - segments)


def _rank_within(
    voices: Int64[np.ndarray, " n"], resolved: Float64[np.ndarray, " n"], segments: Int64[np.ndarray, " n"]
) -> Int64[np.ndarray, " n"]:
    """How many better questions of the same voice there are."""
    order = np.lexsort((segments, -resolved, voices))
    begins = np.flatnonzero(np.diff(voices[order], prepend=voices[order][:1] - 1))
    ranks = np.empty(len(voices), np.int64)
    ranks[order] = np.arange(len(voices)) - np.repeat(begins, np.diff(begins, append=len(voices)))
    return ranks


def _question(scene: Scene, why: Why, segment: int, resolved: float, n_segments: int) -> Question:
    found = scene.identified
    nearest, runner_up = int(found.nearest[segment]), int(found.runner_up[segment])
    named, cluster = int(scene.named[segment]), int(scene.clusters[segment])
    likely = found.verdict[segment] != NOBODY_VERDICT
    if why == "decides_between":
        return Question(segment, resolved, why, n_segments, cluster, (nearest, named))
    if why == "names_one" and named != NOBODY:
        return Question(segment, resolved, "checks_name", n_segments, cluster, (named,))
    if why == "names_one" and likely and runner_up != NOBODY:
        return Question(segment, resolved, "decides_between", n_segments, cluster, (nearest, runner_up))
    if why == "names_one" and likely:
        return Question(segment, resolved, "checks_suggestion", n_segments, cluster, (nearest,))
    return Question(segment, resolved, why, n_segments, cluster, (nearest,) if likely else ())
