"""The only place that builds the tools of the clusterer."""

from functools import cache

from shared.settings import ClustererSettings, Settings


@cache
def clusterer() -> ClustererSettings:
    """The settings of this process; the clusterer needs nothing else."""
    return Settings().clusterer
