"""Bodies that are made while they are sent: begun before the headers go out, closed whatever happens."""

from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from itertools import chain

from anyio import CancelScope, to_thread
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import StreamingResponse

Blocks = Generator[bytes, None, None]


def streamed(
    blocks: Blocks, media_type: str, headers: Mapping[str, str] | None = None, status_code: int = 200
) -> StreamingResponse:
    """Answer with the blocks of a generator, made in the thread pool.

    The first one is made here, so that whatever fails at once still gets a status of its own.
    """
    try:
        first = [next(blocks)]
    except StopIteration:
        first = []
    return StreamingResponse(
        _closing(blocks, chain(first, blocks)), status_code=status_code, headers=headers, media_type=media_type
    )


async def _closing(blocks: Blocks, content: Iterator[bytes]) -> AsyncIterator[bytes]:
    """A client that leaves must not leave a transaction or a file open behind it."""
    try:
        async for block in iterate_in_threadpool(content):
            yield block
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(blocks.close)
