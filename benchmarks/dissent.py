"""One label that dissents from its cluster: which of the other members follow the right voice, a wrong one, or none.

Real segments and the clusters that are found of them, which people contest in four ways; names by the very code that
the clusterer runs, before identification looks at those who follow none. Each way is repeated over draws of speakers.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.label_economy import FOLDER, PARTS, ROUNDS, Collection, embedded
from benchmarks.report import Comparison
from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.types import Anchor
from services.clusterer.identification.calibration import Calibration, Enrolled
from services.clusterer.identification.fitting import before_labels
from services.clusterer.identification.identifying import identify_among
from shared.encoders import registry
from shared.encoders.protocol import EncoderSpec
from shared.scoring.learning import learn

SUREST = (0.0, 0.8, 0.95, 0.99)
SMALLEST = 4  # segments of one speaker in a cluster, for the cluster to be contested


@dataclass(frozen=True)
class Heard:
    """A collection as the clusterer hears it."""

    drawn: Collection
    scored: np.ndarray
    calibration: Calibration
    members: list[np.ndarray]  # of each cluster

    def nearest_stranger(self, own: np.ndarray) -> np.ndarray:
        """The segment of another speaker that is most like these, which are of one."""
        others = np.flatnonzero(self.drawn.truth != self.drawn.truth[own[0]])
        return others[[(self.scored[others] @ self.scored[own].mean(axis=0)).argmax()]]

    def of_most(self, members: np.ndarray) -> np.ndarray:
        """Those of the speaker who has most of them."""
        return members[self.drawn.truth[members] == np.bincount(self.drawn.truth[members]).argmax()]


def heard(drawn: Collection, spec: EncoderSpec) -> Heard:
    """Its clusters, and its scores before anybody was named."""
    backend = learn(drawn.rows, spec.assign_threshold)
    scored = backend.scored(drawn.rows)
    calibration = before_labels(scored, backend.n_voices, spec.min_duration_s)
    labels = cluster(drawn.rows, drawn.durations_s, Anchor(spec.assign_threshold, spec.min_duration_s)).labels
    return Heard(drawn, scored, calibration, [np.flatnonzero(labels == n) for n in range(labels.max() + 1)])


Contest = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""What was done, the cluster's members, and the one segment that was named of either speaker."""


def contests(found: Heard, rng: np.random.Generator) -> Iterator[Contest]:
    """Every cluster of some size, contested in each way that it allows."""
    truth, large = found.drawn.truth, [m for m in found.members if len(found.of_most(m)) >= SMALLEST]
    means = np.array([found.scored[found.of_most(m)].mean(axis=0) for m in large])
    for i, members in enumerate(large):
        own = found.of_most(members)
        first, second = (own[[n]] for n in rng.choice(len(own), 2, replace=False))
        yield "one voice under two names", members, first, second
        if len(own) < len(members):
            yield "another voice in it, as found", members, first, rng.choice(np.setdiff1d(members, own), 1)
        stranger = found.nearest_stranger(own)
        yield "the nearest stranger put in", np.union1d(members, stranger), first, stranger
        others = [n for n, m in enumerate(large) if truth[found.of_most(m)[0]] != truth[own[0]]]
        if others:
            near = large[others[int((means[others] @ means[i]).argmax())]]
            yield "with the nearest cluster", np.union1d(members, near), first, rng.choice(found.of_most(near), 1)


def outcome(found: Heard, contest: Contest) -> np.ndarray:
    """(rules, 3): how many of the others follow the right voice, a wrong one, and none; a rule for each of SUREST."""
    name, members, *named = contest
    asked = np.setdiff1d(members, np.concatenate(named))
    voices = Enrolled.added_up(found.scored, found.drawn.durations_s, named)
    nearest, sure = identify_among(found.scored[asked], found.drawn.durations_s[asked], voices, found.calibration)
    right = found.drawn.truth[np.concatenate(named)][nearest] == found.drawn.truth[asked]
    if name.startswith("one voice"):
        right &= nearest == 0  # the second name is a slip
    follows = sure >= np.array(SUREST)[:, None]
    return np.stack([(follows & right).sum(axis=1), (follows & ~right).sum(axis=1), (~follows).sum(axis=1)], axis=1)


def run() -> Iterator[Comparison]:
    """Prints one table for each part of the folder; there is no peer."""
    if not FOLDER.is_dir():
        print(f"dissent: left out, {FOLDER} is not there; EARMARK_BENCH_FOLDER names another set")
        return
    spec = registry.spec("ge2e")
    for part, tasks in PARTS:
        whole, counts = embedded(tasks), dict[str, np.ndarray]()
        for n in range(ROUNDS):
            rng = np.random.default_rng(n)
            found = heard(whole.draw(rng), spec)
            for contest in contests(found, rng):
                counts[contest[0]] = counts.get(contest[0], 0) + outcome(found, contest)
        print(f"{part}: right / wrong / none of the other members, by how sure a name has to be")
        for way, table in counts.items():
            shares = table / table.sum(axis=1, keepdims=True)
            cells = "  ".join(
                f"{s:g}: {a:.1%} / {b:.1%} / {c:.1%}" for s, (a, b, c) in zip(SUREST, shares, strict=True)
            )
            print(f"  {way:30s} {cells}  of {table[0].sum()}")
    yield from ()
