"""Words for people that depend on a number."""


def counted(n: int, noun: str) -> str:
    """`1 file`, `2 files`: for nouns that take an s."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def percent(probability: float) -> str:
    """`87 %`; never the certainty that rounding would make of it."""
    if probability < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < probability < 1 else f"{100 * probability:.0f} %"
