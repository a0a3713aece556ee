"""A file that is read where its own numbers say, whatever they say."""

import io
import os
from pathlib import Path


class SourceFile(io.BufferedReader):
    """An open file in which every place beyond the end is the end.

    A header may send its reader to byte 2^63. The kernel calls that an error, which would look like a broken disk and
    be tried again for ever; to a reader it is a file that ends too early.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self.size = os.fstat(self.fileno()).st_size

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to a byte, counted from the start unless asked for otherwise."""
        return super().seek(min(offset, self.size) if whence == os.SEEK_SET else offset, whence)
