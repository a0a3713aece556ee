"""Exports that are files in a zip, built on an unnamed temporary file that is gone when its last reader is."""

import json
import tempfile
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import IO, Final

import numpy as np

from shared.storage import exports
from shared.storage.database import Transaction
from shared.storage.encoders import StoredEncoder
from shared.storage.frames import FrameBlob
from shared.storage.listing import ListedSegment
from shared.storage.subsets import Subset

_BLOCK_BYTES: Final = 1 << 18
_ROW_TYPE: Final = np.dtype("<f4")


def write_embeddings(
    tx: Transaction, collection: str, encoder: StoredEncoder, target: IO[bytes], subset: Subset | None = None
) -> None:
    """A zip with `embeddings.npy` (float32, one unit row a segment), `index.jsonl` and `encoder.json`.

    The last one says of what the rows are, too, and how many segments have none. The number of rows stands at the head
    of the array, so the other parts are written beside first.
    """
    subset_id = subset.subset_id if subset else None
    with tempfile.TemporaryFile() as vectors, tempfile.TemporaryFile() as index:
        n_rows = n_without = n_to_backfill = 0
        for block in exports.embedded_segments(tx, collection, encoder, subset_id):
            vectors.write(block.vectors.astype(_ROW_TYPE).tobytes())
            lines = (_index_line(segment, block.frames.get(segment.segment_id)) for segment in block.segments)
            index.write("".join(lines).encode())
            n_rows += len(block.segments)
            n_without += block.n_without
            n_to_backfill += block.n_to_backfill
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            with _entry(archive, "embeddings.npy") as entry:
                shape = (n_rows, encoder.dimension)
                header = {"descr": _ROW_TYPE.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_2_0(entry, header)
                _copy(vectors, entry)
            with _entry(archive, "index.jsonl") as entry:
                _copy(index, entry)
            facts = {
                "name": encoder.name,
                "space": encoder.space,
                "dimension": encoder.dimension,
                "dtype": exports.dtype(tx, collection, encoder, subset_id),
                "spec": encoder.spec,
                "collection": collection,
                "subset": subset.name if subset else None,
                "segments": n_rows + n_without,
                "without_vector": n_without,
                "to_backfill": n_to_backfill,
            }
            archive.writestr("encoder.json", json.dumps(facts, ensure_ascii=False, indent=2))


def _index_line(segment: ListedSegment, frames: FrameBlob | None) -> str:
    row: dict[str, object] = {
        "segment_id": str(segment.segment_id),
        "object_key": segment.object_key,
        "start_s": segment.start_s,
        "end_s": segment.end_s,
    }
    if segment.modality == "text":
        row["text"] = segment.text
    if segment.attributes:
        row["attributes"] = segment.attributes
    if frames is not None:  # GET /v1/segments/{segment_id}/frames has them
        row["frames"] = {"sha256": frames.sha256, "shape": [frames.n_frames, frames.dimension], "dtype": frames.dtype}
    return json.dumps(row, ensure_ascii=False) + "\n"


def blocks_of(file: IO[bytes]) -> Generator[bytes, None, None]:
    """The file from its beginning; it is closed, and so deleted, at the end."""
    with file:
        file.seek(0)
        while block := file.read(_BLOCK_BYTES):
            yield block


@contextmanager
def _entry(archive: zipfile.ZipFile, name: str) -> Iterator[IO[bytes]]:
    with archive.open(name, "w", force_zip64=True) as entry:
        yield entry


def _copy(source: IO[bytes], target: IO[bytes]) -> None:
    source.seek(0)
    while block := source.read(_BLOCK_BYTES):
        target.write(block)
