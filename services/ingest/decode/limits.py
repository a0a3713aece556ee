"""What one file may cost, as the decoder and its child process see it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shared.units import GIB

if TYPE_CHECKING:  # pydantic costs the child process more to load than all the rest of its own code
    import shared.settings

MIN_SAMPLE_RATE_HZ: Final = 1_000
MAX_SAMPLE_RATE_HZ: Final = 768_000
MAX_CHANNELS: Final = 64
MAX_MAGNITUDE: Final = 1e3  # of a float sample, full scale being 1
EXPANSION_GRACE_S: Final = 60.0  # a minute of digital silence in FLAC is small and legitimate
_HIGHEST_TARGET_RATE_HZ: Final = 48_000  # of the models that want another rate than 16 kHz
_LEAST_BYTES_PER_S: Final = 500  # Opus at its lowest bit rate: bounds a duration by the size of the file


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """Caps on one file; the defaults are those of IngestSettings."""

    max_file_bytes: int = 2 * GIB
    max_decoded_s: float = 12 * 3600.0
    max_expansion: float = 200.0  # decoded bytes, as 16-bit PCM, for each byte of the file
    base_s: float = 60.0
    share: float = 0.01  # of the audio's duration, on top of base_s
    memory_bytes: int = 1 * GIB  # of address space above what the idle child has mapped
    files_per_child: int = 500

    @classmethod
    def from_settings(cls, settings: "shared.settings.IngestSettings") -> "DecodeLimits":
        """The limits that the settings name."""
        return cls(
            max_file_bytes=settings.max_file_bytes,
            max_decoded_s=settings.max_decoded_s,
            max_expansion=settings.max_expansion,
            base_s=settings.decode_base_s,
            share=settings.decode_share,
            memory_bytes=settings.decoder_memory_bytes,
            files_per_child=settings.decoder_files,
        )

    def time_s(self, file_bytes: int) -> float:
        """Wall-clock seconds for a file of that size, taking it for as long as any codec could make it."""
        longest_s = min(self.max_decoded_s, file_bytes / _LEAST_BYTES_PER_S)
        return self.base_s + self.share * longest_s

    def max_target_bytes(self) -> int:
        """Bytes that a decoded file can need: 16-bit samples that did not compress, and a little for the frames."""
        return int(1.1 * 2 * _HIGHEST_TARGET_RATE_HZ * self.max_decoded_s) + 1024 * 1024
