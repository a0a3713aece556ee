"""How many labels until 95 of 100 segments are right? `next` against labelling in random order.

A labeller who knows the truth names one segment at a time; the name goes to its cluster, or in a cluster in which
several were named to those who are nearest to it, and from all who are named to whoever sounds like them, by the very
code that the clusterer runs, in memory. Also shown: one label for each true speaker, which is what somebody would need
who knew them all; and how many of the names that nobody said are wrong. EARMARK_BENCH_PLOTS names a folder for curves.
"""

import csv
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from benchmarks.report import Comparison
from services.clusterer.clustering.cluster import cluster
from services.clusterer.clustering.types import Anchor
from services.clusterer.identification.answer import NOBODY
from services.clusterer.identification.asking import NOISE, Scene, questions
from services.clusterer.identification.calibration import Enrolled
from services.clusterer.identification.fitting import before_labels
from services.clusterer.identification.identifying import identify, identify_among
from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions, EncoderSpec
from shared.scoring.learning import LARGEST_SAMPLE, learn

FOLDER = Path(os.environ.get("EARMARK_BENCH_FOLDER", "../shared/data/dev"))
PLOTS = os.environ.get("EARMARK_BENCH_PLOTS")
ROUNDS = int(os.environ.get("EARMARK_BENCH_ROUNDS", "5"))
WANTED = 0.95
SHARE_OF_SPEAKERS = 0.8  # another draw of speakers in each round: one collection would be one observation
CLIPS_AT_ONCE = 16
PARTS = (("speech", frozenset({"speaker_utt", "speaker_seg"})), ("words", frozenset({"word"})))


@dataclass(frozen=True)
class Collection:
    """Segments with their vectors and their true speakers, numbered from 0 on."""

    rows: np.ndarray
    durations_s: np.ndarray
    truth: np.ndarray

    def draw(self, rng: np.random.Generator) -> "Collection":
        """All segments of some of the speakers."""
        speakers = np.unique(self.truth)
        kept = rng.permutation(speakers)[: round(SHARE_OF_SPEAKERS * len(speakers))]
        mine = np.isin(self.truth, kept)
        return Collection(self.rows[mine], self.durations_s[mine], np.unique(self.truth[mine], return_inverse=True)[1])


class Labelling:
    """A collection on the way to being named. Speakers are numbered as in the truth."""

    def __init__(self, collection: Collection, spec: EncoderSpec) -> None:
        self.truth = collection.truth
        self._durations_s = collection.durations_s
        backend = learn(collection.rows[:LARGEST_SAMPLE], spec.assign_threshold)
        self._scored = backend.scored(collection.rows)
        self._calibration = before_labels(self._scored, backend.n_voices, spec.min_duration_s)
        found = cluster(collection.rows, self._durations_s, Anchor(spec.assign_threshold, spec.min_duration_s))
        self._clusters, self._membership = found.labels, found.probabilities
        self.said = np.full(len(self.truth), NOBODY)
        self._follow()

    def label(self, segment: int) -> None:
        """The labeller names a segment; names follow."""
        self.said[segment] = self.truth[segment]
        self._follow()

    def share_right(self) -> float:
        """Of all segments, those that have their right name."""
        return float((self._named == self.truth).mean())

    def wrong(self) -> tuple[int, int]:
        """How many names are wrong, and how many there are, of those that nobody said."""
        followed = (self.said == NOBODY) & (self._named != NOBODY)
        return int((self._named != self.truth)[followed].sum()), int(followed.sum())

    def scene(self) -> Scene:
        """What `next` sees."""
        nobody_asked = np.zeros(len(self.truth), bool)
        said, named = self._place[self.said], self._place[self._named]
        return Scene(
            self._clusters, self._firmness, said, named, self._guessed, self._identified, nobody_asked, exemplars={}
        )

    def _follow(self) -> None:
        self._named = self._by_clusters()
        speakers = np.unique(self._named[self._named != NOBODY])
        self._place = np.full(int(self.truth.max()) + 2, NOBODY)  # its last is what NOBODY reads
        self._place[speakers] = np.arange(len(speakers))
        self._identified = identify(self._scored, self._durations_s, self._enrolled(speakers), self._calibration)
        sure = self._identified.assigned()
        self._guessed = np.zeros(len(self.truth), bool)
        self._guessed[sure] = self._named[sure] == NOBODY
        self._named[self._guessed] = speakers[self._identified.nearest[self._guessed]]

    def _by_clusters(self) -> np.ndarray:
        """What was said, and for the rest of a cluster the one speaker who was named in it, or the nearest of those."""
        named = self.said.copy()
        self._firmness = self._membership.copy()
        for number in np.unique(self._clusters[(self.said != NOBODY) & (self._clusters != NOISE)]):
            members = np.flatnonzero(self._clusters == number)
            voices = np.unique(self.said[members][self.said[members] != NOBODY])
            asked = members[self.said[members] == NOBODY]
            if len(voices) == 1:
                named[asked] = voices[0]
            elif len(asked):
                of_whom = [members[self.said[members] == voice] for voice in voices]
                self._decide(named, asked, voices, of_whom)
        return named

    def _decide(self, named: np.ndarray, asked: np.ndarray, voices: np.ndarray, of_whom: list[np.ndarray]) -> None:
        """As `services.clusterer.contests` does."""
        enrolled = Enrolled.added_up(self._scored, self._durations_s, of_whom)
        nearest, sure = identify_among(self._scored[asked], self._durations_s[asked], enrolled, self._calibration)
        follows = sure >= self._calibration.assign
        named[asked[follows]] = voices[nearest[follows]]
        self._firmness[asked[follows]] *= sure[follows]

    def _enrolled(self, speakers: np.ndarray) -> Enrolled:
        of_whom = [np.flatnonzero(self._named == s) for s in speakers]
        return Enrolled.added_up(self._scored, self._durations_s, of_whom)


Chooser = Callable[[Labelling], int | None]


def by_next(labelling: Labelling) -> int | None:
    """What Earmark would have named."""
    best = questions(labelling.scene(), 1)
    return best[0].segment if best else None


def at_random(rng: np.random.Generator) -> Chooser:
    """Any segment that was not named by hand."""

    def choose(labelling: Labelling) -> int | None:
        left = np.flatnonzero(labelling.said == NOBODY)
        return int(rng.choice(left)) if len(left) else None

    return choose


def one_each(rng: np.random.Generator) -> Chooser:
    """Any segment of any speaker of whom none was named by hand; then nothing."""

    def choose(labelling: Labelling) -> int | None:
        known = np.unique(labelling.said[labelling.said != NOBODY])
        left = np.flatnonzero(~np.isin(labelling.truth, known))
        return int(rng.choice(left)) if len(left) else None

    return choose


@dataclass(frozen=True)
class Curve:
    """The share that is right after 0, 1, 2, ... labels, until all was asked or is right.

    And of the names that nobody said, after each label, how many there were and how many were wrong, all added up.
    """

    shares: list[float]
    n_wrong: int
    n_followed: int


def curve(collection: Collection, spec: EncoderSpec, choose: Chooser) -> Curve:
    """Label until there is nothing left to choose."""
    labelling = Labelling(collection, spec)
    shares, counts = [labelling.share_right()], [labelling.wrong()]
    while shares[-1] < 1 and (segment := choose(labelling)) is not None:
        labelling.label(segment)
        shares.append(labelling.share_right())
        counts.append(labelling.wrong())
    n_wrong, n_followed = (sum(column) for column in zip(*counts, strict=True))
    return Curve(shares, n_wrong, n_followed)


def labels_until(shares: list[float], wanted: float) -> float:
    """How many labels it took; infinity if it never came to that."""
    return next((float(n) for n, share in enumerate(shares) if share >= wanted), float("inf"))


def run() -> Iterator[Comparison]:
    """One comparison for each part of the folder."""
    if not FOLDER.is_dir():
        print(f"label_economy: left out, {FOLDER} is not there; EARMARK_BENCH_FOLDER names another set")
        return
    spec = registry.spec("ge2e")
    for part, tasks in PARTS:
        whole = embedded(tasks)
        found: dict[str, list[Curve]] = {"next": [], "random": [], "one each": []}
        for n in range(ROUNDS):
            rng = np.random.default_rng(n)
            drawn = whole.draw(rng)
            for name, choose in (("next", by_next), ("random", at_random(rng)), ("one each", one_each(rng))):
                found[name].append(curve(drawn, spec, choose))
        n_segments = np.mean([(len(whole.truth) * SHARE_OF_SPEAKERS)])
        print(_table(part, found))
        if PLOTS:
            _plot(part, found, Path(PLOTS) / f"label_economy_{part}.png")
        ours, theirs = ([labels_until(c.shares, WANTED) for c in found[name]] for name in ("next", "random"))
        name = f"labels until {WANTED:.0%} of about {n_segments:.0f} segments of {part} are right"
        yield Comparison(name, "random order", "labels", ours, theirs, 1.5)


def embedded(tasks: frozenset[str]) -> Collection:
    """Every segment of these tasks of the folder, with its vector by GE2E."""
    with (FOLDER / "manifest.csv").open() as lines:
        listed = [row for row in csv.DictReader(lines) if row["task"] in tasks]
    encoder = registry.build("ge2e", EncoderOptions())
    rows, durations_s = [], []
    for begin in range(0, len(listed), CLIPS_AT_ONCE):
        clips = [soundfile.read(FOLDER / row["path"], dtype="float32")[0] for row in listed[begin:][:CLIPS_AT_ONCE]]
        rows.append(encoder.embed(clips))
        durations_s += [clip.size / encoder.spec.sample_rate_hz for clip in clips]
    truth = np.unique([row["speaker_id"] for row in listed], return_inverse=True)[1]
    return Collection(np.concatenate(rows), np.array(durations_s), truth)


def _table(part: str, found: dict[str, list[Curve]]) -> str:
    marks = (10, 25, 50, 75, 100, 200, 400)
    lines = [f"{part}: share right after so many labels (medians), and labels until 95 %, 99 %"]
    for name, curves in found.items():
        shares = [np.median([c.shares[min(n, len(c.shares) - 1)] for c in curves]) for n in marks]
        until = [np.median([labels_until(c.shares, wanted) for c in curves]) for wanted in (WANTED, 0.99)]
        at_end = np.median([len(c.shares) - 1 for c in curves])
        wrong = sum(c.n_wrong for c in curves) / sum(c.n_followed for c in curves)
        cells = "  ".join(f"{n}: {share:5.1%}" for n, share in zip(marks, shares, strict=True))
        lines.append(f"  {name:9s} {cells}   95 %: {until[0]:g}  99 %: {until[1]:g}  (ends after {at_end:g})")
        lines.append(f"  {'':9s} wrong of the names that nobody said: {wrong:.1%}")
    return "\n".join(lines)


def _plot(part: str, found: dict[str, list[Curve]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="labels", ylabel="segments with their right name, %", title=part)
    for (name, curves), colour in zip(found.items(), ("C0", "C1", "C2"), strict=True):
        for n, one in enumerate(curves):
            axes.plot([100 * share for share in one.shares], colour, alpha=0.6, label=name if n == 0 else None)
    axes.axhline(100 * WANTED, color="grey", linestyle=":")
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
