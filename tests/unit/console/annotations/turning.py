"""Turns as every format can hold them, for properties."""

import string

from hypothesis import strategies as st

from services.console.annotations.turns import Turn

characters = st.characters(
    codec="utf-8", exclude_categories=["Cs", "Cc", "Cn", "Zs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"
)
words = st.text(characters, min_size=1, max_size=8)


def _is_name(name: str) -> bool:
    import unicodedata

    return (
        unicodedata.normalize("NFC", name) == name == name.strip()
        and name.upper() != "UNKNOWN"
        and name.casefold() not in {"speaker", "speakers"}
    )


names = st.lists(words, min_size=1, max_size=3).map(" ".join).filter(_is_name)
blankless_names = words.filter(_is_name).filter(lambda name: name != "<NA>" and not name.isspace())
lines = st.text(characters | st.sampled_from(" \"'<>&\\,;\t\n"), min_size=1, max_size=12)
texts = lines.map(str.strip).filter(bool)


@st.composite
def turns(draw, *, grid_s: float, speakers=names, text=texts):
    """Turns that lie on a grid, in any order, overlapping as they like."""
    steps = st.integers(0, 40_000)
    found = []
    for start, length in draw(st.lists(st.tuples(steps, st.integers(1, 5_000)), max_size=8)):
        speaker = draw(st.none() | speakers)
        said = draw(st.none() | text) if text is not None else None
        end_s = (start + length) * grid_s
        found.append(Turn(round(start * grid_s, 7), round(end_s, 7), speaker, None if said == speaker else said))
    return found


stems = st.text(string.ascii_letters + "_ü-1", min_size=1, max_size=10)
