"""Rows of (uuid, vector) in Postgres' binary COPY format, packed and unpacked by numpy as one array.

The format is fixed width for a given dimension, so a million rows need no Python loop. Source: PostgreSQL
documentation, COPY, "Binary Format"; pgvector's `vector_send` (int16 dimension, int16 unused, float4 each).
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final
from uuid import UUID

import numpy as np
from jaxtyping import Float32, UInt8
from typing_extensions import Buffer

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)  # signature, flags, length of the header extension
TRAILER: Final = b"\xff\xff"
_AT_ONCE_BYTES: Final = 1 << 23


def row_type(dimension: int) -> np.dtype[np.void]:
    """One row of two fields, a uuid and a vector, as it travels: big-endian, each field after its length."""
    return np.dtype(
        [
            ("n_fields", ">i2"),
            ("id_bytes", ">i4"),
            ("id", "V16"),
            ("vector_bytes", ">i4"),
            ("dimension", ">i2"),
            ("unused", ">i2"),
            ("vector", ">f4", (dimension,)),
        ]
    )


def pack(ids: Sequence[UUID], vectors: Float32[np.ndarray, "rows dim"]) -> bytes:
    """The whole COPY stream, header and trailer included."""
    dimension = vectors.shape[1]
    packed = np.empty(len(ids), row_type(dimension))
    packed["n_fields"] = 2
    packed["id_bytes"] = 16
    packed["id"] = np.frombuffer(b"".join(i.bytes for i in ids), "V16")
    packed["vector_bytes"] = 4 + 4 * dimension
    packed["dimension"] = dimension
    packed["unused"] = 0
    packed["vector"] = vectors
    return HEADER + packed.tobytes() + TRAILER


def unpack(
    blocks: Iterable[Buffer], dimension: int
) -> tuple[UInt8[np.ndarray, "rows 16"], Float32[np.ndarray, "rows dim"]]:
    """Ids as 16 bytes each and vectors, from a COPY stream of such rows; raises ValueError on another shape.

    Takes twice the memory of the vectors at most.
    """
    kind = row_type(dimension)
    ids, vectors = [np.empty((0, 16), np.uint8)], [np.empty((0, dimension), np.float32)]
    rest, skipped = bytearray(), len(HEADER)
    for block in chain(blocks, (None,)):
        if block is not None:
            rest += block
            if len(rest) < _AT_ONCE_BYTES:
                continue
        n_rows = max(0, len(rest) - skipped) // kind.itemsize
        rows = np.frombuffer(bytes(rest[skipped : skipped + n_rows * kind.itemsize]), kind)
        ids.append(np.frombuffer(rows["id"].tobytes(), np.uint8).reshape(n_rows, 16))
        vectors.append(rows["vector"].astype(np.float32))
        del rest[: skipped + n_rows * kind.itemsize]
        skipped = 0
    if rest != TRAILER:
        raise ValueError(f"the COPY stream does not hold rows of {dimension}-dimensional vectors")
    return np.concatenate(ids), np.concatenate(vectors)


def uuids(ids: UInt8[np.ndarray, "rows 16"]) -> list[UUID]:
    """The ids as objects."""
    flat = ids.tobytes()
    return [UUID(bytes=flat[at : at + 16]) for at in range(0, len(flat), 16)]
