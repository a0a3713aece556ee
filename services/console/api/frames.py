"""The frames that an encoder kept of a segment, as the file that it wrote."""

import tempfile
from io import SEEK_END
from pathlib import Path
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from services.console.archives import blocks_of
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from services.console.streaming import streamed
from shared.errors import NotFound
from shared.storage import encoders
from shared.storage.frames import frames_key, of_segments

router = APIRouter(tags=["segments"], dependencies=[Depends(Requires("read"))])


class NoFrames(NotFound):
    """Only encoders with pooling `none` keep frames; the pooled vector is in `earmark export embeddings`."""

    code = "no_frames"


@router.get(
    "/v1/segments/{segment_id}/frames",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/octet-stream": {}}}},
)
def frames(
    console: ConsoleDep, segment_id: UUID, encoder: Annotated[str, Query(examples=["ge2e"])]
) -> StreamingResponse:
    """A `.npy` of shape (frames, dimension)."""
    with console.database.begin() as tx:
        space = encoders.by_name(tx, encoder)
        blob = of_segments(tx, space, [segment_id]).get(segment_id)
    if blob is None:
        raise NoFrames(f"{encoder!r} has kept no frames of segment {segment_id}.")
    target = tempfile.NamedTemporaryFile()  # noqa: SIM115  # closed by whoever reads it to the end
    try:
        console.store.fetch(console.settings.s3.derived_bucket, frames_key(space.space, blob.sha256), Path(target.name))
    except BaseException:
        target.close()
        raise
    size = {"Content-Length": str(target.seek(0, SEEK_END))}
    return streamed(blocks_of(target), "application/octet-stream", size)
