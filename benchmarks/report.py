"""How a benchmark prints: one ratio of medians against a named peer, with the spread of both."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Comparison:
    """The same work done by Earmark and by a peer, in alternation, in the same run."""

    name: str
    peer: str
    unit: str
    ours: Sequence[float]  # lower is better
    theirs: Sequence[float]
    wanted: float | None = None  # None: nothing is promised, the figure stands beside others

    @property
    def ratio(self) -> float:
        """How many times the peer's median ours is better."""
        return median(self.theirs) / median(self.ours)

    def line(self) -> str:
        """One line for people: ratio, what was wanted, both sides' median and range."""
        return (
            f"{self.name}: {self.ratio:.2f}x of {self.peer}{self._verdict()}; "
            f"{self.unit}: ours {_spread(self.ours)}, theirs {_spread(self.theirs)}"
        )

    def _verdict(self) -> str:
        if self.wanted is None:
            return ""
        return f" (wanted >= {self.wanted:g}x, {'ok' if self.ratio >= self.wanted else 'MISSED'})"


def _spread(values: Sequence[float]) -> str:
    return f"{median(values):.4g} [{min(values):.4g} to {max(values):.4g}]"
