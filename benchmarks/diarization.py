"""Diarize a folder of FLAC and RTTM with a segmenter alone: `python -m benchmarks.diarization FOLDER [--speakers N-M]`.

Prints the diarization error rate of each file, with and without a collar, its parts, the speakers found and true, and
how many times faster than the recordings play the segmenter was. Needs what ingest needs and scikit-learn's scipy; the
figures agree with those of pyannote.metrics to the 10 ms that turns are rounded to.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from scipy.optimize import linear_sum_assignment

from services.ingest.audio import AudioFile
from services.ingest.segmenters import registry
from services.ingest.segmenters.protocol import NO_HINTS, Hints, Segmenter
from services.ingest.segmenters.speakers import parse_speakers

FRAMES_PER_S = 100
HEADER = "file                         DER .25   DER 0  missed f.alarm confusion found/true    RTFx"
COLLAR_S = 0.25  # in all, half of it on either side of a border, as pyannote.metrics and the field count it


@dataclass(frozen=True)
class Turn:
    """Somebody speaks."""

    start_s: float
    end_s: float
    speaker: str


@dataclass(frozen=True)
class Errors:
    """Speaker time in frames: what is wrong, and all that there is."""

    missed: int = 0
    false_alarm: int = 0
    confused: int = 0
    total: int = 0

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(*(getattr(self, part) + getattr(other, part) for part in self.__dataclass_fields__))

    def percent(self, n_frames: int) -> float:
        """A part of all speaker time."""
        return 100 * n_frames / self.total if self.total else float("nan")

    @property
    def rate(self) -> float:
        """The diarization error rate in percent (NIST, RT-09)."""
        return self.percent(self.missed + self.false_alarm + self.confused)


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    name: str
    forgiving: Errors  # with the collar
    strict: Errors
    found: int
    true: int
    duration_s: float
    took_s: float

    def line(self) -> str:
        """As HEADER says; missed, false alarm and confusion are without the collar."""
        parts = (self.strict.percent(n) for n in (self.strict.missed, self.strict.false_alarm, self.strict.confused))
        missed, false_alarm, confused = parts
        return (
            f"{self.name:28} {self.forgiving.rate:7.1f} {self.strict.rate:7.1f} {missed:7.1f} {false_alarm:7.1f} "
            f"{confused:9.1f} {self.found:5}/{self.true:<5} {self.duration_s / self.took_s:6.0f}"
        )


def read_rttm(path: Path) -> list[Turn]:
    fields = [line.split() for line in path.read_text().splitlines()]
    return [Turn(float(f[3]), float(f[3]) + float(f[4]), f[7]) for f in fields if f and f[0] == "SPEAKER"]


def errors(reference: Sequence[Turn], found: Sequence[Turn], duration_s: float, collar_s: float) -> Errors:
    """Under the mapping of speakers that confuses least; overlapping speech counts once for each who speaks."""
    n_frames = round(duration_s * FRAMES_PER_S)
    scored = np.ones(n_frames, dtype=bool)
    for turn in reference:
        for border_s in (turn.start_s, turn.end_s):
            first = round((border_s - collar_s / 2) * FRAMES_PER_S)
            scored[max(0, first) : max(0, first + round(collar_s * FRAMES_PER_S))] = False
    truth, guess = (_activity(turns, n_frames)[:, scored] for turns in (reference, found))
    n_true, n_found = truth.sum(axis=0), guess.sum(axis=0)
    together = truth.astype(np.int64) @ guess.astype(np.int64).T  # (speakers, labels)
    right = int(together[linear_sum_assignment(-together)].sum())
    return Errors(
        int(np.maximum(n_true - n_found, 0).sum()),
        int(np.maximum(n_found - n_true, 0).sum()),
        int(np.minimum(n_true, n_found).sum()) - right,
        int(n_true.sum()),
    )


def _activity(turns: Sequence[Turn], n_frames: int) -> np.ndarray:
    names = sorted({turn.speaker for turn in turns})
    speaks = np.zeros((len(names), n_frames), dtype=bool)
    for turn in turns:
        frames = slice(round(turn.start_s * FRAMES_PER_S), round(turn.end_s * FRAMES_PER_S))
        speaks[names.index(turn.speaker), frames] = True
    return speaks


def row(segmenter: Segmenter, path: Path, hints: Hints) -> Row:
    reference = read_rttm(path.with_suffix(".rttm"))
    began = perf_counter()
    with AudioFile(path) as audio:
        duration_s = audio.n_samples / 16_000
        spans = segmenter.segments(audio, hints)
    took_s = perf_counter() - began
    found = [Turn(s.start_sample / 16_000, s.end_sample / 16_000, s.speaker_label or "SPEAKER_00") for s in spans]
    scores = (errors(reference, found, duration_s, collar_s) for collar_s in (COLLAR_S, 0.0))
    speakers = (len({turn.speaker for turn in turns}) for turns in (found, reference))
    return Row(path.stem, *scores, *speakers, duration_s, took_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--segmenter", default="vad")
    parser.add_argument("--speakers", type=parse_speakers, default=NO_HINTS, help="N or MIN-MAX, of every file")
    options = parser.parse_args()
    segmenter = registry.build(options.segmenter)
    rows = []
    print(HEADER)
    for path in sorted(options.folder.glob("*.flac")):
        if path.with_suffix(".rttm").exists():
            rows.append(row(segmenter, path, options.speakers))
            print(rows[-1].line(), flush=True)
    pooled = Row(
        "all",
        sum((r.forgiving for r in rows), Errors()),
        sum((r.strict for r in rows), Errors()),
        sum(r.found for r in rows),
        sum(r.true for r in rows),
        sum(r.duration_s for r in rows),
        sum(r.took_s for r in rows),
    )
    print(pooled.line())


if __name__ == "__main__":
    main()
