"""Where the derived bucket holds what originals become: every collection that has the same bytes shares it."""

from typing import Final

DECODING: Final = 1  # how originals become mono FLAC; a change that alters samples raises it


def derived_key(sha256: str) -> str:
    """Of the 16 kHz audio of an original of that hash."""
    return f"recordings/{DECODING}/{sha256[:2]}/{sha256}.flac"


def rendition_key(sha256: str, rate_hz: int) -> str:
    """Of its audio at another rate."""
    return f"renditions/{DECODING}/{rate_hz}/{sha256[:2]}/{sha256}.flac"
