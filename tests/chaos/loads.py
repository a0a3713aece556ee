"""Short recordings, put into the bucket while things go wrong."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

from tests.support.stack import FullStack

UPLOADS = 4  # at a time
CHEAP = ("spectral",)


def put_all(target: FullStack, collection: str, clips: Sequence[Path], encoders: Sequence[str] = CHEAP) -> None:
    """Into a collection of its own, in which a file is one segment."""
    target.collection(collection, segmenter="whole", encoders=encoders)
    with ThreadPoolExecutor(UPLOADS) as threads:
        list(threads.map(lambda clip: target.put(clip, f"{collection}/{clip.parent.name}/{clip.name}"), clips))


@contextmanager
def putting(
    target: FullStack, collection: str, clips: Sequence[Path], encoders: Sequence[str] = CHEAP
) -> Iterator[Future[None]]:
    """Upload in the background; at the end all has been uploaded."""
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(put_all, target, collection, clips, encoders)
        yield done
        done.result()


def as_wav(clips: Sequence[Path], folder: Path, times: int = 2) -> list[Path]:
    """At so many times our rate: each will have a blob of its own."""
    written = []
    for clip in clips:
        samples, rate_hz = soundfile.read(clip, dtype="float32")
        path = folder / clip.parent.name / f"{clip.stem}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.repeat(samples, times), times * rate_hz)
        written.append(path)
    return written
