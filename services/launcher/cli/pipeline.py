"""Take files into the bucket and follow them through the pipeline, batch by batch."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, TypeVar

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.output import tell
from services.launcher.cli.sources import Source, Sources, Unfit
from services.launcher.cli.troubles import Quiet, holding, is_left, work_of
from services.launcher.cli.upload import NotUploaded, Target, upload
from services.launcher.cli.waiting import PATIENCE_S, rounds

BATCH = 1000
"""Paths or keys in one request."""

Status = Literal["uploaded", "pending", "ready", "unpacked", "rejected", "failed"]
T = TypeVar("T")
_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file, in the words of the contract."""

    object_key: str
    recording_id: str | None
    status: Status
    reason: str | None
    """`code: sentence`, of a file that is rejected or did not go up."""
    segments: int | None


class Bars(Protocol):
    """Who shows how far it is."""

    def sent(self, n_bytes: int) -> None:
        """So many more bytes went up; negative if they have to go again."""

    def settled(self, n_ready: int, n_rejected: int) -> None:
        """So many files are through, of all."""


class Ingest:
    """The files of one command on their way into one collection."""

    def __init__(self, api: Client, collection: str, settings: Document, bars: Bars) -> None:
        """`settings`: the segmenter and the encoders, where the caller names them."""
        self._api = api
        self._collection = collection
        self._settings = settings
        self._bars = bars
        self.replaced: list[str] = []
        """Keys under which a recording of other bytes lay."""
        self._outcomes: dict[str, Outcome] = {}
        self._etags: dict[str, str] = {}
        self._seen_before: dict[str, str] = {}
        """When what lay under a key before these bytes was seen: what became of that says nothing of these."""
        self._said: set[str] = set()
        self._unseen: set[str] = set()  # of those that were looked at: what the pipeline has yet to hear of
        self.stranded: list[Outcome] = []
        """What is pending though no work is left, since it was given up or dropped; after `follow`."""

    @property
    def outcomes(self) -> list[Outcome]:
        """All of them, by object key."""
        return [self._outcomes[key] for key in sorted(self._outcomes)]

    def upload(self, sources: Sources) -> None:
        """Put everything into the bucket. Each batch is announced when it is there, and worked on from then on."""
        for unfit in sources.unfit:
            self._reject(unfit)
        for batch in _batches(sources.fit):
            targets = self._targets(batch)
            pairs = [(source, targets[source.path]) for source in batch]
            for (_, target), result in zip(pairs, upload(pairs, self._renew, self._bars.sent), strict=True):
                self._note(target.object_key, result)
                if target.seen_at:
                    self._seen_before[target.object_key] = target.seen_at
                if isinstance(result, str) and _is_older(target.etag, result):
                    self.replaced.append(target.object_key)
            self._announce([target.object_key for _, target in pairs])

    def prepare(self, source: Source) -> None:
        """Have the collection made, if it is new, before any file is there."""
        self._targets([source])

    def adopt(self, key: str, etag: str) -> None:
        """Count one that lies in the bucket already, with these bytes."""
        self._note(key, etag)

    def follow(self, timeout_s: float) -> None:
        """Look again and again until each uploaded file is ready, rejected, or unpacked and its members ready.

        After the timeout, or when nothing is left to do, some may be pending.
        """
        for key in self._keys_in("uploaded"):
            self._outcomes[key] = replace(self._outcomes[key], status="pending")
        quiet = Quiet()
        for _ in rounds(timeout_s):
            for keys in _batches(self._keys_in("pending")):
                if not self._look(keys):
                    break  # files come through about in order: where nothing moved, nothing moved behind it
            pending = self._keys_in("pending")
            if not pending:
                return
            if not quiet(len(pending)):
                continue
            if self._seen_before:  # put twice within a second, which a store may not tell apart: it stands after all
                self._seen_before.clear()
            elif self._is_over(pending):
                self.stranded = [self._outcomes[key] for key in sorted(pending)]
                return
        self._seen_before.clear()
        for keys in _batches(self._keys_in("pending")):
            self._look(keys)

    def _is_over(self, pending: list[str]) -> bool:
        """Whether nothing moves these any more: all were seen, no work is left, and that has not just moved them."""
        for _ in range(2):  # what is seen between the two questions is work by the second
            work = work_of(self._api, self._collection)
            self._tell_holding(work)
            if is_left(work):
                return False
            for keys in _batches(pending):
                self._look(keys)
            if self._unseen or self._keys_in("pending") != pending:
                return False
        return True

    def _tell_holding(self, work: Document) -> None:
        """Why nothing moves, once for each reason."""
        for reason in holding(work):
            if (said := f"Waiting: {reason}") not in self._said:
                self._said.add(said)
                tell(said)

    def _look(self, keys: Sequence[str]) -> int:
        """Ask how these files are; the number of those that are through."""
        path = api_path("collections", self._collection, "objects", "query")
        items = self._api.post(path, {"object_keys": list(keys)}, patience_s=PATIENCE_S)["items"]
        self._unseen.difference_update(keys)
        for item in items:
            is_older = _is_older(item.get("etag"), self._etags[item["object_key"]]) or self._is_former(item)
            if is_older or item["state"] is None:
                self._unseen.add(item["object_key"])
            if not is_older:
                self._outcomes[item["object_key"]] = outcome = _parse(item)
                if outcome.status == "unpacked" or (item.get("code") or "").startswith("archive_"):
                    self._adopt_members(outcome.object_key)
        self._bars.settled(len(self._keys_in("ready", "unpacked")), len(self._keys_in("rejected")))
        return sum(self._outcomes[key].status != "pending" for key in keys)

    def _is_former(self, item: Document) -> bool:
        """Whether it is the end of the same bytes under the same key, but from before they were put again now.

        They may fare better now: what was erased is let in again, limits were raised, members were missing.
        """
        has_ended = item["status"] in {"rejected", "unpacked"}
        return has_ended and item.get("seen_at") == self._seen_before.get(item["object_key"], "never")

    def _adopt_members(self, archive_key: str) -> None:
        """Follow what an archive held, too; a member that was refused has no key but that of its archive."""
        path = api_path("collections", self._collection, "archives")
        for archive in self._api.rows(path, object_key=archive_key):
            for member in self._api.rows(f"{path}/{archive['archive_id']}/members"):
                if member["code"]:
                    key, reason = f"{archive_key}!{member['path']}", f"{member['code']}: {member['reason']}"
                    self._outcomes[key] = Outcome(key, None, "rejected", reason, None)
                elif member["object_key"] not in self._outcomes:
                    self._outcomes[member["object_key"]] = Outcome(member["object_key"], None, "pending", None, None)
                    self._etags[member["object_key"]] = member["etag"]

    def _note(self, key: str, result: str | NotUploaded) -> None:
        if isinstance(result, NotUploaded):
            self._outcomes[key] = Outcome(key, None, "failed", f"not_uploaded: {result}", None)
        else:
            self._outcomes[key] = Outcome(key, None, "uploaded", None, None)
            self._etags[key] = result

    def _keys_in(self, *statuses: Status) -> list[str]:
        return [key for key, outcome in self._outcomes.items() if outcome.status in statuses]

    def _targets(self, batch: Sequence[Source]) -> dict[str, Target]:
        body = {"paths": [source.path for source in batch], **self._settings}
        answer = self._api.post(api_path("collections", self._collection, "uploads"), body, patience_s=PATIENCE_S)
        return {
            item["path"]: Target(item["object_key"], item["url"], item.get("etag"), item.get("seen_at"))
            for item in answer["uploads"]
        }

    def _renew(self, source: Source) -> Target:
        return self._targets([source])[source.path]

    def _announce(self, keys: Sequence[str]) -> None:
        uploaded = [key for key in keys if self._outcomes[key].status == "uploaded"]
        if uploaded:
            path = api_path("collections", self._collection, "uploads", "complete")
            self._api.post(path, {"object_keys": uploaded}, patience_s=PATIENCE_S)

    def _reject(self, unfit: Unfit) -> None:
        key = f"{self._collection}/{unfit.path}"
        self._outcomes[key] = Outcome(key, None, "rejected", f"{unfit.code}: {unfit.reason}", None)


def _is_older(seen: str | None, put: str) -> bool:
    """Whether the API still speaks of what lay under the key before.

    Only plain ETags, the MD5 of the content, tell; those of stores that encrypt need not be the same in a listing.
    """
    return bool(seen and _MD5.fullmatch(seen) and _MD5.fullmatch(put) and seen != put)


def _parse(item: Document) -> Outcome:
    code, sentence = item.get("code"), item.get("reason")
    reason = ": ".join(part for part in (code, sentence) if part) or None
    status: Status = item["status"]
    return Outcome(item["object_key"], item.get("recording_id"), status, reason, item.get("segments"))


def _batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + BATCH] for start in range(0, len(items), BATCH))
