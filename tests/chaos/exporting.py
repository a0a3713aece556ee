"""Somebody who exports a collection all the while: what was erased before an export was asked for is not in it."""

import io
import threading
import zipfile
from collections.abc import Iterable
from typing import Self

import httpx

from tests.support.stack import FullStack

EXPORTS = ("export/segments", "export/embeddings", "export/audacity", "labels")
EVERY_S = 0.5


class Exporter:
    """Reads every export of a collection again and again while this is entered, and once more at the end."""

    def __init__(self, target: FullStack, collection: str) -> None:
        self._api = target.api()
        self._path = f"/v1/collections/{collection}/"
        self._gone: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="exporter")
        self.n_read = self.n_broken = 0
        self.shown: set[str] = set()  # words of what was erased by then

    def erased(self, words: Iterable[str]) -> None:
        """The erasure was answered: from now on nobody who asks is shown any of these words."""
        self._gone |= frozenset(words)

    def _keep(self) -> None:
        while not self._stop.wait(EVERY_S):
            self._read_all()

    def _read_all(self) -> None:
        for name in EXPORTS:
            gone = self._gone  # as it is when the export is asked for
            try:
                answer = self._api.get(self._path + name, params={"limit": 1000} if name == "labels" else {})
            except httpx.HTTPError:  # an erasure breaks off whatever is being sent
                self.n_broken += 1
                continue
            if answer.is_success:
                self.n_read += 1
                content = _unpacked(answer.content)
                self.shown |= {word for word in gone if word.encode() in content}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._read_all()
        self._api.close()


def _unpacked(content: bytes) -> bytes:
    """What an export says, packed or not, names of its files included."""
    if not zipfile.is_zipfile(io.BytesIO(content)):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return b"\n".join(part for name in archive.namelist() for part in (name.encode(), archive.read(name)))
