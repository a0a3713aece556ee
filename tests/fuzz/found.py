"""What fuzzing has found, kept so that it stays mended: the target and the bytes."""

from typing import Final

FOUND: Final[tuple[tuple[str, bytes], ...]] = (
    ("messages", b'\xff{"key": "/buckets/audio/a.wav", "message": {"new_entry": true}}'),  # no mapping
)
