"""What each layer of Whisper knows of words and of voices: `python -m benchmarks.layers DEV_SET FOLDER [--model PATH]`.

DEV_SET has a `manifest.csv` (path, speaker_id, text_or_word, task, source) and recordings of ten words by many
speakers, two of each word. FOLDER gets `layers.md`, a table for each window, and `layers.svg`. The model is the
packaged tiny.en, unless another is named.

Words are told by the five nearest clips of other speakers; voices by the five nearest clips of other words. In
parentheses the mean silhouette of the classes. Both by the cosine of vectors as they are; `ge2e` stands beside.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import soundfile
from sklearn.metrics import silhouette_score
from sklearn.model_selection import GroupKFold
from sklearn.neighbors import KNeighborsClassifier

from services.embedder.families.whisper import family
from shared.checkpoints import LocalCheckpoint
from shared.encoders import registry
from shared.encoders.families import Output, Pooling, Window
from shared.encoders.protocol import EncoderOptions
from shared.vectors import unit_rows
from tests.support.checkpoints import whisper_tiny_en

SOURCE = "Speech Commands"
POOLINGS: tuple[Pooling, ...] = ("mean", "max", "first", "last", "stats")
WINDOWS: tuple[Window, ...] = ("padded", "trimmed")
N_NEIGHBOURS, N_FOLDS = 5, 5
CLIPS_PER_CALL = 8
OPTIONS = EncoderOptions(device="cpu", cpu_threads=1, dtype="float32")


@dataclass(frozen=True)
class Clips:
    """Recordings of words, and who says them."""

    samples: list[np.ndarray]
    words: np.ndarray
    speakers: np.ndarray


@dataclass(frozen=True)
class Score:
    """Of a space: accuracy (0 to 1) and silhouette (-1 to 1), for words and for voices."""

    words: tuple[float, float]
    voices: tuple[float, float]


Scores = dict[Output, Score]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dev_set", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="a folder of transformers, or a file of openai-whisper")
    options = parser.parse_args()
    clips = read(options.dev_set)
    options.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or whisper_tiny_en(Path(folder) / "tiny.en.pt")
        scores = {output: score(rows, clips) for output, rows in whisper_rows(model, clips.samples)}
    ge2e = score(ge2e_rows(clips.samples), clips)
    (options.folder / "layers.md").write_text("\n".join(report(scores, ge2e, clips)) + "\n")
    draw(scores, ge2e, clips, options.folder / "layers.svg")


def read(dev_set: Path) -> Clips:
    """The ten words."""
    with (dev_set / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "word" and SOURCE in row["source"]]
    samples = [soundfile.read(dev_set / row["path"], dtype="float32")[0] for row in rows]
    words, speakers = (np.array([row[name] for row in rows]) for name in ("text_or_word", "speaker_id"))
    return Clips(samples, words, speakers)


def whisper_rows(model: Path, samples: Sequence[np.ndarray]) -> Iterator[tuple[Output, np.ndarray]]:
    """Every layer and pooling with every window: all of a window in one pass."""
    checkpoint = LocalCheckpoint(model)
    loaded = family.load(checkpoint, OPTIONS)
    layers = family.card(checkpoint).layers
    outputs = [Output(layer, pooling, window) for window in WINDOWS for layer in layers for pooling in POOLINGS]
    calls = [samples[start : start + CLIPS_PER_CALL] for start in range(0, len(samples), CLIPS_PER_CALL)]
    made = []
    for number, call in enumerate(calls, start=1):
        made.append([pooled.vectors for pooled in loaded.embed(call, outputs)])
        print(f"\r{number} of {len(calls)}", end="", flush=True)
    print()
    for output, rows in zip(outputs, zip(*made, strict=True), strict=True):
        yield output, unit_rows(np.concatenate(rows))


def ge2e_rows(samples: Sequence[np.ndarray]) -> np.ndarray:
    return registry.build("ge2e", OPTIONS).embed(samples)


def score(rows: np.ndarray, clips: Clips) -> Score:
    return Score(
        words=(accuracy(rows, clips.words, clips.speakers), silhouette(rows, clips.words)),
        voices=(accuracy(rows, clips.speakers, clips.words), silhouette(rows, clips.speakers)),
    )


def accuracy(rows: np.ndarray, classes: np.ndarray, groups: np.ndarray) -> float:
    """How often the nearest rows of other groups are of the right class: every group is asked about once."""
    right = 0
    for train, test in GroupKFold(N_FOLDS).split(rows, classes, groups):
        nearest = KNeighborsClassifier(N_NEIGHBOURS, metric="cosine").fit(rows[train], classes[train])
        right += int((nearest.predict(rows[test]) == classes[test]).sum())
    return right / len(rows)


def silhouette(rows: np.ndarray, classes: np.ndarray) -> float:
    return float(silhouette_score(rows, classes, metric="cosine"))


def report(scores: Scores, ge2e: Score, clips: Clips) -> Iterator[str]:
    n_words, n_speakers = len(set(clips.words)), len(set(clips.speakers))
    yield (
        f"{datetime.now(UTC):%Y-%m-%d}: {len(clips.samples)} clips, {n_words} words (chance {1 / n_words:.0%}), "
        f"{n_speakers} speakers (chance {1 / n_speakers:.0%})."
    )
    for about, of in (("words", lambda s: s.words), ("voices", lambda s: s.voices)):
        for window in WINDOWS:
            yield f"\n| {about}, {window} | {' | '.join(POOLINGS)} |"
            yield "|---" * (1 + len(POOLINGS)) + "|"
            for layer in layers_of(scores):
                cells = [cell(of(scores[Output(layer, pooling, window)])) for pooling in POOLINGS]
                yield f"| `{layer}` | {' | '.join(cells)} |"
        yield f"| `ge2e` | {cell(of(ge2e))} |{' |' * (len(POOLINGS) - 1)}"


def cell(value: tuple[float, float]) -> str:
    return f"{100 * value[0]:.1f} % ({value[1]:+.2f})"


def layers_of(scores: Scores) -> list[str]:
    return list(dict.fromkeys(output.layer for output in scores))


def draw(scores: Scores, ge2e: Score, clips: Clips, path: Path) -> None:
    """Accuracy by layer, a line a pooling; a dashed one for trimmed windows, averaged."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    mpl.rcParams.update({"svg.hashsalt": "layers", "svg.fonttype": "none"})
    figure = Figure(figsize=(10, 4), layout="constrained")
    panels = (
        ("words, by the clips of other speakers", "words", lambda s: s.words[0], len(set(clips.words))),
        ("voices, by the clips of other words", "voices", lambda s: s.voices[0], len(set(clips.speakers))),
    )
    layers = layers_of(scores)
    for axes, (title, about, of, n_classes) in zip(figure.subplots(1, 2), panels, strict=True):
        for pooling in POOLINGS:
            axes.plot(layers, [100 * of(scores[Output(at, pooling, "padded")]) for at in layers], "o-", label=pooling)
        trimmed = [100 * of(scores[Output(at, "mean", "trimmed")]) for at in layers]
        axes.plot(layers, trimmed, "s--", color="C0", alpha=0.6, label="mean, trimmed")
        axes.axhline(100 * of(ge2e), color="black", linewidth=1, label="ge2e")
        axes.axhline(100 / n_classes, color="grey", linestyle=":", label="chance")
        axes.set(title=title, ylabel=f"{about} told right, %", ylim=(0, 100))
        axes.tick_params(axis="x", rotation=30)
    axes.legend(fontsize="small")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
