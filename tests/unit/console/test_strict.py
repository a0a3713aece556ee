"""Bodies that are almost JSON, and text that Postgres could not hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.strict import parse
from shared.errors import InvalidRequest

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")), inner)
    ),
    max_leaves=20,
)


@given(json_values)
def test_what_is_json_passes(value):
    assert parse(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[Infinity, -Infinity]",
        b"1e999",
        b"9007199254740993",
        b"-" + b"9" * 5000,
        b'"\\u0000"',
        b'{"\\u0000": 1}',
        b'"\\ud800"',
        b'{"a": ["\\udfff x"]}',
        b'"\xff"',
        b"\xed\xa0\x80",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_only_almost_json_is_refused(raw):
    with pytest.raises(InvalidRequest):
        parse(raw)


def test_a_whole_surrogate_pair_is_one_character():
    assert parse(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
