"""The few numbers that everything is derived from, with their units."""

from typing import Final

SAMPLE_RATE_HZ: Final = 16_000
"""All decoded audio is mono at this rate; encoders that want another rate resample from the original."""

SAMPLES_PER_MS: Final = SAMPLE_RATE_HZ // 1000
KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB


def samples(duration_s: float, rate_hz: int = SAMPLE_RATE_HZ) -> int:
    """Whole samples nearest to a duration in seconds."""
    return round(duration_s * rate_hz)


def seconds(n_samples: int, rate_hz: int = SAMPLE_RATE_HZ) -> float:
    """Duration in seconds of a number of samples."""
    return n_samples / rate_hz
