"""What the clustering functions take and give: frozen records of arrays, and nothing that computes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

NOISE: Final = -1  # the label of a row that belongs to no cluster
UNNAMED: Final = -1  # the `said` number of a row whose speaker nobody named

Method = Literal["auto", "density", "hdbscan", "spectral", "agglomerative"]
Selection = Literal["eom", "leaf"]
Progress = Callable[[float], None]  # receives the share of the work that is done, 0 to 1


def silent(_: float) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """What an encoder knows of its own space before any collection is seen."""

    assign_cosine: float  # to a speaker's mean direction, from which on a row is taken for that speaker's
    min_duration_s: float  # shorter rows say little of who speaks


@dataclass(frozen=True, slots=True)
class Said:
    """What people said about rows. Rows of one `speakers` number are one speaker, rows of two numbers are two."""

    speakers: Int64[np.ndarray, " rows"]  # UNNAMED where nobody named the row
    apart: Int64[np.ndarray, "others 2"]  # rows that are two voices: from splits


def nothing_said(n_rows: int) -> Said:
    """Nobody named any row."""
    return Said(np.full(n_rows, UNNAMED, np.int64), np.zeros((0, 2), np.int64))


@dataclass(frozen=True, slots=True)
class Graph:
    """The nearest neighbours of each row, nearest first, without itself."""

    indices: Int32[np.ndarray, "rows k"]
    cosines: Float32[np.ndarray, "rows k"]


@dataclass(frozen=True, slots=True)
class Merges:
    """Which groups joined: a row of each, and the mean cosine between the two groups, in the order of joining."""

    left: Int32[np.ndarray, " merges"]
    right: Int32[np.ndarray, " merges"]
    cosines: Float64[np.ndarray, " merges"]


def nothing_joined() -> Merges:
    """No joins."""
    return Merges(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Chosen:
    """The parameters that a clustering was found with; None where the method has no such parameter."""

    min_cluster_size: int | None = None
    min_samples: int | None = None
    selection: Selection | None = None
    n_clusters: int | None = None
    cut: float | None = None  # cosine after the mean is taken away, below which two groups are two voices
    silhouette: float | None = None  # the criterion's value, -1 to 1


@dataclass(frozen=True, slots=True)
class Clustering:
    """The cluster of each row, from 0 on in order of first members, or NOISE; and how firmly it belongs there."""

    labels: Int64[np.ndarray, " rows"]
    probabilities: Float64[np.ndarray, " rows"]  # 0 to 1; 0 for noise
    method: Method
    chosen: Chosen
    mean: Float64[np.ndarray, " dim"]  # what was taken from each row before comparing; zeros: nothing was


@dataclass(frozen=True, slots=True)
class State:
    """What is kept between runs, so that a refit costs in proportion to what changed. Of the rows that vote only."""

    ids: UInt8[np.ndarray, "rows 16"]  # the rows' UUIDs, in the graph's order
    graph: Graph
    joined: Merges  # the joins above all cosines that might part two voices
    mean: Float64[np.ndarray, " dim"]  # that the graph's cosines were taken with
    cut: float  # chosen with that mean
    by_density: bool  # so too whether HDBSCAN's clusters are taken, not those of the cut
    tree: Merges  # the spanning tree of highest cosines, where they are; else empty
    n_begun: int  # how many rows there were when mean and cut were chosen


@dataclass(frozen=True, slots=True)
class Trust:
    """Facts by which a person may judge a cluster."""

    size: int
    n_recordings: int
    cohesion: float  # mean cosine of a member to the rest of its cluster
    margin: float  # cohesion less the mean cosine between the members and those of the nearest other cluster
    stability: float  # mean best Jaccard index with the clusters of resampled rows, 0 to 1
    exemplars: tuple[int, ...]  # rows, most typical first, of different recordings as far as there are


@dataclass(frozen=True, slots=True)
class Arrived:
    """The standing cluster that each new row joins, by its number, or NOISE for none."""

    labels: Int64[np.ndarray, " rows"]
    cosines: Float64[np.ndarray, " rows"]  # mean cosine to the nearest standing cluster; -1 where none stands
