"""How much an archive may unpack to, and what of that is used up."""

from dataclasses import dataclass
from typing import Final

from services.ingest.archives.errors import ArchiveExpansion, ArchiveTooLarge, TooManyMembers
from shared.settings import IngestSettings
from shared.units import MIB

EXPANSION_GRACE_BYTES: Final = 64 * MIB
"""What even the smallest archive may unpack to: a short one of silence is no bomb."""


@dataclass(slots=True)
class Bounds:
    """The limits of one archive, and how far it has come; counts go on from one slice to the next."""

    most_members: int
    most_bytes: int
    most_expanded_bytes: int
    member_bytes: int
    depth: int
    n_members: int = 0
    n_bytes: int = 0  # of members that were read

    @classmethod
    def of(cls, settings: IngestSettings, size_bytes: int) -> "Bounds":
        """Those of an archive of this size."""
        expanded = max(EXPANSION_GRACE_BYTES, int(settings.archive_expansion * size_bytes))
        return cls(
            most_members=settings.archive_members,
            most_bytes=settings.archive_bytes,
            most_expanded_bytes=expanded,
            member_bytes=settings.max_file_bytes,
            depth=settings.archive_depth,
        )

    def count_member(self) -> None:
        """One more entry, of whatever kind. Raises TooManyMembers."""
        self.n_members += 1
        if self.n_members > self.most_members:
            raise TooManyMembers(f"It holds more than {self.most_members} members.")

    def count_bytes(self, n_bytes: int) -> None:
        """So many more bytes of a member. Raises ArchiveTooLarge, ArchiveExpansion."""
        self.n_bytes += n_bytes
        self.check_expanded(self.n_bytes)

    def check_expanded(self, n_bytes: int) -> None:
        """So many bytes came out of it, or out of one archive in it. Raises ArchiveTooLarge, ArchiveExpansion."""
        if n_bytes > self.most_bytes:
            raise ArchiveTooLarge(f"It unpacks to more than {self.most_bytes} bytes.")
        if n_bytes > self.most_expanded_bytes:
            raise ArchiveExpansion(f"It unpacks to more than {self.most_expanded_bytes} bytes.")
