"""Subsets: samples of a collection's recordings, drawn once by `shared/sampling.py`'s rule, inside Postgres.

The keys of a million recordings never leave the database: it makes the tickets, sorts them, and keeps what is drawn.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared import sampling
from shared.errors import Conflict, InvalidRequest, NotFound
from shared.ids import new_id
from shared.storage import arrivals, collections, conditions, subset_values
from shared.storage.database import Transaction
from shared.storage.listing import FIRST_KEYS
from shared.storage.tables import subset

MOST_STRATA: Final = 1000


class UnknownSubset(NotFound):
    """`earmark subsets list -c NAME` shows the subsets of a collection."""

    code = "unknown_subset"


class SubsetTaken(Conflict):
    """Choose another name, or delete the one that stands with `earmark subsets delete SUBSET -c NAME`."""

    code = "subset_taken"


class TooManyStrata(InvalidRequest):
    """Stratify by something that many recordings share, such as an etiology."""

    code = "too_many_strata"


class NothingDrawn(InvalidRequest):
    """Exclude less, or ask for more; see what there is with `earmark recordings -c NAME`."""

    code = "nothing_drawn"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to draw: of the recordings that have all attributes of `where` and none of `exclude` (`name=value` each)."""

    percent: float = 100.0
    max_samples: int | None = None
    sampling: Literal["random", "stratified"] = "random"
    by: str | None = None  # the attribute whose values are the strata
    group: str | None = None  # recordings with one value of this attribute are drawn together or not at all
    where: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    seed: int = 42
    partial: bool = False  # also while files are still arriving

    def spec(self) -> dict[str, Any]:
        """As it is kept and compared; whether it is a part of what was to come belongs to it."""
        spec = {**asdict(self), "where": list(self.where), "exclude": list(self.exclude)}
        return spec if self.partial else {name: value for name, value in spec.items() if name != "partial"}


@dataclass(frozen=True, slots=True)
class Stratum:
    """One value of the attribute (None: recordings without it, or all where nothing is stratified)."""

    name: str | None
    size: int
    quota: int
    drawn: int
    small: bool  # so few that they say little of the stratum; never of all recordings
    groups: int | None = None  # that were drawn, where groups are


@dataclass(frozen=True, slots=True)
class Subset:
    """One subset; `n_recordings` as they were drawn, whatever was erased since."""

    subset_id: UUID
    collection: str
    name: str
    spec: dict[str, Any]
    strata: list[Stratum]
    n_recordings: int
    n_excluded: int
    created_at: datetime


_DRAWING = """
    CREATE TEMPORARY TABLE IF NOT EXISTS drawing (ticket bytea, stratum text, key text COLLATE "C", recording_id uuid)
    ON COMMIT DELETE ROWS
"""
# Tickets as in shared/sampling.py: sha256 of the seed, the stratum and the identity, with zero bytes between.
_POPULATION = """
    INSERT INTO drawing
    SELECT sha256(convert_to(:seed, 'UTF8') || '\\x00' || convert_to(p.stratum, 'UTF8') || '\\x00'
                  || convert_to(p.unit, 'UTF8')), p.stratum, p.key, p.recording_id
    FROM (SELECT coalesce({by}, '') AS stratum, o.key, o.recording_id,
                 coalesce({group}, substr(o.key, char_length(:collection) + 2)) AS unit
          FROM stored_object o LEFT JOIN object_attributes a ON a.collection = o.collection AND a.key = o.key
          WHERE {first_keys} AND {having} AND NOT {excluded}) p
"""
_COUNT = """
    SELECT count(*) FROM stored_object o LEFT JOIN object_attributes a ON a.collection = o.collection AND a.key = o.key
    WHERE {first_keys} AND {having} AND {excluded}
"""
_SIZES = sa.text("SELECT stratum, count(*) AS n FROM drawing GROUP BY stratum ORDER BY stratum LIMIT :most")
# `upto` counts a stratum's recordings up to this ticket, all that share it included: for recordings that stand alone
# the condition is `upto <= quota`, for groups it takes as many as come nearest (sampling.group_sample).
_DRAW = sa.text("""
    INSERT INTO subset_member (subset_id, place, key, recording_id)
    SELECT :subset_id, row_number() OVER (ORDER BY key), key, recording_id
    FROM (SELECT *, count(*) OVER (PARTITION BY stratum ORDER BY ticket) AS upto,
                 count(*) OVER (PARTITION BY stratum, ticket) AS size FROM drawing) ranked
    JOIN unnest(CAST(:strata AS text[]), CAST(:quotas AS bigint[])) AS q(stratum, quota) USING (stratum)
    WHERE 2 * upto - size < 2 * quota
""")
_DRAWN = sa.text("""
    SELECT d.stratum, count(*) AS n, count(DISTINCT d.ticket) AS groups
    FROM subset_member m JOIN drawing d USING (recording_id)
    WHERE m.subset_id = :subset_id GROUP BY d.stratum
""")


def create(tx: Transaction, collection: str, name: str, wanted: Wanted) -> tuple[Subset, bool]:
    """Draw and keep it, and whether it is new: a subset of this name and these wishes stands as it was drawn.

    Raises UnknownCollection, SubsetTaken, BadCondition, UnknownAttribute, StillArriving, TooManyStrata, NothingDrawn.
    """
    collections.get(tx, collection)
    subset_values.draw_on(tx, collection)
    subset_id = new_id()
    made = {"subset_id": subset_id, "collection": collection, "name": name, "spec": wanted.spec()}
    new = insert(subset).values(**made, strata=[], n_recordings=0, n_excluded=0).on_conflict_do_nothing()
    if tx.execute(new.returning(subset.c.subset_id)).one_or_none() is None:
        standing = by_name(tx, collection, name)
        if not _is_alike(standing.spec, wanted.spec()):
            raise SubsetTaken(f"{name!r} stands already, and was drawn otherwise.")
        return standing, False
    _check_names(tx, collection, wanted)
    if not wanted.partial:
        arrivals.refuse(tx, collection, wanted.where, wanted.exclude)
    n_excluded = _populate(tx, collection, wanted)
    sizes = _sizes(tx, wanted)
    n_wanted = sampling.target(sum(sizes.values()), wanted.percent, wanted.max_samples)
    quotas = sampling.quotas(sizes, n_wanted)
    values = {"subset_id": subset_id, "strata": list(quotas), "quotas": list(quotas.values())}
    n_drawn = tx.execute(_DRAW, values).rowcount
    if not n_drawn:
        known = conditions.known_values(tx, collection, wanted.where)
        raise NothingDrawn(f"{_nothing(sum(sizes.values()), n_excluded, n_wanted)} {known}".strip())
    strata = _strata(tx, subset_id, wanted, sizes, quotas)
    report = {"strata": [asdict(stratum) for stratum in strata], "n_recordings": n_drawn, "n_excluded": n_excluded}
    tx.execute(sa.update(subset).where(subset.c.subset_id == subset_id).values(report))
    return by_name(tx, collection, name), True


def _is_alike(kept: dict[str, Any], spec: dict[str, Any]) -> bool:
    roles = ("where", "exclude")
    same = {**spec, **{role: kept[role] for role in roles}}
    return kept == same and all(subset_values.are_alike(kept[role], spec[role]) for role in roles)


def _check_names(tx: Transaction, collection: str, wanted: Wanted) -> None:
    named = (wanted.by, wanted.group, *map(conditions.name_of, (*wanted.where, *wanted.exclude)))
    conditions.check_names(tx, collection, filter(None, named))


def _populate(tx: Transaction, collection: str, wanted: Wanted) -> int:
    """Fill the table `drawing` with everything that may be drawn; returns how many recordings were excluded."""
    drawable = conditions.population(wanted.where, wanted.exclude)
    values = {"collection": collection, "seed": str(wanted.seed), **_paths(wanted), **drawable.values}
    value = {name: conditions.VALUE.format(name=name, data="a.data") for name in ("by", "group")}
    columns = {name: expression if name in values else "NULL" for name, expression in value.items()}
    narrowed = {"first_keys": FIRST_KEYS, "having": drawable.having, "excluded": drawable.excluded}
    tx.execute(sa.text(_DRAWING))
    tx.execute(sa.text(_POPULATION.format(**columns, **narrowed)), values)
    n_excluded: int = tx.execute(sa.text(_COUNT.format(**narrowed)), values).scalar_one()
    return n_excluded


def _paths(wanted: Wanted) -> dict[str, list[str]]:
    named = {"by": wanted.by, "group": wanted.group}
    return {role: conditions.value_paths(name) for role, name in named.items() if name}


def _sizes(tx: Transaction, wanted: Wanted) -> dict[str, int]:
    sizes = {row.stratum: row.n for row in tx.execute(_SIZES, {"most": MOST_STRATA + 1})}
    if len(sizes) > MOST_STRATA:
        raise TooManyStrata(f"{wanted.by!r} has more than {MOST_STRATA} values.")
    return sizes


def _nothing(n_population: int, n_excluded: int, n_wanted: int) -> str:
    if not n_population:
        return f"No recording is left to draw from ({n_excluded} excluded)."
    return f"Of {n_population} recordings {n_wanted} are wanted, and none was drawn."


def _strata(
    tx: Transaction, subset_id: UUID, wanted: Wanted, sizes: Mapping[str, int], quotas: Mapping[str, int]
) -> list[Stratum]:
    drawn = {row.stratum: (row.n, row.groups) for row in tx.execute(_DRAWN, {"subset_id": subset_id})}
    found = []
    for name, size in sizes.items():
        n, n_groups = drawn.get(name, (0, 0))
        small = wanted.by is not None and n < sampling.SMALL
        found.append(Stratum(name or None, size, quotas[name], n, small, n_groups if wanted.group else None))
    return found


def by_name(tx: Transaction, collection: str, name: str) -> Subset:
    """Raises UnknownCollection, UnknownSubset."""
    collections.get(tx, collection)
    row = tx.execute(sa.select(subset).where(subset.c.collection == collection, subset.c.name == name)).one_or_none()
    if row is None:
        raise UnknownSubset(f"Collection {collection!r} has no subset {name!r}.")
    return _as_subset(row)


def listing(tx: Transaction, collection: str) -> list[Subset]:
    """All of a collection by name; raises UnknownCollection."""
    collections.get(tx, collection)
    rows = tx.execute(sa.select(subset).where(subset.c.collection == collection).order_by(subset.c.name))
    return [_as_subset(row) for row in rows]


def delete(tx: Transaction, collection: str, name: str) -> None:
    """Forget it; a backfill of it that is under way ends where it is. Raises UnknownCollection, UnknownSubset."""
    tx.execute(sa.delete(subset).where(subset.c.subset_id == by_name(tx, collection, name).subset_id))


@dataclass(frozen=True, slots=True)
class Cutting:
    """How the recordings of a subset that still stand are cut into segments of audio, now."""

    not_cut: int  # yet
    without_segment: int
    several_segments: int


_CUTTING = sa.text("""
    SELECT count(*) FILTER (WHERE r.state = 'registered') AS not_cut,
           count(*) FILTER (WHERE r.state <> 'registered' AND s.n = 0) AS without_segment,
           count(*) FILTER (WHERE s.n > 1) AS several_segments
    FROM subset_member m JOIN recording r USING (recording_id)
    CROSS JOIN LATERAL (SELECT count(*) AS n FROM segment
                        WHERE recording_id = r.recording_id AND modality = 'audio') AS s
    WHERE m.subset_id = :subset_id
""")


def cutting(tx: Transaction, subset_id: UUID) -> Cutting:
    """Captions are no segments of audio."""
    return Cutting(**tx.execute(_CUTTING, {"subset_id": subset_id}).mappings().one())


@dataclass(frozen=True, slots=True)
class Member:
    """One recording of a subset, and the key by which it was drawn."""

    place: int
    object_key: str
    recording_id: UUID


_MEMBERS = sa.text("""
    SELECT place, key AS object_key, recording_id FROM subset_member
    WHERE subset_id = :subset_id AND place > :after ORDER BY place LIMIT :most
""")


def members(tx: Transaction, subset_id: UUID, *, after: int = 0, most: int) -> list[Member]:
    """By key, in byte order; places begin at 1."""
    rows = tx.execute(_MEMBERS, {"subset_id": subset_id, "after": after, "most": most})
    return [Member(*row) for row in rows]


def _as_subset(row: Any) -> Subset:
    strata = [Stratum(**stratum) for stratum in row.strata]
    return Subset(
        row.subset_id, row.collection, row.name, row.spec, strata, row.n_recordings, row.n_excluded, row.created_at
    )
