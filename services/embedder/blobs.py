"""Recordings' audio on this machine's disk for as long as it is wanted, least recently used first to go.

What nobody has wanted for half an hour goes by itself: it may have been erased everywhere else.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Final

from shared.errors import TransientError
from shared.storage.objects import ObjectGone, ObjectStore
from shared.storage.recordings import AudioSource
from shared.units import SAMPLE_RATE_HZ
from shared.upkeep import KEPT_S, Upkeep

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


@dataclass(slots=True)
class _Copy:
    path: Path
    size_bytes: int
    used_at_s: float


class BlobCache:
    """Downloads that several messages of one long recording share. Threads may share it."""

    def __init__(
        self,
        objects: ObjectStore,
        folder: Path,
        capacity_bytes: int,
        most_copies: int = MOST_COPIES,
        kept_s: float = KEPT_S,
    ) -> None:
        self._objects = objects
        self._folder = folder
        self._capacity_bytes = capacity_bytes
        self._most_copies = most_copies
        self._kept_s = kept_s
        self._kept: OrderedDict[tuple[str, int], _Copy] = OrderedDict()
        self._lock = threading.Lock()
        self._n_fetched = 0
        self._upkeep = Upkeep(self._tidy, kept_s / 2)

    def path(self, source: AudioSource) -> Path:
        """The local copy of a recording's mono audio at the source's rate.

        Raises AudioGone when no object holds it any more, RenditionMissing if it is not at 16 kHz.
        """
        own = source.sha256, source.sample_rate_hz
        with self._lock:
            if own in self._kept:
                self._kept.move_to_end(own)
                self._kept[own].used_at_s = monotonic()
                return self._kept[own].path
            self._n_fetched += 1
            target = self._folder / f"{self._n_fetched}.audio"
        if source.key is None:
            raise AudioGone
        try:
            fetched = self._objects.fetch(source.bucket, source.key, target)
        except ObjectGone as error:
            if source.sample_rate_hz != SAMPLE_RATE_HZ:
                raise RenditionMissing((source.sample_rate_hz,), lost=True) from error
            raise AudioGone from error
        with self._lock:
            self._kept[own] = _Copy(target, fetched.size_bytes, monotonic())
        self._upkeep.begin()
        return target

    def drop(self, source: AudioSource) -> None:
        """Fetch it anew the next time: this copy cannot be read, or there is none."""
        with self._lock:
            if copy := self._kept.pop((source.sha256, source.sample_rate_hz), None):
                copy.path.unlink(missing_ok=True)

    def shrink(self) -> None:
        """Delete the least recently used copies until the rest fit and are not too many; call it when none is open."""
        with self._lock:
            size_bytes = sum(copy.size_bytes for copy in self._kept.values())
            while len(self._kept) > self._most_copies or size_bytes > self._capacity_bytes:
                size_bytes -= self._drop_oldest()

    def _tidy(self) -> bool:
        """Whether anything is left that will have to go one day."""
        with self._lock:
            while self._kept and next(iter(self._kept.values())).used_at_s < monotonic() - self._kept_s:
                self._drop_oldest()
            return bool(self._kept)

    def _drop_oldest(self) -> int:
        _, copy = self._kept.popitem(last=False)
        copy.path.unlink(missing_ok=True)
        return copy.size_bytes
