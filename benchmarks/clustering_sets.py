"""How good the clusters are, on real speech in many mixtures and on made-up voices; prints tables as markdown.

`python -m benchmarks.clustering_sets [FOLDER]`: vectors of the development set are kept in FOLDER between runs.
Noise counts as clusters of one row for the adjusted Rand index; purity is of what is not noise; coverage is its share.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from unittest.mock import patch

import numpy as np
import soundfile
from scipy.signal import fftconvolve
from sklearn.metrics import adjusted_rand_score

from benchmarks.clustering import ANCHOR, Mixture
from services.clusterer.clustering import arrivals, centring, choose, density, scale
from services.clusterer.clustering import cluster as clusters
from services.clusterer.clustering.alternatives import by_method
from services.clusterer.clustering.centring import NEIGHBOURS, centred
from services.clusterer.clustering.neighbours import neighbours
from services.clusterer.clustering.types import NOISE, Anchor
from shared.encoders import registry
from shared.encoders.protocol import Encoder, EncoderOptions

DEV = Path(__file__).parent.parent.parent / "shared" / "data" / "dev"
RATE_HZ = 16_000


@dataclass(frozen=True)
class Labelled:
    """Rows with the truth."""

    rows: np.ndarray
    speakers: np.ndarray
    durations_s: np.ndarray

    def some(self, at: np.ndarray) -> "Labelled":
        """Some of the rows."""
        return Labelled(self.rows[at], self.speakers[at], self.durations_s[at])

    def beside(self, other: "Labelled") -> "Labelled":
        """These rows, then the others."""
        return Labelled(*(np.concatenate(pair) for pair in zip(self._fields(), other._fields(), strict=True)))

    def _fields(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.rows, self.speakers, self.durations_s


@dataclass(frozen=True)
class Score:
    """Higher is better, 1 is right."""

    ari: float
    purity: float
    coverage: float

    def __str__(self) -> str:
        return f"{self.ari:.3f} / {self.purity:.2f} / {self.coverage:.2f}"


def score(labels: np.ndarray, speakers: np.ndarray) -> Score:
    alone = np.where(labels == NOISE, len(labels) + np.arange(len(labels)), labels)
    inside = labels != NOISE
    pure = sum(max(Counter(speakers[labels == n].tolist()).values()) for n in np.unique(labels[inside]))
    return Score(adjusted_rand_score(speakers, alone), pure / max(1, int(inside.sum())), float(inside.mean()))


def auto(given: Labelled) -> np.ndarray:
    return clusters.cluster(given.rows, given.durations_s, ANCHOR).labels


def _hdbscan(given: Labelled, size: int, samples: int) -> np.ndarray:
    turned = centred(given.rows, given.rows.mean(axis=0, dtype=np.float64))
    return density.hdbscan(turned, neighbours(turned, NEIGHBOURS), size, samples).labels


# ---- sets


def embedded(folder: Path) -> dict[str, Labelled]:
    """The development set as it is, cut short, in noise and in rooms."""
    target = folder / "clustering_sets.npz"
    if not target.exists():
        arrays = {}
        for name, given in _embed(registry.build("ge2e", EncoderOptions())):
            arrays |= {f"{name}.rows": given.rows, f"{name}.who": given.speakers, f"{name}.s": given.durations_s}
        np.savez(target, **arrays)
    with np.load(target, allow_pickle=False) as a:
        names = [key.removesuffix(".rows") for key in a.files if key.endswith(".rows")]
        return {name: Labelled(a[f"{name}.rows"], a[f"{name}.who"], a[f"{name}.s"]) for name in names}


def _embed(encoder: Encoder) -> Iterator[tuple[str, Labelled]]:
    with (DEV / "manifest.csv").open() as lines:
        entries = list(csv.DictReader(lines))
    speech = [e for e in entries if e["path"].startswith("speech/")]
    words = [e for e in entries if e["path"].startswith("words/")]
    clips = [_read(DEV / e["path"]) for e in speech]
    who = np.array([e["speaker_id"] for e in speech])
    for name, changed in _changed(clips).items():
        yield name, _labelled(encoder, changed, who)
    yield (
        "words",
        _labelled(encoder, [_read(DEV / e["path"]) for e in words], np.array([e["speaker_id"] for e in words])),
    )


def _read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def _changed(clips: list[np.ndarray]) -> dict[str, list[np.ndarray]]:
    rng = np.random.default_rng(0)
    noises = [_read(path) for path in sorted((DEV / "noise").glob("*.flac"))]
    rooms = [_read(path) for path in sorted((DEV / "rir").glob("*.flac"))]
    sets = {"speech": clips}
    for snr_db in (20, 10, 5):
        sets[f"noise, {snr_db} dB"] = [_noisy(c, noises[n % len(noises)], snr_db, rng) for n, c in enumerate(clips)]
    sets["rooms"] = [_level(fftconvolve(c, rooms[n % len(rooms)])[: len(c)], c) for n, c in enumerate(clips)]
    sets["a third each clean, noise 10 dB, rooms"] = [
        (sets["speech"], sets["noise, 10 dB"], sets["rooms"])[n % 3][n] for n in range(len(clips))
    ]
    for length_s in (2.0, 1.0, 0.5, 0.3):
        sets[f"cuts of {length_s:g} s"] = [_middle(c, round(length_s * RATE_HZ)) for c in clips]
    return {name: [(c / max(1, np.abs(c).max())).astype(np.float32) for c in some] for name, some in sets.items()}


def _noisy(clip: np.ndarray, noise: np.ndarray, snr_db: float, rng: np.random.Generator) -> np.ndarray:
    under = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(clip))
    return clip + _level(under, clip) * 10 ** (-snr_db / 20)


def _level(clip: np.ndarray, like: np.ndarray) -> np.ndarray:
    return clip * np.sqrt((like**2).mean() / max(float((clip**2).mean()), 1e-12))


def _middle(clip: np.ndarray, n_samples: int) -> np.ndarray:
    first = max(0, (len(clip) - n_samples) // 2)
    return clip[first : first + n_samples]


def _labelled(encoder: Encoder, clips: list[np.ndarray], who: np.ndarray) -> Labelled:
    rows = np.concatenate([encoder.embed(clips[n : n + 16]) for n in range(0, len(clips), 16)])
    return Labelled(rows, who, np.array([len(c) / RATE_HZ for c in clips]))


def real(sets: Mapping[str, Labelled], seed: int) -> dict[str, Labelled]:
    """Mixtures of the development set's speakers."""
    rng, speech, words = np.random.default_rng(seed), sets["speech"], sets["words"]
    names, counts = np.unique(speech.speakers, return_counts=True)
    large = names[counts >= 10]

    def of(who: Sequence[str], most: Sequence[int]) -> Labelled:
        at = [rng.permutation(np.flatnonzero(speech.speakers == w))[:n] for w, n in zip(who, most, strict=True)]
        return speech.some(np.sort(np.concatenate(at)))

    found = {"all 68 speakers": speech}
    for n in (1, 2, 5, 20):
        found[f"{n} speakers, 3 to 16 each"] = of(rng.choice(names, n, replace=False), [99] * n)
    found["68 speakers, 2 each"] = of(names, [2] * len(names))
    found["8 speakers, 10 each"] = of(large, [10] * len(large))
    found["68 speakers, 1 to 16 each"] = of(names, rng.choice([1, 2, 3, 10, 16], len(names)).tolist())
    others = rng.choice(np.setdiff1d(names, large), 10, replace=False)
    found["one of 16, ten of 2"] = of([str(rng.choice(large)), *others], [16] + [2] * 10)
    found["68 speakers, 1 each"] = of(names, [1] * len(names))
    for name, share in (("cuts of 0.5 s", 13), ("cuts of 0.5 s", 60), ("cuts of 0.3 s", 60), ("cuts of 1 s", 60)):
        short = sets[name].some(rng.permutation(len(speech.rows))[:share])
        found[f"all, and {share} {name}"] = speech.beside(short)
    found |= {name: given for name, given in sets.items() if name not in {"speech", "words"}}
    who, n_words = np.unique(words.speakers, return_counts=True)
    found["1 s words, 85 speakers"] = words
    found["1 s words, 6 speakers of 80"] = words.some(np.flatnonzero(np.isin(words.speakers, who[n_words >= 80])))
    found["1 s words, 13 speakers of 20"] = words.some(np.flatnonzero(np.isin(words.speakers, who[n_words == 20])))
    found["68 speakers, 3 each"] = of(names, [3] * len(names))
    return found


def made_up() -> Iterator[tuple[str, Labelled]]:
    for n_rows in (1_000, 10_000, 100_000):
        for per_voice in (2, 10, 100, 1000):
            if per_voice < n_rows:
                yield f"{n_rows} rows, {per_voice} a voice", _made([per_voice] * (n_rows // per_voice))
        rng, counts = np.random.default_rng(0), []
        while sum(counts) < n_rows:
            counts.append(int(np.exp(rng.uniform(np.log(2), np.log(1000)))))
        yield f"{n_rows} rows, 2 to 1000 a voice", _made(counts)
    yield "1000 of one, 2 each of 10", _made([1000] + [2] * 10)


def _made(counts: Sequence[int]) -> Labelled:
    rows, speakers = Mixture().rows(counts, seed=0)
    return Labelled(rows, speakers, np.full(len(rows), 3.0))


# ---- tables


def _table(columns: Sequence[str]) -> None:
    print("", "| set | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|", sep="\n", flush=True)


def _mean(scores: list[Score]) -> Score:
    return Score(*(float(np.mean([getattr(s, f) for s in scores])) for f in ("ari", "purity", "coverage")))


def compare(sets: Mapping[str, Labelled], seeds: Sequence[int] = (0, 1, 2)) -> None:
    _table(["defaults: ARI / purity / coverage", "HDBSCAN 5/5", "HDBSCAN 2/1", "HDBSCAN tuned by silhouette"])
    drawn = [real(sets, seed) for seed in seeds]
    for name in drawn[0]:
        rows = [
            _columns(one[name])
            for one in (drawn if not np.array_equal(drawn[0][name].rows, drawn[1][name].rows) else drawn[:1])
        ]
        print(
            f"| {name} | " + " | ".join(str(_mean(list(column))) for column in zip(*rows, strict=True)) + " |",
            flush=True,
        )


def _columns(given: Labelled) -> list[Score]:
    tuned = by_method("density", given.rows, given.durations_s, ANCHOR).labels
    return [
        score(found, given.speakers) for found in (auto(given), _hdbscan(given, 5, 5), _hdbscan(given, 2, 1), tuned)
    ]


def synthetic() -> None:
    _table(["defaults: ARI / purity / coverage", "HDBSCAN 2/1"])
    for name, given in made_up():
        print(
            f"| {name} | {score(auto(given), given.speakers)} | {score(_hdbscan(given, 2, 1), given.speakers)} |",
            flush=True,
        )


def plateau(sets: Mapping[str, Labelled]) -> None:
    """Each constant 30 % lower and higher; the encoder's own cosine by what moves its error rates tenfold."""
    variants = {
        "as it is": (choose, "STRUCTURE", choose.STRUCTURE),
        "structure .175": (choose, "STRUCTURE", 0.175),
        "structure .325": (choose, "STRUCTURE", 0.325),
        "11 neighbours": (centring, "NEIGHBOURS", 11),
        "21 neighbours": (centring, "NEIGHBOURS", 21),
        "11 cuts": (scale, "N_CUTS", 11),
        "23 cuts": (scale, "N_CUTS", 23),
        "t = .80": (sys.modules[__name__], "ANCHOR", Anchor(0.80, ANCHOR.min_duration_s)),
        "t = .88": (sys.modules[__name__], "ANCHOR", Anchor(0.88, ANCHOR.min_duration_s)),
        "0.56 s": (sys.modules[__name__], "ANCHOR", Anchor(ANCHOR.assign_cosine, 0.56)),
        "1.04 s": (sys.modules[__name__], "ANCHOR", Anchor(ANCHOR.assign_cosine, 1.04)),
    }
    _table([f"ARI, {name}" for name in variants])
    for name, given in real(sets, 0).items():
        values = []
        for module, constant, value in variants.values():
            with patch.object(module, constant, value), patch.object(arrivals, "STRUCTURE", choose.STRUCTURE):
                values.append(f"{score(auto(given), given.speakers).ari:.3f}")
        print(f"| {name} | " + " | ".join(values) + " |", flush=True)


def main() -> None:
    sets = embedded(Path(sys.argv[1] if len(sys.argv) > 1 else mkdtemp()))
    compare(sets)
    plateau(sets)
    synthetic()


if __name__ == "__main__":
    main()
