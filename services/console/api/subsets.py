"""Subsets: samples of a collection that are drawn once, and can be embedded and exported by their name."""

import re
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from services.console.api.shapes import Asked, CollectionName, Page, Paging, Shown
from services.console.auth import Requires
from services.console.deps import ConsoleDep
from shared.storage import arrivals, collections, conditions, subsets
from shared.storage.database import Transaction
from shared.storage.subsets import Subset, Wanted

router = APIRouter(tags=["subsets"])

_MOST_SEED = 2**53  # as large as a JSON number may be
_NAME_CHARACTERS: Final = 128
_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_NAME: Final = re.compile(_PATTERN)
Attribute = Annotated[str, Field(min_length=1, max_length=200)]
Conditions = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=32, examples=[["etiology=ALS"]])]
QueriedConditions = Annotated[tuple[Annotated[str, Field(max_length=1000)], ...], Query(max_length=32)]
SubsetName = Annotated[str, Path(description="a subset", examples=["pilot"])]


def _subset_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:_NAME_CHARACTERS]!r} cannot name a subset: a name starts with a letter or digit and goes on with "
            f"letters, digits, `.`, `_` or `-` ({_NAME_CHARACTERS})"
        )
    return name


NewSubsetName = Annotated[str, AfterValidator(_subset_name), WithJsonSchema({"type": "string", "pattern": _PATTERN})]


class NewSubset(Asked):
    """What to draw: `percent` of the recordings, rounded, `max_samples` at most, after the exclusion.

    `random` draws from all; `stratified` from each value of the attribute `by` in proportion, by largest remainders.
    With `group`, recordings that share a value of that attribute come together: whole groups in the seed's order, as
    many as come nearest to the number (of each stratum). While files are still arriving nothing is drawn, but with
    `partial` from what is registered so far.
    """

    name: NewSubsetName = Field(examples=["pilot"])
    percent: float = Field(100.0, ge=0, le=100)
    max_samples: int | None = Field(None, ge=1, le=2**31 - 1)
    sampling: Literal["random", "stratified"] = "random"
    by: Attribute | None = Field(None, examples=["etiology"])
    group: Attribute | None = Field(None, examples=["contributor_id"])
    where: Conditions = Field([])
    exclude: Conditions = Field([])
    seed: int = Field(42, ge=-_MOST_SEED, le=_MOST_SEED)
    partial: bool = False

    @model_validator(mode="after")
    def _by_belongs_to_stratified(self) -> Self:
        if (self.sampling == "stratified") != (self.by is not None):
            raise ValueError("`by` names the strata of stratified sampling, and belongs to no other")
        return self

    def wanted(self) -> Wanted:
        """As storage takes it."""
        return Wanted(
            percent=self.percent,
            max_samples=self.max_samples,
            sampling=self.sampling,
            by=self.by,
            group=self.group,
            where=tuple(self.where),
            exclude=tuple(self.exclude),
            seed=self.seed,
            partial=self.partial,
        )


class StratumShown(Shown):
    """A value of the attribute (null: recordings without it, or all); `small` if fewer than 5 were drawn of a value.

    `groups`: how many groups were drawn, each recording without a group's value counted as one; null without `group`.
    """

    name: str | None
    size: int
    quota: int
    drawn: int
    small: bool
    groups: int | None


class SubsetShown(Shown):
    """A subset, what was asked for, and what came of it; `n_recordings` as they were drawn."""

    subset_id: UUID
    collection: str
    name: str
    spec: dict[str, Any]
    strata: list[StratumShown]
    n_recordings: int
    n_excluded: int
    created_at: datetime


class SubsetDetail(SubsetShown):
    """And how its recordings are cut now: how many are not yet, have no segment, or several.

    `warnings` has a sentence for each exclusion that nothing in the collection meets, such as a misspelt one.
    """

    not_cut: int
    without_segment: int
    several_segments: int
    warnings: list[str]


class ArrivingShown(Shown):
    """How many files are known but not registered yet, of how many with those that are recordings."""

    arriving: int
    files: int


class SubsetList(Shown):
    """The subsets of a collection, by name."""

    items: list[SubsetShown]


class MemberShown(Shown):
    """A recording of a subset, and the key by which it was drawn."""

    place: int
    object_key: str
    recording_id: UUID


@router.post(
    "/v1/collections/{collection}/subsets",
    status_code=201,
    dependencies=[Depends(Requires("ingest"))],
    responses={200: {"model": SubsetDetail, "description": "it stands already, drawn like this"}},
)
def create(console: ConsoleDep, collection: CollectionName, new: NewSubset, response: Response) -> SubsetDetail:
    """Draw a subset; with the name and the wishes of one that stands already, nothing happens."""
    with console.database.begin() as tx:
        drawn, is_new = subsets.create(tx, collection, new.name, new.wanted())
        response.status_code = 201 if is_new else 200
        return _detail(tx, drawn)


def _detail(tx: Transaction, drawn: Subset) -> SubsetDetail:
    shown = SubsetShown.model_validate(drawn).model_dump()
    warnings = conditions.without_effect(tx, drawn.collection, drawn.spec["exclude"])
    return SubsetDetail(**shown, **asdict(subsets.cutting(tx, drawn.subset_id)), warnings=warnings)


@router.get("/v1/collections/{collection}/arriving", dependencies=[Depends(Requires("read", "ingest"))])
def arriving(
    console: ConsoleDep,
    collection: CollectionName,
    where: QueriedConditions = (),
    exclude: QueriedConditions = (),
) -> ArrivingShown:
    """What a subset of `where` without `exclude` would lack if it were drawn now."""
    with console.database.begin() as tx:
        collections.get(tx, collection)
        return ArrivingShown.model_validate(arrivals.of_population(tx, collection, where, exclude))


@router.get("/v1/collections/{collection}/subsets", dependencies=[Depends(Requires("read"))])
def listing(console: ConsoleDep, collection: CollectionName) -> SubsetList:
    """All of them, by name."""
    with console.database.begin() as tx:
        return SubsetList(items=[SubsetShown.model_validate(found) for found in subsets.listing(tx, collection)])


@router.get("/v1/collections/{collection}/subsets/{name}", dependencies=[Depends(Requires("read"))])
def show(console: ConsoleDep, collection: CollectionName, name: SubsetName) -> SubsetDetail:
    """One of them."""
    with console.database.begin() as tx:
        return _detail(tx, subsets.by_name(tx, collection, name))


@router.get("/v1/collections/{collection}/subsets/{name}/recordings", dependencies=[Depends(Requires("read"))])
def members(
    console: ConsoleDep, collection: CollectionName, name: SubsetName, paging: Annotated[Paging, Depends()]
) -> Page[MemberShown]:
    """The recordings of it that still stand, by key."""
    with console.database.begin() as tx:
        subset_id = subsets.by_name(tx, collection, name).subset_id
        listed = f"subset:{subset_id}"
        start = paging.start(listed)
        after = 0 if start is None else int(start[0])
        rows = subsets.members(tx, subset_id, after=after, most=paging.most)
    return paging.page(listed, rows, MemberShown.model_validate, lambda row: (row.place,))


@router.delete(
    "/v1/collections/{collection}/subsets/{name}", status_code=204, dependencies=[Depends(Requires("ingest"))]
)
def delete(console: ConsoleDep, collection: CollectionName, name: SubsetName) -> None:
    """Forget a subset; its recordings and their vectors stay."""
    with console.database.begin() as tx:
        subsets.delete(tx, collection, name)
