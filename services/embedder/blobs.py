"""Recordings' audio on this machine's disk for as long as it is wanted, least recently used first to go."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final

from shared.errors import TransientError
from shared.storage.objects import ObjectGone, ObjectStore
from shared.storage.recordings import AudioSource
from shared.units import SAMPLE_RATE_HZ

MOST_COPIES: Final = 1000
"""A long recording has many messages, a short one is read once: of ten thousand of those it is no use to keep track."""


class AudioGone(TransientError):
    """The recording's bytes do not lie where they lay: it waits until another key, or the same, holds them again."""

    code = "audio_gone"


class RenditionMissing(TransientError):
    """The recording's audio has not been made at the rate that the encoder wants; it waits until ingest has made it."""

    code = "rendition_missing"

    def __init__(self, rates_hz: tuple[int, ...], *, lost: bool = False) -> None:
        super().__init__(f"At {' and '.join(map(str, rates_hz))} Hz.")
        self.rates_hz = rates_hz
        self.lost = lost  # it had been made


class BlobCache:
    """Downloads that several messages of one long recording share. Threads may share it."""

    def __init__(self, objects: ObjectStore, folder: Path, capacity_bytes: int, most_copies: int = MOST_COPIES) -> None:
        self._objects = objects
        self._folder = folder
        self._capacity_bytes = capacity_bytes
        self._most_copies = most_copies
        self._kept: OrderedDict[tuple[str, int], tuple[Path, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._n_fetched = 0

    def path(self, source: AudioSource) -> Path:
        """The local copy of a recording's mono audio at the source's rate.

        Raises AudioGone when no object holds it any more, RenditionMissing if it is not at 16 kHz.
        """
        own = source.sha256, source.sample_rate_hz
        with self._lock:
            if own in self._kept:
                self._kept.move_to_end(own)
                return self._kept[own][0]
            self._n_fetched += 1
            target = self._folder / f"{self._n_fetched}.audio"
        if source.bucket is None or source.key is None:
            raise AudioGone
        try:
            fetched = self._objects.fetch(source.bucket, source.key, target)
        except ObjectGone as error:
            if source.sample_rate_hz != SAMPLE_RATE_HZ:
                raise RenditionMissing((source.sample_rate_hz,), lost=True) from error
            raise AudioGone from error
        # An original that serves as it is may have been overwritten since: its new bytes are another recording.
        if source.etag is not None and fetched.sha256 != source.sha256:
            target.unlink()
            raise AudioGone
        with self._lock:
            self._kept[own] = (target, fetched.size_bytes)
        return target

    def shrink(self) -> None:
        """Delete the least recently used copies until the rest fit and are not too many; call it when none is open."""
        with self._lock:
            size_bytes = sum(n for _, n in self._kept.values())
            while len(self._kept) > self._most_copies or size_bytes > self._capacity_bytes:
                _, (path, n_bytes) = self._kept.popitem(last=False)
                path.unlink(missing_ok=True)
                size_bytes -= n_bytes
