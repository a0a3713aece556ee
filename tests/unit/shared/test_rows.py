"""Vectors as Postgres' binary COPY rows, there and back."""

import struct
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shared.storage import rows

VECTORS = hnp.arrays(
    np.float32,
    st.tuples(st.integers(0, 40), st.integers(1, 33)),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(VECTORS, st.data())
def test_what_was_packed_is_unpacked(vectors: np.ndarray, data: st.DataObject):
    ids = data.draw(st.lists(st.uuids(), min_size=len(vectors), max_size=len(vectors)))

    found, unpacked = rows.unpack([rows.pack(ids, vectors)], vectors.shape[1])

    assert rows.uuids(found) == ids
    np.testing.assert_array_equal(unpacked, vectors)
    assert unpacked.dtype == np.float32


@given(VECTORS, st.integers(1, 50))
def test_it_does_not_matter_where_a_stream_is_cut(vectors: np.ndarray, n_bytes: int):
    ids = [UUID(int=n) for n in range(len(vectors))]
    stream = rows.pack(ids, vectors)
    blocks = [stream[at : at + n_bytes] for at in range(0, len(stream), n_bytes)]

    found, unpacked = rows.unpack(blocks, vectors.shape[1])

    assert rows.uuids(found) == ids
    np.testing.assert_array_equal(unpacked, vectors)


def test_the_bytes_are_those_of_the_documentation():
    row_id = UUID("00112233-4455-6677-8899-aabbccddeeff")
    expected = (
        b"PGCOPY\n\xff\r\n\x00"
        + struct.pack(">ii", 0, 0)  # flags, length of the header extension
        + struct.pack(">h", 2)  # fields
        + struct.pack(">i", 16)
        + row_id.bytes
        + struct.pack(">i", 12)
        + struct.pack(">hh2f", 2, 0, 1.5, -2.0)
        + struct.pack(">h", -1)
    )
    assert rows.pack([row_id], np.array([[1.5, -2.0]], np.float32)) == expected


def test_rows_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match="3-dimensional"):
        rows.unpack([rows.pack([UUID(int=1)], np.ones((1, 4), np.float32))], 3)


def test_a_stream_is_read_a_part_at_a_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rows, "_AT_ONCE_BYTES", 64)
    vectors = np.random.default_rng(0).normal(size=(9, 5)).astype(np.float32)
    ids = [UUID(int=n) for n in range(len(vectors))]
    stream = rows.pack(ids, vectors)
    found, unpacked = rows.unpack([stream[at : at + 50] for at in range(0, len(stream), 50)], 5)
    assert rows.uuids(found) == ids
    np.testing.assert_array_equal(unpacked, vectors)
