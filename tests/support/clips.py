"""Many short real clips without a data set: the demo's conversations, cut up."""

from pathlib import Path

import numpy as np
import soundfile


def cut_up(sources: list[Path], target: Path, n_clips: int, length_s: float = 1.0) -> list[Path]:
    """Write `n_clips` different FLACs of voiced sound under `target`, in folders of a hundred."""
    sounds = [soundfile.read(source, dtype="float32") for source in sorted(sources)]
    rng = np.random.default_rng(7)
    written: list[Path] = []
    while len(written) < n_clips:
        samples, rate_hz = sounds[len(written) % len(sounds)]
        length = int(length_s * rate_hz)
        start = int(rng.integers(0, len(samples) - length))
        clip = samples[start : start + length]
        if np.abs(clip).mean() < 0.005:
            continue
        path = target / f"{len(written) // 100:02d}" / f"clip {len(written):04d}.flac"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, clip, rate_hz)
        written.append(path)
    return written
