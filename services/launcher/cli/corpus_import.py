"""Bring a corpus into a collection, batch by batch: attributes first, then the files that are not there yet.

Holds a few batches at a time, however many files the corpus has. May be killed and run again.
"""

import hashlib
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.pipeline import BATCH, Ingest, Outcome
from services.launcher.cli.progress import CountBar
from services.launcher.cli.sources import Source, Sources, Unfit, examine
from services.launcher.cli.troubles import work_of
from services.launcher.cli.upload import THREADS
from services.launcher.cli.waiting import PATIENCE_S
from shared.corpora.items import Entry, Item, Problem, Tally

_BATCH_BYTES: Final = 4 << 20
"""Of attributes in one request; the API takes 10 MiB."""

_AHEAD: Final = 20
"""So many batches are in work before the oldest is waited for: enough for the workers, little to remember."""

_SHOWN: Final = 50


@dataclass(slots=True)
class Imported:
    """What became of a corpus; `files` counts those that are there, `statuses` what became of them."""

    files: int = 0
    sent: int = 0
    standing: int = 0  # lay in the bucket with these bytes
    attributes_changed: int = 0
    captions_added: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    troubled: list[Outcome] = field(default_factory=list)  # the first ones
    problems: Tally = field(default_factory=Tally)
    work: Document | None = None  # what is left of it, if some files are pending after all

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """What became of one batch."""
        for outcome in outcomes:
            self.statuses[outcome.status] = self.statuses.get(outcome.status, 0) + 1
            if outcome.reason and len(self.troubled) < _SHOWN:
                self.troubled.append(outcome)


class CorpusImport:
    """One import into one collection."""

    def __init__(self, api: Client, collection: str, settings: Document, bar: CountBar) -> None:
        self._api = api
        self._collection = collection
        self._settings = settings
        self._bar = bar
        self._imported = Imported()

    def run(self, entries: Iterable[Entry], wait_s: float | None) -> Imported:
        """Import everything; with `wait_s`, follow it until it is ready or rejected, or so much time has passed."""
        deadline = None if wait_s is None else time.monotonic() + wait_s
        in_work: deque[Ingest] = deque()
        for batch in self._batches(entries):
            in_work.append(self._bring(batch))
            if len(in_work) > (_AHEAD if deadline is not None else 0):
                self._finish(in_work.popleft(), deadline)
        while in_work:
            self._finish(in_work.popleft(), deadline)
        if "pending" in self._imported.statuses:
            self._imported.work = work_of(self._api, self._collection)
        return self._imported

    def _batches(self, entries: Iterable[Entry]) -> Iterator[list[Item]]:
        batch: list[Item] = []
        n_bytes = 0
        for entry in entries:
            if isinstance(entry, Problem):
                self._imported.problems.add(entry)
                continue
            size = len(json.dumps(entry.data()).encode())
            if batch and (len(batch) == BATCH or n_bytes + size > _BATCH_BYTES):
                yield batch
                batch, n_bytes = [], 0
            batch.append(entry)
            n_bytes += size
        if batch:
            yield batch

    def _bring(self, batch: list[Item]) -> Ingest:
        """Attributes, then bytes: a recording that is cut finds its captions waiting."""
        files = Ingest(self._api, self._collection, self._settings, _Silent())
        examined = [examine(item.path, item.key, self._collection) for item in batch]
        fit = [source for source in examined if isinstance(source, Source)]
        unfit = tuple(source for source in examined if isinstance(source, Unfit))
        if fit:
            files.prepare(fit[0])
            self._write_attributes({item.key: item for item in batch}, fit)
        standing = self._standing(fit)
        for key, etag in standing.items():
            files.adopt(key, etag)
        missing = tuple(source for source in fit if f"{self._collection}/{source.path}" not in standing)
        files.upload(Sources(missing, unfit, (), ()))
        self._imported.files += len(batch)
        self._imported.sent += len(missing)
        self._imported.standing += len(standing)
        self._show()
        return files

    def _write_attributes(self, items: dict[str, Item], fit: list[Source]) -> None:
        body = {"items": [{"path": source.path, "attributes": items[source.path].data()} for source in fit]}
        answer = self._api.put(api_path("collections", self._collection, "attributes"), body, patience_s=PATIENCE_S)
        self._imported.attributes_changed += answer["changed"]
        self._imported.captions_added += answer["captions_added"]

    def _standing(self, fit: list[Source]) -> dict[str, str]:
        """The ETags of those that lie in the bucket with the same bytes, by key."""
        sources = {f"{self._collection}/{source.path}": source for source in fit}
        path = api_path("collections", self._collection, "objects", "query")
        items = self._api.post(path, {"object_keys": list(sources)}, patience_s=PATIENCE_S)["items"] if fit else []
        alike = [i for i in items if i["etag"] and i["size_bytes"] == sources[i["object_key"]].size_bytes]
        with ThreadPoolExecutor(THREADS) as pool:
            hashes = pool.map(lambda item: _md5(sources[item["object_key"]]), alike)
            return {i["object_key"]: i["etag"] for i, md5 in zip(alike, hashes, strict=True) if i["etag"] == md5}

    def _finish(self, files: Ingest, deadline: float | None) -> None:
        if deadline is not None:
            files.follow(max(deadline - time.monotonic(), 0.0))
        self._imported.count(files.outcomes)
        self._show()

    def _show(self) -> None:
        self._bar.at(sum(self._imported.statuses.values()), self._imported.files)


class _Silent:
    """The bar counts files of all batches; what one of them tells is not shown."""

    def sent(self, n_bytes: int) -> None:
        """Nothing."""

    def settled(self, n_ready: int, n_rejected: int) -> None:
        """Nothing."""


def _md5(source: Source) -> str | None:
    """The ETag that a store gives to these bytes in one PUT; None if they cannot be read."""
    try:
        with source.file.open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except OSError:
        return None
