"""Walk through an archive and the archives in it, from any place on: each member staged, left out or refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from services.ingest.archives import names, tars, zips
from services.ingest.archives.bounds import Bounds
from services.ingest.archives.compressed import decompressed
from services.ingest.archives.entries import Entry
from services.ingest.archives.errors import BOUNDS, ArchiveTooDeep, BrokenArchive
from services.ingest.archives.kinds import Kind
from services.ingest.archives.sniffing import HEAD_BYTES, is_tar, sniff
from services.ingest.archives.sources import FileSource, Source
from services.ingest.archives.staging import Staged, read_as, stage
from services.ingest.decode.errors import EmptyFile, NotAudio, TooLarge
from shared.errors import RejectedInput

Position = tuple[int, ...]
"""Where to go on: for each open archive, from the outermost in, the place of its member, as its reader counts."""

START: Final[Position] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One member: staged, or refused, or neither, as it is left out by name."""

    position: Position  # behind it
    path: str  # those of inner archives' members follow the path of theirs
    size_bytes: int = 0
    staged: Staged | None = None
    refusal: RejectedInput | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """What all levels of one walk share."""

    bounds: Bounds
    folder: Path  # for staged files
    on_entry: Callable[[], None] = lambda: None  # the next one is found, and nothing of it is read

    def through(
        self, source: Source, size_bytes: int, kind: Kind, position: Position, depth: int = 1
    ) -> Iterator[Step]:
        """Every member behind the position.

        Raises BrokenArchive and NotAudio for the archive itself, a bound that is met anywhere in it, and what the
        source raises.
        """
        inside = position[1:]  # of the first entry, which was being unpacked
        for entry in self._entries(source, size_bytes, kind, position[0] if position else 0):
            if not inside:
                self.on_entry()
                self.bounds.count_member()
            if not entry.is_folder:
                yield from self._member(entry, inside, depth)
            inside = START

    def _entries(self, source: Source, size_bytes: int, kind: Kind, start: int) -> Iterator[Entry]:
        if kind is Kind.ZIP:
            return zips.entries(source, size_bytes, start, self.bounds)
        if kind is Kind.TAR:
            return tars.entries(source, start)
        stream = decompressed(source, kind, self.bounds)
        if not is_tar(read_as(BrokenArchive, lambda: stream.peek(HEAD_BYTES))):
            raise NotAudio(f"It is a {kind.removeprefix('tar.')} file of something that is no tar.")
        return tars.entries(stream, start)

    def _member(self, entry: Entry, inside: Position, depth: int) -> Iterator[Step]:
        """Its step, or those of the members of the archive that it is; raises what ends the archive that it is in."""
        behind = (entry.after,)
        try:
            path = names.relative(entry.name)
            if names.is_left_out(path):
                yield Step(behind, path)
                return
            content, kind = self._opened(entry)
            if kind is None:
                yield Step(behind, path, entry.size_bytes, staged=self._staged(entry, content, self.bounds))
                return
        except (BrokenArchive, *BOUNDS):
            raise
        except RejectedInput as error:
            yield Step(behind, names.shown(entry.name), entry.size_bytes, refusal=error)
            return
        try:
            yield from self._inner(entry, content, kind, inside, depth)
        except BOUNDS:
            raise
        except RejectedInput as error:  # of the inner archive; what came before it is kept
            yield Step(behind, path, entry.size_bytes, refusal=error)

    def _opened(self, entry: Entry) -> tuple[Source, Kind | None]:
        if entry.fault:
            raise entry.fault
        if not entry.size_bytes:
            raise EmptyFile
        content = entry.open()
        return content, sniff(read_as(entry.unreadable, lambda: content.peek(HEAD_BYTES)))

    def _staged(self, entry: Entry, content: Source, bounds: Bounds) -> Staged:
        if entry.size_bytes > bounds.member_bytes:
            raise TooLarge(f"The member has more than {bounds.member_bytes} bytes.")
        return stage(content, entry.size_bytes, entry.unreadable, self.folder, bounds)

    def _inner(self, entry: Entry, content: Source, kind: Kind, inside: Position, depth: int) -> Iterator[Step]:
        if depth == self.bounds.depth:
            raise ArchiveTooDeep(f"More than {depth} archives lie within each other.")
        folder = names.folder_of(names.relative(entry.name))
        if kind is Kind.ZIP and not content.random:  # its list of members is at its end
            # Whoever goes on in the midst of it has it counted already.
            spooled = self._staged(entry, content, replace(self.bounds, n_bytes=0) if inside else self.bounds)
            with FileSource(spooled.path.open("rb", buffering=0)) as source:
                spooled.path.unlink()
                yield from self._below(entry, folder, self.through(source, entry.size_bytes, kind, inside, depth + 1))
        else:
            yield from self._below(entry, folder, self.through(content, entry.size_bytes, kind, inside, depth + 1))

    def _below(self, entry: Entry, folder: str, steps: Iterator[Step]) -> Iterator[Step]:
        for step in steps:
            position = (entry.at, *step.position)
            yield Step(position, f"{folder}/{step.path}", step.size_bytes, step.staged, step.refusal)
