"""What requests and answers have in common: strict models, pages, names."""

import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.console.cursors import Cursors, Place
from services.console.deps import ConsoleDep
from shared.errors import InvalidRequest


class Shown(BaseModel):
    """Part of an answer."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class Asked(BaseModel):
    """A request's body; a field that nobody knows is refused, for it may be a misspelt one."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ReservedSpeaker(InvalidRequest):
    """UNKNOWN is a diarization label, never a speaker; leave the segment without a name instead."""

    code = "reserved_speaker"


def _speaker(name: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise ValueError("a name holds no control characters")
    if name in {".", ".."}:
        raise ValueError("a name is more than dots")
    return unicodedata.normalize("NFC", name)  # one name, however the keyboard composes it


def check_speaker(name: str) -> str:
    """The name itself; raises ReservedSpeaker."""
    if name.upper() == "UNKNOWN":
        raise ReservedSpeaker(f"{name!r} cannot name a speaker.")
    return name


SpeakerName = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_speaker),
    Field(examples=["Ada Lovelace"]),
]


def written_out(value: object) -> object:
    """The schema promises RFC 3339; pydantic takes a bare number for seconds since 1970 as well."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("a time looks like 2026-11-21T13:00:00Z")
    return value


def in_utc(time: datetime) -> datetime:
    """RFC 3339 has offsets of nearly a day, of which Postgres takes those below 16 hours."""
    try:
        return time.astimezone(UTC) if time.tzinfo else time
    except OverflowError:
        raise ValueError("a time lies between the years 1 and 9999") from None


Time = Annotated[datetime, BeforeValidator(written_out), AfterValidator(in_utc)]
"""As RFC 3339 has it."""
CollectionName = Annotated[str, Path(description="a collection", examples=["meetings"])]

Item = TypeVar("Item")
Row = TypeVar("Row")


class Page(Shown, Generic[Item]):
    """Part of a listing; `next` is the cursor of the page after it, null on the last one."""

    items: list[Item]
    next: str | None = None


class Paging:
    """The query of a listing, as a dependency: `?after=CURSOR&limit=N`."""

    def __init__(
        self,
        console: ConsoleDep,
        after: Annotated[str | None, Query(description="`next` of the page before", max_length=4000)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> None:
        self._cursors: Cursors = console.cursors
        self._after = after
        self.limit = limit

    @property
    def most(self) -> int:
        """How many rows to read: one more than are shown tells whether there is a next page."""
        return self.limit + 1

    def start(self, listing: str) -> Place | None:
        """Where the page begins, None for the first. Raises BadCursor."""
        return None if self._after is None else self._cursors.open(listing, self._after)

    def page(
        self, listing: str, rows: Sequence[Row], shown: Callable[[Row], Item], place: Callable[[Row], Place]
    ) -> Page[Item]:
        """The rows as a page, with the cursor after the last one shown."""
        items = [shown(row) for row in rows[: self.limit]]
        more = len(rows) > self.limit
        return Page(items=items, next=self._cursors.seal(listing, place(rows[self.limit - 1])) if more else None)


def time_and_id(place: Place) -> tuple[datetime, UUID]:
    """A place in a listing that is sorted by time."""
    at, row_id = place
    return datetime.fromisoformat(str(at)), UUID(str(row_id))
