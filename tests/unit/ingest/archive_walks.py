"""Walk through an archive in memory, as a worker does with one in the bucket."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

from services.ingest.archives.bounds import Bounds
from services.ingest.archives.sniffing import HEAD_BYTES, sniff
from services.ingest.archives.sources import peeked
from services.ingest.archives.walking import START, Position, Step, Walk
from shared.errors import RejectedInput
from shared.settings import IngestSettings

SOUND = b"as good as a sound" * 100


class Memory(io.BytesIO):
    """Bytes as a source that counts what was read of them."""

    random = True

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.n_read = 0
        self.largest_read = 0

    def read(self, n_bytes: int | None = -1, /) -> bytes:
        self.largest_read = max(self.largest_read, len(self.getbuffer()) if n_bytes is None else n_bytes)
        found = super().read(n_bytes)
        self.n_read += len(found)
        return found

    def peek(self, n_bytes: int) -> bytes:
        return peeked(self, n_bytes)


class Walked:
    """What came of an archive: the bytes of its members by path, refusals by path, and what refused it as a whole."""

    def __init__(self, content: bytes, position: Position = START, **settings: object) -> None:
        self.source = Memory(content)
        kind = sniff(content[:HEAD_BYTES])
        assert kind is not None
        self.steps: list[Step] = []
        self.taken: dict[str, bytes] = {}
        self.code: str | None = None
        bounds = Bounds.of(IngestSettings(**settings), len(content))
        with TemporaryDirectory() as folder:
            try:
                for step in Walk(bounds, Path(folder)).through(self.source, len(content), kind, position):
                    self.steps.append(step)
                    if step.staged:
                        self.taken[step.path] = step.staged.path.read_bytes()
                        step.staged.path.unlink()
            except RejectedInput as error:
                self.code = error.code
            self.left_over = list(Path(folder).iterdir())

    @property
    def refused(self) -> dict[str, str]:
        return {step.path: step.refusal.code for step in self.steps if step.refusal}
