"""How many labels until 95 of 100 segments are right? `next` against labelling in random order.

A labeller who knows the truth names one segment at a time; the name goes to its cluster, and from all who are named to
whoever sounds like them, by the very code that the clusterer runs, in memory. Also shown: one label for each true
speaker, which is what somebody would need who knew them all. EARMARK_BENCH_PLOTS names a folder for curves.
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
from services.clusterer.identification.identifying import identify
from shared.encoders import registry
from shared.encoders.protocol import EncoderOptions, EncoderSpec
from shared.scoring.learning import LARGEST_SAMPLE, learn

FOLDER = Path(os.environ.get("EARMARK_BENCH_FOLDER", "../shared/data/dev"))
PLOTS = os.environ.get("EARMARK_BENCH_PLOTS")
ROUNDS = int(os.environ.get("EARMARK_BENCH_ROUNDS", "5"))
WANTED = 0.95
SHARE_OF_SPEAKERS = 0.8  # another draw of speakers in each round: one collection would be one observation
CLIPS_AT_ONCE = 16


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

    def scene(self) -> Scene:
        """What `next` sees."""
        nobody_asked = np.zeros(len(self.truth), bool)
        said, named = self._place[self.said], self._place[self._named]
        return Scene(
            self._clusters, self._membership, said, named, self._guessed, self._identified, nobody_asked, exemplars={}
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
        """What was said, and for the rest of a cluster in which one speaker was named, that one."""
        named = self.said.copy()
        for number in np.unique(self._clusters[(self.said != NOBODY) & (self._clusters != NOISE)]):
            members = np.flatnonzero(self._clusters == number)
            voices = np.unique(self.said[members][self.said[members] != NOBODY])
            if len(voices) == 1:
                named[members] = np.where(self.said[members] == NOBODY, voices[0], self.said[members])
        return named

    def _enrolled(self, speakers: np.ndarray) -> Enrolled:
        of_whom = [np.flatnonzero(self._named == s) for s in speakers]
        return Enrolled(
            np.array([self._scored[rows].sum(axis=0) for rows in of_whom]).reshape(-1, self._scored.shape[1]),
            np.array([len(rows) for rows in of_whom], np.int64),
            np.array([self._durations_s[rows].sum() for rows in of_whom], np.float64),
        )


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


def curve(collection: Collection, spec: EncoderSpec, choose: Chooser) -> list[float]:
    """The share that is right after 0, 1, 2, ... labels, until all was asked or is right."""
    labelling = Labelling(collection, spec)
    shares = [labelling.share_right()]
    while shares[-1] < 1 and (segment := choose(labelling)) is not None:
        labelling.label(segment)
        shares.append(labelling.share_right())
    return shares


def labels_until(shares: list[float], wanted: float) -> float:
    """How many labels it took; infinity if it never came to that."""
    return next((float(n) for n, share in enumerate(shares) if share >= wanted), float("inf"))


def run() -> Iterator[Comparison]:
    """One comparison for each part of the folder."""
    if not FOLDER.is_dir():
        print(f"label_economy: left out, {FOLDER} is not there; EARMARK_BENCH_FOLDER names another set")
        return
    spec = registry.spec("ge2e")
    for part, tasks in (("speech", {"speaker_utt", "speaker_seg"}), ("words", {"word"})):
        whole = _embedded(tasks)
        found: dict[str, list[list[float]]] = {"next": [], "random": [], "one each": []}
        for n in range(ROUNDS):
            rng = np.random.default_rng(n)
            drawn = whole.draw(rng)
            for name, choose in (("next", by_next), ("random", at_random(rng)), ("one each", one_each(rng))):
                found[name].append(curve(drawn, spec, choose))
        n_segments = np.mean([(len(whole.truth) * SHARE_OF_SPEAKERS)])
        print(_table(part, found))
        if PLOTS:
            _plot(part, found, Path(PLOTS) / f"label_economy_{part}.png")
        ours, theirs = ([labels_until(c, WANTED) for c in found[name]] for name in ("next", "random"))
        name = f"labels until {WANTED:.0%} of about {n_segments:.0f} segments of {part} are right"
        yield Comparison(name, "random order", "labels", ours, theirs, 1.5)


def _embedded(tasks: set[str]) -> Collection:
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


def _table(part: str, found: dict[str, list[list[float]]]) -> str:
    marks = (10, 25, 50, 75, 100, 200, 400)
    lines = [f"{part}: share right after so many labels (medians), and labels until 95 %, 99 %"]
    for name, curves in found.items():
        shares = [np.median([c[min(n, len(c) - 1)] for c in curves]) for n in marks]
        until = [np.median([labels_until(c, wanted) for c in curves]) for wanted in (WANTED, 0.99)]
        at_end = np.median([len(c) - 1 for c in curves])
        cells = "  ".join(f"{n}: {share:5.1%}" for n, share in zip(marks, shares, strict=True))
        lines.append(f"  {name:9s} {cells}   95 %: {until[0]:g}  99 %: {until[1]:g}  (ends after {at_end:g})")
    return "\n".join(lines)


def _plot(part: str, found: dict[str, list[list[float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot(xlabel="labels", ylabel="segments with their right name, %", title=part)
    for (name, curves), colour in zip(found.items(), ("C0", "C1", "C2"), strict=True):
        for n, shares in enumerate(curves):
            axes.plot([100 * share for share in shares], colour, alpha=0.6, label=name if n == 0 else None)
    axes.axhline(100 * WANTED, color="grey", linestyle=":")
    axes.legend(loc="lower right")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
