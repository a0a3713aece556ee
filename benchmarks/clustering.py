"""Clusters from vectors: against `hdbscan` and `fast_hdbscan`, what a refit costs, and what 100,000 rows need."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before numpy: one process a core is how workers run

import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import process_time
from uuid import UUID

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.report import Comparison
from services.clusterer import judging
from services.clusterer.clustering import state as states
from services.clusterer.clustering.centring import NEIGHBOURS, centred
from services.clusterer.clustering.cluster import Refit, cluster, refit
from services.clusterer.clustering.density import hdbscan as ours
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.types import Anchor
from shared.encoders import registry

GE2E = registry.spec("ge2e")
ANCHOR, LONG_S = Anchor(GE2E.assign_threshold, GE2E.min_duration_s), 3.0
MANY = 100_000
ROWS_IN_ALL = 18_000  # of all rounds: nine of 2,000 rows, in which one may stray, and one of 10,000
PIECES = 20  # rows a voice: more than neighbours, so the graph falls into pieces
SEPARABLE, OVERLAPPING = 0.25, 2.0  # how much a voice varies, against GE2E on read speech


@dataclass(frozen=True)
class Mixture:
    """Made-up voices with GE2E's statistics on read speech (development set): cosine .87 within, .54 between."""

    shared: float = 0.54  # squared length of the mean over voices
    within: float = 0.867  # mean cosine of two rows of one voice
    spread: float = 1.0  # of a voice's own variation, against GE2E's
    n_effective: int = 48  # dimensions: 1 / variance of the cosines between voices, after the mean is taken away
    unlike: float = 0.25  # standard deviation of the log of how much voices, and rows, vary

    def rows(self, counts: Sequence[int], seed: int, dim: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """Unit rows in random order, and whose they are."""
        rng = np.random.default_rng(seed)
        apart, within = (self._directions(rng, dim) for _ in range(2))
        mean = np.abs(rng.normal(size=dim))
        mean *= np.sqrt(self.shared) / np.linalg.norm(mean)
        voices = (
            rng.normal(size=(len(counts), len(apart))).astype(np.float32) @ apart * np.sqrt(self.within - self.shared)
        )
        speakers = np.repeat(np.arange(len(counts)), counts)
        wide = np.sqrt(self.spread * (1 - self.within)) * np.exp(self.unlike * rng.normal(size=len(counts)))[speakers]
        wide *= np.exp(self.unlike * rng.normal(size=len(speakers)))
        rows = np.empty((len(speakers), dim), np.float32)
        for first in range(0, len(rows), 20_000):  # little memory: the benchmark measures the clustering's
            some = slice(first, first + 20_000)
            own = rng.normal(size=(len(speakers[some]), len(within))).astype(np.float32) @ within
            rows[some] = mean + voices[speakers[some]] + own * wide[some, None]
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        order = rng.permutation(len(rows))
        return rows[order], speakers[order]

    def _directions(self, rng: np.random.Generator, dim: int) -> np.ndarray:
        """Directions in which something varies, each as long as makes the variation one in sum."""
        turned = np.linalg.qr(rng.normal(size=(dim, self.n_effective)))[0].T
        return (turned / np.sqrt(self.n_effective)).astype(np.float32)


def run() -> Iterator[Comparison]:
    for n_rows in (2_000, 10_000):
        yield _against(n_rows, SEPARABLE, "hdbscan 0.8", _their_hdbscan, 15)
        yield _against(n_rows, OVERLAPPING, "hdbscan 0.8", _their_hdbscan, 15)
        yield _against(n_rows, SEPARABLE, "fast_hdbscan, warm", _fast_hdbscan, 1)
    yield _against(10_000, SEPARABLE, "hdbscan 0.8", _their_hdbscan, 15, per_voice=PIECES)
    for per_voice in (2, 10, 1000):
        yield from _refit(per_voice)
    yield _memory()


def _against(
    n_rows: int, spread: float, peer: str, fit: Callable[[np.ndarray], np.ndarray], wanted: float, per_voice: int = 10
) -> Comparison:
    """In seconds of the processor: what else the machine does is in neither side."""
    rows, _ = Mixture(spread=spread).rows([per_voice] * (n_rows // per_voice), seed=0)
    rows = centred(rows, rows.mean(axis=0, dtype=np.float64))
    fit(rows[:500])  # compile
    ours_s, theirs_s, agreement = [], [], 1.0
    for _ in range(max(1, ROWS_IN_ALL // n_rows)):
        began = process_time()
        mine = ours(rows, neighbours(rows, NEIGHBOURS), 2, 1).labels
        ours_s.append(process_time() - began)
        began = process_time()
        theirs = fit(rows)
        theirs_s.append(process_time() - began)
        agreement = adjusted_rand_score(theirs, mine)
    name = f"HDBSCAN of {n_rows} x 256, {per_voice} a voice, x {spread:g} as wide as GE2E's, ARI {agreement:.4f}"
    return Comparison(name, peer, "seconds", ours_s, theirs_s, wanted)


def _their_hdbscan(rows: np.ndarray) -> np.ndarray:
    from hdbscan import HDBSCAN

    return HDBSCAN(min_cluster_size=2, min_samples=1, core_dist_n_jobs=1).fit(rows.astype(np.float64)).labels_


def _fast_hdbscan(rows: np.ndarray) -> np.ndarray:
    import numba
    from fast_hdbscan import HDBSCAN

    numba.set_num_threads(1)
    return HDBSCAN(min_cluster_size=2, min_samples=1, metric="euclidean").fit(rows).labels_


def _refit(per_voice: int) -> Iterator[Comparison]:
    """One row in a hundred is new; the state is read and written as it is kept."""
    rows, _ = Mixture().rows([per_voice] * (MANY // per_voice), seed=0)
    ids = np.random.default_rng(0).integers(0, 256, (MANY, 16)).astype(np.uint8)
    durations_s, old = np.full(MANY, LONG_S), slice(MANY // 100, None)
    stored = states.to_bytes(refit(None, ids[old], rows[old], durations_s[old], ANCHOR).state)
    began = process_time()
    again = refit(states.from_bytes(stored), ids, rows, durations_s, ANCHOR)
    states.to_bytes(again.state)
    refitted = process_time()
    _judged(again, ids, rows)
    judged = process_time()
    anew = cluster(rows, durations_s, ANCHOR).labels
    anew_s = process_time() - judged
    agreement = adjusted_rand_score(anew, again.clustering.labels)
    name = f"refit of {MANY} rows, {per_voice} a voice, 1 % of them new; ARI with a run from nothing {agreement:.4f}"
    yield Comparison(name, "a run from nothing", "seconds", [refitted - began], [anew_s], 20)
    name = f"facts to judge the clusters of {MANY} rows by, {per_voice} a voice"
    yield Comparison(name, "a run from nothing", "seconds", [judged - refitted], [anew_s], 5)


def _judged(found: Refit, ids: np.ndarray, rows: np.ndarray) -> None:
    """As after every run; five rows are of one recording."""
    segment_ids = [UUID(bytes=row.tobytes()) for row in ids]
    recordings = {segment_id: UUID(int=at // 5) for at, segment_id in enumerate(segment_ids)}
    judging.judged(found.clustering, found.state, segment_ids, rows, recordings)


def _memory() -> Comparison:
    """In a process of its own: peak memory is of a whole process."""
    command = [sys.executable, "-m", "benchmarks.clustering"]
    peak_mib = float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return Comparison(f"peak memory of clustering and judging {MANY} x 256", "2 GiB", "MiB", [peak_mib], [2048], 1)


def main() -> None:
    rows, _ = Mixture().rows([10] * (MANY // 10), seed=0)
    ids = np.random.default_rng(0).integers(0, 256, (MANY, 16)).astype(np.uint8)
    found = refit(None, ids, rows, np.full(MANY, LONG_S), ANCHOR)
    _judged(found, ids, rows)
    states.to_bytes(found.state)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    main()
