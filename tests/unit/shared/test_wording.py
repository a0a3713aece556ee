"""Words that depend on a number."""

import pytest

from shared.wording import counted, percent


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "under 1 %"), (0.004, "under 1 %"), (0.01, "1 %"), (0.5, "50 %"), (0.996, "over 99 %"), (1.0, "100 %")],
)
def test_rounding_makes_no_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_one_is_no_plural() -> None:
    assert [counted(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
