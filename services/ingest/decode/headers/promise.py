"""What a container's header says about its audio, before any of it is decoded."""

from dataclasses import dataclass, replace
from typing import Literal, Self


@dataclass(frozen=True, slots=True)
class Promise:
    """Claims of a header. None is "does not say"."""

    sample_rate_hz: int | None = None
    channels: int | None = None
    duration_s: float | None = None
    n_frames: int | None = None  # exactly so many samples of each channel
    tolerance_s: float = 0.01  # less than duration_s by so much is no loss
    missing: str = ""  # in words, how far the file ends before its structure does
    complete: bool = False  # the structure reaches the end of the file: audio that lacks is damaged, not cut off
    decoder: Literal["soundfile", "av", "miniaudio"] = "soundfile"  # which to try first
    notes: tuple[str, ...] = ()

    def for_a_judge(self) -> Self:
        """The same, to be decoded by the library whose verdict on damage counts."""
        return replace(self, decoder="soundfile")
