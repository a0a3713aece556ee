"""Exported vectors in one file for other tools: Parquet, Arrow, or a torch file.

Each is made of the folder that the API delivers (`embeddings.npy`, `index.jsonl`, `encoder.json`), a block of rows at
a time; only torch's index is held as a whole, because its format wants it so.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from jaxtyping import Float32

from services.launcher.cli.failure import Failure

if TYPE_CHECKING:
    import pyarrow as pa

OneFile = Literal["parquet", "arrow", "pt"]
Row = dict[str, Any]
"""A line of the index: which segment a vector is of."""

_ROWS_PER_BLOCK: Final = 4096


class Vectors:
    """A delivered folder, read without loading it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.encoder: Row = json.loads((folder / "encoder.json").read_text("utf-8"))
        self.rows: Float32[np.ndarray, "rows dim"] = np.load(folder / "embeddings.npy", mmap_mode="r")

    def index(self) -> Iterator[Row]:
        """The segments, row by row."""
        with (self.folder / "index.jsonl").open(encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)

    def blocks(self) -> Iterator[tuple[list[Row], Float32[np.ndarray, "block dim"]]]:
        """Segments and their vectors."""
        index, start = self.index(), 0
        while segments := list(islice(index, _ROWS_PER_BLOCK)):
            yield segments, self.rows[start : start + len(segments)]
            start += len(segments)


def shape_as(kind: OneFile) -> Callable[[Path], Path]:
    """What turns a delivered folder into one with `embeddings.<kind>` and `encoder.json`."""

    def shape(folder: Path) -> Path:
        shaped = folder.with_name("shaped")
        shaped.mkdir()
        _WRITERS[kind](Vectors(folder), shaped / f"embeddings.{kind}")
        (folder / "encoder.json").replace(shaped / "encoder.json")
        return shaped

    return shape


def _write_parquet(vectors: Vectors, target: Path) -> None:
    with _needing("pyarrow"):
        import pyarrow.parquet as pq
    with target.open("wb") as file, pq.ParquetWriter(file, _schema(vectors)) as writer:
        for segments, block in vectors.blocks():
            writer.write_batch(_batch(segments, block, writer.schema))


def _write_arrow(vectors: Vectors, target: Path) -> None:
    with _needing("pyarrow"):
        import pyarrow as pa
    schema = _schema(vectors)
    with target.open("wb") as file, pa.ipc.new_file(file, schema) as writer:
        for segments, block in vectors.blocks():
            writer.write_batch(_batch(segments, block, schema))


def _schema(vectors: Vectors) -> "pa.Schema":
    import pyarrow as pa

    fields = {
        "segment_id": pa.string(),
        "object_key": pa.string(),
        "start_s": pa.float64(),
        "end_s": pa.float64(),
        "text": pa.string(),  # of a caption
        "attributes": pa.string(),  # as JSON: corpora differ in what they say
        "embedding": pa.list_(pa.float32(), vectors.rows.shape[1]),
    }
    return pa.schema(fields, metadata={"encoder": json.dumps(vectors.encoder, ensure_ascii=False)})


def _batch(segments: list[Row], block: Float32[np.ndarray, "block dim"], schema: "pa.Schema") -> "pa.RecordBatch":
    import pyarrow as pa

    columns = [
        pa.array([_plain(segment.get(field.name)) for segment in segments], field.type) for field in list(schema)[:-1]
    ]
    flat = pa.array(block.reshape(-1))  # (block, dim) -> (block * dim,)
    return pa.RecordBatch.from_arrays(
        [*columns, pa.FixedSizeListArray.from_arrays(flat, block.shape[1])], schema=schema
    )


def _plain(value: object) -> object:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value


def _write_pt(vectors: Vectors, target: Path) -> None:
    """`{"embeddings": tensor, "index": [...], "encoder": {...}}`, for `torch.load(..., weights_only=True)`."""
    with _needing("torch"):
        import torch
    # Copied on write, and never written: torch wants memory that it might write to.
    rows = np.load(vectors.folder / "embeddings.npy", mmap_mode="c")
    contents = {"embeddings": torch.from_numpy(rows), "index": list(vectors.index()), "encoder": vectors.encoder}
    try:
        with target.open("wb") as file:
            torch.save(contents, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):  # torch hides that the disk is full
            raise error.__context__ from error
        raise


@contextmanager
def _needing(library: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = "pip install 'earmark[exports]', or export as npy."
        raise Failure("missing_library", f"This format needs {library}.", remedy) from error


_WRITERS: Final[Mapping[OneFile, Callable[[Vectors, Path], None]]] = MappingProxyType(
    {"parquet": _write_parquet, "arrow": _write_arrow, "pt": _write_pt}
)
