"""The audio of recordings that somebody listens to, kept on disk for a while. Never trusts that it is complete."""

import os
import shutil
import tempfile
import threading
from pathlib import Path
from time import time_ns
from typing import Final

import soundfile

from shared.errors import NotFound
from shared.storage.objects import ObjectGone, ObjectStore
from shared.storage.recordings import AudioSource

_N_LOCKS: Final = 64


class AudioGone(NotFound):
    """The bucket no longer holds this recording's audio; upload the file again."""

    code = "audio_gone"


class AudioShelf:
    """Files by recording, the least recently used thrown away first. Threads may share it; processes do not."""

    def __init__(self, store: ObjectStore, max_bytes: int, folder: Path | None = None) -> None:
        self._store = store
        self._max_bytes = max_bytes
        self._folder = folder
        self._making_folder = threading.Lock()
        self._tidying = threading.Lock()
        # Two who ask for one recording fetch it once; a lock serves many recordings, so their number stays small.
        self._fetching = [threading.Lock() for _ in range(_N_LOCKS)]

    def open(self, source: AudioSource) -> soundfile.SoundFile:
        """The recording's audio, opened: it can be read on even when it is thrown away meanwhile. Raises AudioGone."""
        path = self._home() / str(source.recording_id)
        with self._fetching[source.recording_id.int % _N_LOCKS]:
            while True:
                if not path.exists():
                    self._fetch(source, path)
                    self._make_room(path)
                try:
                    os.utime(path, ns=(time_ns(), time_ns()))  # the kernel's own clock ticks too slowly
                    return soundfile.SoundFile(os.open(path, os.O_RDONLY), closefd=True)
                except FileNotFoundError:  # thrown away by somebody who needed the room
                    continue

    def close(self) -> None:
        """Throw everything away."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _fetch(self, source: AudioSource, path: Path) -> None:
        if source.bucket is None or source.key is None:
            raise AudioGone(f"No object holds recording {source.recording_id}.")
        incoming = path.with_suffix(".incoming")
        try:
            fetched = self._store.fetch(source.bucket, source.key, incoming)
            if source.etag is not None and fetched.sha256 != source.sha256:  # an original that was overwritten
                raise AudioGone(f"{source.key} holds other bytes now.")
            incoming.replace(path)
        except ObjectGone as error:
            raise AudioGone(f"{source.key} is not in the bucket.") from error
        finally:
            incoming.unlink(missing_ok=True)

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
                self._folder = Path(tempfile.mkdtemp(prefix="earmark-audio-"))  # 0700
        return self._folder
