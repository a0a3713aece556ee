"""Words for people: what depends on a number, and what they may have meant."""

from collections.abc import Sequence
from difflib import get_close_matches


def counted(n: int, noun: str) -> str:
    """`1 file`, `2 files`: for nouns that take an s."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def percent(probability: float) -> str:
    """`87 %`; never the certainty that rounding would make of it."""
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"


def nearest(word: str, known: Sequence[str]) -> str | None:
    """The one that it may be a misspelling of, upper and lower case aside."""
    near = get_close_matches(word.lower(), [one.lower() for one in known], n=1)
    return next((one for one in known if [one.lower()] == near), None)
