"""What is known of a recording once all of it has been decoded."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

SILENCE_DB: Final = -120.0  # the floor of rms_db: JSON has no minus infinity; digital silence shows as peak 0


@dataclass(frozen=True, slots=True)
class DecodedFacts:
    """Measured on the mono audio, 16 kHz unless asked for otherwise, but for the fields named original."""

    container: str  # wav, flac, mp3, ogg or mp4
    codec: str  # pcm_16, float, flac, mp3, vorbis, opus, aac, ...
    original_sample_rate_hz: int
    original_channels: int
    n_samples: int
    duration_s: float
    peak: float  # largest magnitude, full scale being 1; 0 is digital silence
    rms_db: float  # relative to full scale, not below SILENCE_DB
    notes: tuple[str, ...] = ()  # clipped, phase_cancelling_downmix, damaged_packets, bytes_after_data, ...

    def as_json(self) -> dict[str, object]:
        """A JSON object with a member for each field."""
        return asdict(self)

    @classmethod
    def from_json(cls, members: Mapping[str, object]) -> "DecodedFacts":
        """Read what `as_json` wrote. Raises ValueError on anything else: the sender had hostile bytes in its hands."""
        fields = {**members, "notes": _notes(members.get("notes"))}
        try:
            facts = cls(**fields)  # type: ignore[arg-type]  # the next line checks each
        except TypeError as error:
            raise ValueError(str(error)) from None
        for name, kind in _KINDS.items():
            if type(getattr(facts, name)) is not kind:
                raise ValueError(f"{name} is no {kind.__name__}")
        return facts


_KINDS: Final = {
    "container": str,
    "codec": str,
    "original_sample_rate_hz": int,
    "original_channels": int,
    "n_samples": int,
    "duration_s": float,
    "peak": float,
    "rms_db": float,
}


def _notes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError("notes is no list")  # noqa: TRY004  # what the caller catches
    return tuple(str(note) for note in value)
