"""Words for people that depend on a number."""


def counted(n: int, noun: str) -> str:
    """`1 file`, `2 files`: for nouns that take an s."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
