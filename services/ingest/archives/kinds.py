"""The archives that Earmark unpacks."""

from enum import StrEnum


class Kind(StrEnum):
    """By what is around the members."""

    TAR = "tar"
    TAR_GZ = "tar.gz"
    TAR_BZ2 = "tar.bz2"
    TAR_XZ = "tar.xz"
    ZIP = "zip"
