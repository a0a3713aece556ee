"""Whether optional libraries are installed, without importing any."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version


def installed(names: Iterable[str]) -> bool:
    """Whether all of these distributions are there."""
    try:
        for name in names:
            version(name)
    except PackageNotFoundError:
        return False
    return True
