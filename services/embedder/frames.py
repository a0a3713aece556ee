"""Frames of segments as `.npy` blobs, content-addressed, written piece by piece: recordings of hours fit any memory."""

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
from jaxtyping import Float

from shared.encoders.protocol import EncoderSpec
from shared.storage.frames import FrameBlob, frames_key
from shared.storage.objects import ObjectStore

_CONTENT_TYPE: Final = "application/octet-stream"


@dataclass(slots=True)
class _Growing:
    """Frames of one segment as far as they have come, raw on the disk."""

    path: Path
    n_frames: int = 0
    dimension: int = 0


@dataclass(slots=True)
class FrameStore:
    """Takes frames and puts each segment's into the object store once its last piece is there."""

    objects: ObjectStore
    bucket: str
    folder: Path
    _growing: dict[tuple[str, UUID], _Growing] = field(default_factory=dict)
    _n_files: int = 0

    def add(
        self, spec: EncoderSpec, segment_id: UUID, frames: Float[np.ndarray, "frames dim"], *, last: bool
    ) -> FrameBlob | None:
        """The blob, with the last piece of a segment; None before that. Raises ObjectStoreUnavailable."""
        key = (spec.space, segment_id)
        if key not in self._growing:
            self._n_files += 1
            self._growing[key] = _Growing(self.folder / f"{self._n_files}.frames")
        growing = self._growing[key]
        converted = np.ascontiguousarray(frames, np.dtype(spec.frames))
        with growing.path.open("ab") as file:
            file.write(converted.tobytes())
        growing.n_frames += len(converted)
        growing.dimension = converted.shape[1]
        return self.end(spec, segment_id) if last else None

    def clear(self) -> None:
        """Let go of what an interrupted message left; call it before each."""
        for growing in self._growing.values():
            growing.path.unlink(missing_ok=True)
        self._growing.clear()

    def end(self, spec: EncoderSpec, segment_id: UUID) -> FrameBlob | None:
        """The blob of what has come of a segment; None if nothing has. Raises ObjectStoreUnavailable."""
        growing = self._growing.pop((spec.space, segment_id), None)
        return self._put(spec, segment_id, growing) if growing else None

    def _put(self, spec: EncoderSpec, segment_id: UUID, growing: _Growing) -> FrameBlob:
        whole = growing.path.with_suffix(".npy")
        dtype = np.dtype(spec.frames)
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
        with whole.open("wb") as file, growing.path.open("rb") as raw:
            np.lib.format.write_array_header_1_0(file, {**header, "shape": (growing.n_frames, growing.dimension)})
            shutil.copyfileobj(raw, file)
        with whole.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        blob = FrameBlob(segment_id, sha256, growing.n_frames, growing.dimension, dtype.name, whole.stat().st_size)
        try:
            self.objects.put_file(self.bucket, frames_key(spec.space, sha256), whole, _CONTENT_TYPE)
        finally:
            growing.path.unlink()
            whole.unlink()
        return blob
