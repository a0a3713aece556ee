"""What a corpus or its owner says of objects: one JSON object for each key of a collection, searchable by any of it.

Attributes may come before their object is seen, and stay whatever becomes of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg.types.json import Jsonb

from shared.storage.conditions import value_paths
from shared.storage.database import Transaction

MOST_VALUES = 1000


_PUT = sa.text("""
    INSERT INTO object_attributes AS a (collection, key, data)
    SELECT :collection, n.key, n.data FROM unnest(CAST(:keys AS text[]), CAST(:data AS jsonb[])) AS n(key, data)
    WHERE NOT EXISTS (SELECT FROM stored_object o
                      WHERE o.collection = :collection AND o.key = n.key AND o.code = 'erased')
    ORDER BY n.key
    ON CONFLICT (collection, key) DO UPDATE SET data = excluded.data, updated_at = clock_timestamp()
    WHERE a.data <> excluded.data
    RETURNING key
""")


def put(tx: Transaction, collection: str, rows: Mapping[str, Mapping[str, Any]]) -> int:
    """Let each key have these attributes in the place of those that it had; returns how many are new or have changed.

    Keys whose bytes were erased have none. Raises GoneMeanwhile, at the end of the transaction, if there is no such
    collection.
    """
    values = {"collection": collection, "keys": list(rows), "data": [Jsonb(data) for data in rows.values()]}
    return len(tx.execute(_PUT, values).all())


_FORGET = sa.text("""
    DELETE FROM object_attributes a USING stored_object o
    WHERE o.object_id = ANY(:ids) AND a.collection = o.collection AND a.key = o.key
""")


def forget(tx: Transaction, object_ids: Sequence[UUID]) -> None:
    """Nothing is said of these objects any more."""
    tx.execute(_FORGET, {"ids": list(object_ids)})


_OF_KEYS = sa.text("SELECT key, data FROM object_attributes WHERE collection = :collection AND key = ANY(:keys)")


def of_keys(tx: Transaction, collection: str, keys: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The attributes of those of the keys that have any."""
    return {row.key: row.data for row in tx.execute(_OF_KEYS, {"collection": collection, "keys": list(keys)})}


@dataclass(frozen=True, slots=True)
class Name:
    """An attribute: on how many objects it stands, and how many different values it has."""

    name: str
    objects: int
    values: int


_NAMES = sa.text("""
    SELECT v.name, CAST(sum(v.objects) AS bigint) AS objects, count(*) AS values
    FROM (SELECT e.name, e.value, count(*) AS objects
          FROM object_attributes t CROSS JOIN LATERAL jsonb_each(t.data) AS e(name, value)
          WHERE t.collection = :collection GROUP BY 1, 2) AS v
    GROUP BY 1 ORDER BY 1
""")


def names(tx: Transaction, collection: str) -> list[Name]:
    """All attributes of a collection, by name."""
    return [Name(**row) for row in tx.execute(_NAMES, {"collection": collection}).mappings()]


@dataclass(frozen=True, slots=True)
class Value:
    """One value of an attribute and how many objects have it."""

    value: Any
    objects: int


_VALUES = sa.text("""
    SELECT v.value, count(DISTINCT t.key) AS objects
    FROM object_attributes t CROSS JOIN unnest(CAST(:paths AS jsonpath[])) AS p(path)
    CROSS JOIN LATERAL jsonb_path_query(t.data, p.path) AS v(value)
    WHERE t.collection = :collection GROUP BY 1 ORDER BY 2 DESC, v.value::text LIMIT :most
""")


def values_of(tx: Transaction, collection: str, name: str, most: int = MOST_VALUES) -> list[Value]:
    """The values of one attribute, the most frequent first; of a list each of its values."""
    values = {"collection": collection, "paths": value_paths(name), "most": most}
    return [Value(row.value, row.objects) for row in tx.execute(_VALUES, values)]


HAVING = """
    SELECT o.recording_id FROM object_attributes t
    JOIN stored_object o ON o.collection = t.collection AND o.key = t.key AND o.state = 'registered'
    WHERE t.collection = :collection AND t.data @@ CAST(:attributes AS jsonpath)
"""
"""The recordings one of whose objects has attributes to which a predicate applies."""


def of_recording(recording_id: str) -> str:
    """An expression for the attributes of a recording: those of the first of its keys that has any."""
    return f"""
        (SELECT t.data FROM stored_object k JOIN object_attributes t ON t.collection = k.collection AND t.key = k.key
         WHERE k.recording_id = {recording_id} AND k.state = 'registered' ORDER BY k.key LIMIT 1)
    """  # noqa: S608  # a column's name, written in the code


_RECORDINGS_OF = sa.text("""
    SELECT recording_id FROM stored_object WHERE collection = :collection AND key = ANY(:keys)
    ORDER BY object_id FOR SHARE
""")


def recordings_of(tx: Transaction, collection: str, keys: Sequence[str]) -> set[UUID]:
    """The recordings that lie under these keys, after whoever is just registering one of them is through."""
    found = tx.execute(_RECORDINGS_OF, {"collection": collection, "keys": list(keys)}).scalars()
    return {recording_id for recording_id in found if recording_id is not None}
