"""What a reader of archives finds: one entry after the other, with its place, so that one can begin at any of them."""

from collections.abc import Callable
from dataclasses import dataclass

from services.ingest.archives.errors import BrokenArchive
from services.ingest.archives.sources import Source
from shared.errors import RejectedInput


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as its archive announces it. Places are what its reader can begin at."""

    name: str  # as the archive has it: it may lead anywhere
    is_folder: bool
    size_bytes: int
    at: int
    after: int
    open: Callable[[], Source]
    fault: RejectedInput | None = None  # why it cannot be read
    unreadable: type[RejectedInput] = BrokenArchive  # what it means when its bytes cannot be read after all
