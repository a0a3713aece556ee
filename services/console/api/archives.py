"""Archives in a collection: how far each is unpacked, and what became of its members."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from services.console.api.shapes import CollectionName, Page, Paging, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import archive_listing, collections

router = APIRouter(tags=["archives"], dependencies=[Depends(Requires("read", "ingest"))])


class ArchiveShown(Shown):
    """An archive. `members` counts all that was met in it, folders and inner archives too.

    `taken` are objects of their own now, `skipped` were left out by name, `refused` have a reason. Of an archive that
    was `refused` itself, `code` and `reason` say why; what was taken before stays.
    """

    archive_id: UUID
    object_key: str = Field(examples=["sap/Train/SpeechAccessibility_000.tar"])
    kind: Literal["tar", "tar.gz", "tar.bz2", "tar.xz", "zip"]
    state: Literal["unpacking", "unpacked", "refused", "replaced"]
    size_bytes: int
    read_bytes: int
    members: int
    taken: int
    skipped: int
    refused: int
    code: str | None
    reason: str | None
    found_at: datetime
    finished_at: datetime | None


class MemberShown(Shown):
    """A member of an archive: the object that it has become, or the code and the reason why it has not."""

    path: str = Field(description="in the archive", examples=["Train/0a1b/0a1b_7.wav"])
    size_bytes: int
    object_key: str | None
    etag: str | None
    code: str | None
    reason: str | None


@router.get("/v1/collections/{collection}/archives")
def archives(
    console: ConsoleDep,
    collection: CollectionName,
    paging: Annotated[Paging, Depends()],
    object_key: Annotated[str, Query(description="only the one that lies there", max_length=1024)] = "",
) -> Page[ArchiveShown]:
    """By key in byte order; of each key what was seen last."""
    name = f"archives:{collection}:{object_key}"
    start = paging.start(name)
    with console.database.begin() as tx:
        collections.get(tx, collection)
        after = "" if start is None else str(start[0])
        rows = archive_listing.archives(tx, collection, after=after, key=object_key, most=paging.most)
    return paging.page(name, rows, ArchiveShown.model_validate, lambda row: (row.object_key,))


@router.get("/v1/collections/{collection}/archives/{archive_id}/members")
def members(
    console: ConsoleDep,
    collection: CollectionName,
    archive_id: UUID,
    paging: Annotated[Paging, Depends()],
    *,
    refused: Annotated[bool, Query(description="only those")] = False,
) -> Page[MemberShown]:
    """Those that were taken or refused, in the order of the archive; what was left out by name is only counted."""
    name = f"archive members:{archive_id}:{refused}"
    start = paging.start(name)
    with console.database.begin() as tx:
        after = -1 if start is None else int(start[0])
        rows = archive_listing.members(tx, collection, archive_id, after=after, refused=refused, most=paging.most)
    return paging.page(name, rows, MemberShown.model_validate, lambda row: (row.number,))
