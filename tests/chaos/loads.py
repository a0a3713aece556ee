"""Short recordings, put into the bucket while things go wrong."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.support.stack import FullStack

UPLOADS = 4  # at a time


def put_all(target: FullStack, collection: str, clips: Sequence[Path]) -> None:
    """Into a collection of its own, in which a file is one segment, and its vector costs little."""
    target.collection(collection, segmenter="whole", encoders=["spectral"])
    with ThreadPoolExecutor(UPLOADS) as threads:
        list(threads.map(lambda clip: target.put(clip, f"{collection}/{clip.parent.name}/{clip.name}"), clips))


@contextmanager
def putting(target: FullStack, collection: str, clips: Sequence[Path]) -> Iterator[Future[None]]:
    """Upload in the background; at the end all has been uploaded."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(put_all, target, collection, clips)
        yield done
        done.result()
