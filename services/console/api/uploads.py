"""Uploads go to the bucket, not through the API: here clients get the addresses, and may say that they are done."""

from datetime import datetime
from typing import Annotated, Final, Self

from fastapi import APIRouter, Depends
from pydantic import Field, model_validator

from services.console.admission import admit
from services.console.api.collections import WantedSettings, ensure
from services.console.api.shapes import Asked, CollectionName, Shown
from services.console.auth import Requires
from services.console.deps import Console, ConsoleDep
from services.console.keys import object_key
from shared.storage import collections, listing
from shared.storage.database import notify
from shared.storage.listing import ListedObject

router = APIRouter(tags=["uploads"], dependencies=[Depends(Requires("ingest"))])

HINT_CHANNEL: Final = "earmark_hint"
_MOST: Final = 1000
_SHOWN: Final = 60  # characters


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


class WantedUploads(WantedSettings):
    """Files to upload, as paths relative to whatever the uploader calls the top.

    Of those in `sha256`, each with its checksum in hexadecimal, `post` takes no other bytes.
    """

    paths: Annotated[list[str], Field(min_length=1, max_length=_MOST, examples=[["monday/standup.wav"]])]
    sha256: Annotated[dict[str, Sha256], Field(default_factory=dict, max_length=_MOST)]

    @model_validator(mode="after")
    def _of_these_paths(self) -> Self:
        if strangers := sorted(self.sha256.keys() - set(self.paths)):
            raise ValueError(f"sha256 names {strangers[0][:_SHOWN]!r}, which is not in paths")
        return self


class UploadForm(Shown):
    """A POST of multipart/form-data: these fields, then the bytes as the field `file`."""

    url: str
    fields: dict[str, str]


class Upload(Shown):
    """Where one file goes: PUT its bytes to `url`, or POST them with `post`.

    The object store takes nothing but this key at either; with `post` no empty file, none that is larger than ingest
    accepts, and none with another checksum than was announced.
    """

    path: str
    object_key: str
    url: str
    post: UploadForm
    etag: str | None = Field(description="of the recording that lies under the key by now, which an upload replaces")
    seen_at: datetime | None = Field(description="of what lies there by now; its end is not the upload's")


class Uploads(Shown):
    """One for each path, in their order."""

    uploads: list[Upload]


class CompletedUploads(Asked):
    """Keys whose bytes have been put."""

    object_keys: Annotated[list[str], Field(max_length=_MOST, examples=[["meetings/monday/standup.wav"]])]


class Accepted(Shown):
    """Nothing more to say: the bucket is what counts."""

    accepted: bool = True


@router.post("/v1/collections/{collection}/uploads")
def begin(console: ConsoleDep, collection: CollectionName, wanted: WantedUploads) -> Uploads:
    """Presigned PUT addresses; makes the collection if it is new. 429 while too much of it waits."""
    keys = [object_key(collections.check_name(collection), path) for path in wanted.paths]
    with console.database.begin() as tx:
        admit(tx, console.settings.console, collection)
        ensure(tx, console.settings, collection, wanted)
        standing = listing.objects_by_key(tx, collection, keys)
    checksums = {path: bytes.fromhex(text) for path, text in wanted.sha256.items()}
    return Uploads(
        uploads=[
            _upload(console, path, checksums.get(path), there)
            for path, there in zip(wanted.paths, standing, strict=True)
        ]
    )


def _upload(console: Console, path: str, sha256: bytes | None, there: ListedObject) -> Upload:
    key = there.object_key
    bucket, expiry_s = console.settings.s3.audio_bucket, console.settings.console.presign_expiry_s
    n_bytes = range(1, console.settings.ingest.max_file_bytes + 1)
    form = console.store.presigned_post(bucket, key, expiry_s, n_bytes, sha256)
    return Upload(
        path=path,
        object_key=key,
        url=console.store.presigned_put(bucket, key, expiry_s),
        post=UploadForm(url=form.url, fields=form.fields),
        etag=there.etag if there.recording_id else None,
        seen_at=there.seen_at,
    )


@router.post("/v1/collections/{collection}/uploads/complete", status_code=202)
def complete(console: ConsoleDep, collection: CollectionName, _: CompletedUploads) -> Accepted:
    """A hint that makes the watcher look now; without it the next sweep finds the objects all the same."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        notify(tx, HINT_CHANNEL, collection)
    return Accepted()
