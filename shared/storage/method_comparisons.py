"""Clusterings by another method, written onto their requests beside what stands: they have no generation."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from shared.storage.database import Transaction
from shared.storage.tables import clustering


@dataclass(frozen=True, slots=True)
class Counts:
    """How many clusters there are among some segments, and how many of those are in none."""

    clusters: int
    noise: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a method found, what stands for the same segments, and how far the two agree."""

    found: Counts
    standing: Counts
    n_segments: int
    agreement: float | None  # adjusted Rand index, noise as singletons; None where nothing stands


def write(tx: Transaction, request_id: UUID, comparison: Comparison, parameters: dict[str, Any]) -> None:
    """Finish a request without making a generation of it."""
    beside = {"standing": asdict(comparison.standing), "agreement": comparison.agreement}
    tx.execute(
        sa.update(clustering)
        .where(clustering.c.request_id == request_id)
        .values(
            n_clusters=comparison.found.clusters,
            n_noise=comparison.found.noise,
            n_segments=comparison.n_segments,
            parameters={**parameters, **beside},
            finished_at=sa.func.clock_timestamp(),
        )
    )
