"""Which archive a file is, by its first bytes. Never looks at a name, and promises nothing about the rest."""

import tarfile
from typing import Final

from services.ingest.archives.compressed import ERRORS, begun
from services.ingest.archives.kinds import Kind

HEAD_BYTES: Final = 4096

_COMPRESSED: Final[tuple[tuple[bytes, Kind], ...]] = (
    (b"\x1f\x8b\x08", Kind.TAR_GZ),
    (b"BZh", Kind.TAR_BZ2),
    (b"\xfd7zXZ\x00", Kind.TAR_XZ),
)
_ZIP: Final = (b"PK\x03\x04", b"PK\x05\x06")  # a member, or the end of an empty one


def sniff(head: bytes) -> Kind | None:
    """The archive that begins with these bytes, of which HEAD_BYTES are enough; None for anything else."""
    if head.startswith(_ZIP):
        return Kind.ZIP
    for magic, kind in _COMPRESSED:
        if head.startswith(magic):
            return kind if _may_hold_tar(head, kind) else None
    return Kind.TAR if is_tar(head) else None


def _may_hold_tar(head: bytes, kind: Kind) -> bool:
    """Whether a tar comes out of it, as far as can be told: bzip2 gives nothing before its first block is complete."""
    try:
        content = begun(head, kind, tarfile.BLOCKSIZE)
    except ERRORS:
        return False
    return len(content) < tarfile.BLOCKSIZE or is_tar(content)


def is_tar(head: bytes) -> bool:
    """Whether a tar's header with a right checksum comes first; the oldest tars have no other mark."""
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True
