"""The audio of recordings that somebody listens to, kept on disk for a while. Never trusts that it is complete.

What nobody has listened to for half an hour goes by itself: another console may have erased it.
"""

import os
import shutil
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import time_ns
from typing import Final
from uuid import UUID

import soundfile

from shared.errors import NotFound
from shared.ledger.scratch import scratch_folder
from shared.storage.objects import ObjectGone, ObjectStore
from shared.storage.recordings import AudioSource
from shared.upkeep import KEPT_S, Upkeep

_N_LOCKS: Final = 64


class AudioGone(NotFound):
    """The bucket no longer holds this recording's audio; upload the file again."""

    code = "audio_gone"


class AudioShelf:
    """Files by recording, the least recently used thrown away first. Threads may share it; processes do not."""

    def __init__(self, store: ObjectStore, max_bytes: int, folder: Path | None = None, kept_s: float = KEPT_S) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._folder = folder
        self._making_folder = threading.Lock()
        self._tidying = threading.Lock()
        # Two who ask for one recording fetch it once; a lock serves many recordings, so their number stays small.
        self._fetching = [threading.Lock() for _ in range(_N_LOCKS)]
        self._kept_ns = int(kept_s * 1e9)
        self._upkeep = Upkeep(self._tidy, kept_s / 2)

    def open(self, source: AudioSource) -> soundfile.SoundFile:
        """The recording's audio, opened: it can be read on even when it is thrown away meanwhile. Raises AudioGone."""
        path = self._home() / str(source.recording_id)
        self._upkeep.begin()
        with self._lock_of(source.recording_id):
            while True:
                if not path.exists():
                    self._fetch(source, path)
                    self._make_room(path)
                try:
                    os.utime(path, ns=(time_ns(), time_ns()))  # the kernel's own clock ticks too slowly
                    return soundfile.SoundFile(os.open(path, os.O_RDONLY), closefd=True)
                except FileNotFoundError:  # thrown away by somebody who needed the room
                    continue

    def forget(self, recording_ids: Iterable[UUID]) -> None:
        """Throw away recordings that were erased."""
        for recording_id in recording_ids:
            with self._lock_of(recording_id):
                (self._home() / str(recording_id)).unlink(missing_ok=True)

    def close(self) -> None:
        """Throw everything away."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fetch(self, source: AudioSource, path: Path) -> None:
        if source.key is None:
            raise AudioGone(f"Recording {source.recording_id} is not decoded yet.")
        incoming = path.with_suffix(".incoming")
        try:
            self._store.fetch(source.bucket, source.key, incoming)
            incoming.replace(path)
        except ObjectGone as error:
            raise AudioGone(f"{source.key} is not in the bucket.") from error
        finally:
            incoming.unlink(missing_ok=True)

    def _lock_of(self, recording_id: UUID) -> threading.Lock:
        return self._fetching[recording_id.int % _N_LOCKS]

    def _tidy(self) -> bool:
        """Whether anything is left that will have to go one day."""
        left = False
        for path in self._home().glob("*"):  # of a folder that is closed: nothing
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < time_ns() - self._kept_ns:
                    path.unlink()
                else:
                    left = True
        return left

    def _make_room(self, newest: Path) -> None:
        with self._tidying:
            files = [(path, path.stat()) for path in self._home().iterdir() if path.suffix != ".incoming"]
            excess = sum(status.st_size for _, status in files) - self._max_bytes
            for path, status in sorted(files, key=lambda file: file[1].st_mtime_ns):
                if excess <= 0:
                    break
                if path != newest:
                    path.unlink(missing_ok=True)  # whoever has it open reads on
                    excess -= status.st_size

    def _home(self) -> Path:
        with self._making_folder:
            if self._folder is None:
                self._folder = scratch_folder("console")
        return self._folder
