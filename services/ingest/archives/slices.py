"""Unpack an archive for a while: portion by portion, each written down, so that whoever goes on begins behind it."""

import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic
from typing import Final
from uuid import UUID

from services.ingest.archives import placing
from services.ingest.archives.bounds import Bounds
from services.ingest.archives.errors import ArchiveCompressed
from services.ingest.archives.kinds import Kind
from services.ingest.archives.placing import Placed
from services.ingest.archives.sources import StoredSource
from services.ingest.archives.walking import Step, Walk
from services.ingest.ports import Ingest
from shared.errors import RejectedInput
from shared.ledger.consumer import FenceLost
from shared.storage import archives, tombstones
from shared.storage.archives import Member, OpenArchive, Origins, Unpacked
from shared.storage.database import Database, Transaction
from shared.storage.objects import StoredObject
from shared.units import MIB

PORTION_MEMBERS: Final = 32
PORTION_BYTES: Final = 64 * MIB
"""Of one portion, on disk: its members go up at once, and a worker that dies repeats a portion at most."""

PORTION_ROWS: Final = 1000
"""Those that are refused or left out counted, too."""

MOST_S: Final = 600.0
"""Of a slice, whatever the setting: Celery ends a task after 840 s, and the last member may be a large one."""

_FINDING_SHARE: Final = 10.0
"""To find the place again in a compressed archive, all before it is unpacked: a slice lasts so many times as long."""

_FINDING_MOST_S: Final = MOST_S / 2
"""From here on the slices, which last no longer, would come on less and less, and at last not at all."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Where it ended: at the archive's end, at what refused it, or with more to come."""

    unpacked: Unpacked
    more: bool
    refusal: RejectedInput | None = None


def unpack(opened: OpenArchive, most_s: float, database: Database, ingest: Ingest) -> Slice:
    """Go on with an archive for about so many seconds, one portion at least.

    Raises FenceLost if somebody else has gone on with it, ObjectGone and ObjectChanged if it no longer lies there, and
    what the object store raises.
    """
    return _Unpacking(opened, database, ingest).go_on(most_s)


class _Unpacking:
    def __init__(self, opened: OpenArchive, database: Database, ingest: Ingest) -> None:
        self._archive, self._unpacked = opened.archive, opened.unpacked
        self._database, self._ingest = database, ingest
        self._refusal: RejectedInput | None = None
        self._began_s = monotonic()
        self._finding_s: float | None = None  # until the first member was found
        self._bounds = Bounds.of(ingest.settings.ingest, opened.archive.size_bytes)
        self._bounds.n_members, self._bounds.n_bytes = opened.unpacked.n_members, opened.unpacked.n_bytes

    def go_on(self, most_s: float) -> Slice:
        archive = self._archive
        stored = StoredObject(archive.bucket, archive.key, archive.etag, archive.size_bytes)
        with (
            tempfile.TemporaryDirectory(dir=self._ingest.scratch) as folder,
            StoredSource(self._ingest.objects, stored) as source,
        ):
            walk = Walk(self._bounds, Path(folder), self._on_entry)
            steps = walk.through(source, archive.size_bytes, Kind(archive.kind), self._unpacked.position)
            for portion in self._portions(steps):
                self._take(portion, source.tell())
                enough_s = min(MOST_S, max(most_s, _FINDING_SHARE * (self._finding_s or 0.0)))
                if monotonic() - self._began_s >= enough_s and self._refusal is None:
                    return Slice(self._unpacked, more=True)
        return Slice(self._unpacked, more=False, refusal=self._refusal)

    def _on_entry(self) -> None:
        if self._finding_s is None:
            self._finding_s = monotonic() - self._began_s

    def _portions(self, steps: Iterator[Step]) -> Iterator[list[Step]]:
        portion, n_staged, n_bytes = list[Step](), 0, 0
        try:
            for step in steps:
                if (self._finding_s or 0.0) > _FINDING_MOST_S:
                    raise ArchiveCompressed(
                        f"That took {self._finding_s:.0f} s after {self._unpacked.n_members} members."
                    )
                portion.append(step)
                if step.staged:
                    n_staged, n_bytes = n_staged + 1, n_bytes + step.size_bytes
                if n_staged >= PORTION_MEMBERS or n_bytes >= PORTION_BYTES or len(portion) >= PORTION_ROWS:
                    yield portion
                    portion, n_staged, n_bytes = [], 0, 0
        except RejectedInput as error:  # what came before it is taken
            self._refusal = error
        if portion:
            yield portion

    def _take(self, portion: Sequence[Step], read_bytes: int) -> None:
        """Put the members up, several at a time, and write down what became of each."""
        found = list(placing.keyed(portion, self._archive))
        placed = [one for one in found if isinstance(one, Placed)]
        keys = [one.key for one in placed]
        # Open while members go up, yet without a snapshot or an id: nobody waits for it but who wants one of the keys.
        with self._database.begin() as tx:
            archives.hold_keys(tx, self._archive.bucket, keys, MOST_S)
            erased = tombstones.standing(tx, [one.recording_id for one in placed])
            members = self._put(found, placed, archives.origins(tx, self._archive, keys), erased)
            now = self._write_down(tx, portion, members, read_bytes)
        self._unpacked = now

    def _put(
        self,
        found: Sequence[Placed | Member],
        placed: Sequence[Placed],
        origins: Mapping[str, Origins],
        erased: Collection[UUID],
    ) -> list[Member]:
        first = {one.key: one for one in reversed(placed)}

        def put(one: Placed | Member) -> Member:
            if isinstance(one, Member):
                return one
            origin = origins[one.key] if first[one.key] is one else Origins(by_this=True)
            try:
                return placing.put(one, origin, erased, self._archive, self._ingest.objects)
            finally:
                one.staged.path.unlink()

        return list(self._ingest.fetching.map(put, found))

    def _write_down(
        self, tx: Transaction, portion: Sequence[Step], members: Sequence[Member], read_bytes: int
    ) -> Unpacked:
        before, n_refused = self._unpacked, sum(member.code is not None for member in members)
        now = replace(
            before,
            position=portion[-1].position,
            read_bytes=read_bytes,
            n_members=self._bounds.n_members,
            n_taken=before.n_taken + len(members) - n_refused,
            n_skipped=before.n_skipped + len(portion) - len(members),
            n_refused=before.n_refused + n_refused,
            n_bytes=self._bounds.n_bytes,
        )
        if not archives.advance(tx, self._archive.archive_id, before, now, members):
            raise FenceLost
        return now
