"""From a curve of speech probabilities to spans of speech. Pure: knows no model and no audio."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float

from services.ingest.segmenters.protocol import Span
from shared.units import samples

FRAME_SAMPLES: Final = 512  # 32 ms: what one probability of the model stands for
SMOOTHING_FRAMES: Final = 5  # 160 ms: about a syllable, not one uncertain frame


@dataclass(frozen=True, slots=True)
class SpeechRules:
    """When probabilities make speech; the defaults are those of silero-vad 6.2.3, but for the longest span."""

    threshold: float = 0.5  # speech begins at this probability
    exit_threshold: float = 0.35  # and may end below this one
    min_speech_s: float = 0.25  # spans must be longer, before padding
    min_silence_s: float = 0.1  # shorter pauses do not part spans
    pad_s: float = 0.03  # added on either side; neighbours share a shorter pause
    max_speech_s: float = 30.0  # longer spans are cut at the quietest point

    def __post_init__(self) -> None:
        if self.min_speech_s <= 0:
            raise ValueError("speech lasts longer than nothing")
        if self.exit_threshold > self.threshold:
            raise ValueError("speech cannot end above the probability at which it begins")
        if samples(self.max_speech_s) < 2 * samples(self.min_speech_s) + 4 * FRAME_SAMPLES:
            raise ValueError("the longest span leaves no room for two of the shortest")


def spans_from_probabilities(
    probabilities: Float[np.ndarray, " frames"], n_samples: int, rules: SpeechRules
) -> list[Span]:
    """Spans of speech: sorted, disjoint, within the recording, none shorter than min_speech_s or longer than the max.

    Frame i covers the 512 samples from 512 i on. The rules are those of silero's `get_speech_timestamps`; only the
    cutting of long spans is ours.
    """
    runs = _long_enough(_speech_runs(probabilities, n_samples, rules), rules)
    return [
        Span(start, end)
        for padded in _padded(runs, n_samples, rules)
        for start, end in _pieces(padded, probabilities, rules)
    ]


def _speech_runs(
    probabilities: Float[np.ndarray, " frames"], n_samples: int, rules: SpeechRules
) -> list[tuple[int, int]]:
    """Hysteresis: a run ends where the probability fell below the exit threshold and did not come back in time."""
    min_silence = samples(rules.min_silence_s)
    runs: list[tuple[int, int]] = []
    start: int | None = None
    quiet_from: int | None = None
    for frame, probability in enumerate(probabilities.tolist()):
        sample = frame * FRAME_SAMPLES
        if probability >= rules.threshold:
            start, quiet_from = (sample if start is None else start), None
        elif probability < rules.exit_threshold and start is not None:
            quiet_from = sample if quiet_from is None else quiet_from
            if sample - quiet_from >= min_silence:
                runs.append((start, quiet_from))
                start = quiet_from = None
    if start is not None:
        runs.append((start, n_samples))
    return runs


def _long_enough(runs: list[tuple[int, int]], rules: SpeechRules) -> list[tuple[int, int]]:
    return [(start, end) for start, end in runs if end - start > samples(rules.min_speech_s)]


def _padded(runs: list[tuple[int, int]], n_samples: int, rules: SpeechRules) -> list[tuple[int, int]]:
    """Wider by pad_s on either side; where the pause is too short for that, each side takes half of it."""
    pad = samples(rules.pad_s)
    starts = [max(0, start - pad) for start, _ in runs]
    ends = [min(n_samples, end + pad) for _, end in runs]
    for i in range(len(runs) - 1):
        pause = runs[i + 1][0] - runs[i][1]
        if pause < 2 * pad:
            ends[i] = runs[i][1] + pause // 2
            starts[i + 1] = runs[i + 1][0] - pause // 2
    return list(zip(starts, ends, strict=True))


def _pieces(
    span: tuple[int, int], probabilities: Float[np.ndarray, " frames"], rules: SpeechRules
) -> list[tuple[int, int]]:
    """The span, cut where it is least like speech, in the second half of what a piece may hold."""
    start, end = span
    most, least = samples(rules.max_speech_s), samples(rules.min_speech_s)
    pieces: list[tuple[int, int]] = []
    while end - start > most:
        first = -(-(start + max(most // 2, least)) // FRAME_SAMPLES)
        last = min(start + most, end - least) // FRAME_SAMPLES
        cut = _quietest(probabilities, first, last) * FRAME_SAMPLES
        pieces.append((start, cut))
        start = cut
    return [*pieces, (start, end)]


def _quietest(probabilities: Float[np.ndarray, " frames"], first: int, last: int) -> int:
    """The frame from first to last around which speech is least likely; of equals the last, for fewer pieces."""
    half = SMOOTHING_FRAMES // 2
    window = probabilities[max(0, first - half) : last + 1 + half]
    smooth = smoothed(window, SMOOTHING_FRAMES)[first - max(0, first - half) :][: last + 1 - first]
    return last - int(np.argmin(smooth[::-1]))


def smoothed(curve: Float[np.ndarray, " frames"], n_frames: int) -> Float[np.ndarray, " frames"]:
    """The mean over an odd number of frames around each; the first and the last value go on beyond the ends."""
    if curve.size == 0:
        return curve
    padded = np.pad(curve, n_frames // 2, mode="edge")
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, n_frames).mean(axis=1))
