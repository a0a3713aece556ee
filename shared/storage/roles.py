"""A Postgres role for each service, with the rights that it needs: which tables it reads, which it writes, no more.

A role can hold no table that its service's code does not name; a test compares both. The roles are made by whoever may
(`create`), the rights are given by the owner of the tables at each migration (`grant`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

import sqlalchemy as sa
from psycopg import sql

from shared.storage.database import Transaction, driver

Service = Literal["relay", "reconciler", "watch", "ingest", "embedder", "clusterer", "console"]
SERVICES: Final[tuple[Service, ...]] = get_args(Service)


@dataclass(frozen=True, slots=True)
class Rights:
    """Names of tables, and of functions that do with the owner's rights what needs them."""

    writes: str
    reads: str = ""
    calls: str = ""


RIGHTS: Final[Mapping[Service, Rights]] = {
    "relay": Rights("delivery event heartbeat", "collection pause"),
    "reconciler": Rights(
        "condemned_blob delivery drained event frame_blob heartbeat rendition",
        "backfill collection encoder erasure pause recording segment",
    ),
    "watch": Rights("collection delivery event heartbeat stored_object", "embedding recording recording_progress"),
    "ingest": Rights(
        "archive archive_member cluster_member collection condemned_blob delivery drained embedding erasure event "
        "frame_blob heartbeat object_attributes recording recording_progress rendition segment segmenter "
        "stored_object tombstone",
        "backfill encoder encoder_check encoder_definition unembeddable",
    ),
    "embedder": Rights(
        "backfill collection condemned_blob delivery drained embedding encoder encoder_check encoder_definition "
        "encoder_family event frame_blob heartbeat recording recording_progress rendition segment unembeddable",
        "archive assignment cluster cluster_member label label_effect object_attributes segmenter speaker "
        "stored_object subset subset_member suggestion word",
        "make_embedding_partition",
    ),
    "clusterer": Rights(
        "arrived assignment backfill calibration calibration_before centroid centroid_before cluster cluster_before "
        "cluster_member clustering clustering_member clustering_state collection comparison deferred delivery drained "
        "embedding encoder encoder_switch event frame_blob heartbeat label label_effect question questionnaire "
        "recording recording_progress review segment skipped speaker suggestion unembeddable word",
        "archive encoder_check encoder_definition object_attributes rendition segmenter stored_object subset "
        "subset_member",
    ),
    "console": Rights(
        "archive_member arrived assignment audit_entry backfill calibration calibration_before centroid "
        "centroid_before cluster cluster_before cluster_member clustering clustering_member clustering_state "
        "collection comparison condemned_blob delivery embedding encoder encoder_check encoder_definition "
        "encoder_family encoder_switch erasure event frame_blob heartbeat keyed_call label label_effect "
        "object_attributes pause question questionnaire recording recording_progress rendition review segment "
        "segmenter skipped speaker stored_object subset subset_member suggestion token tombstone unembeddable word",
        "archive drained",
        "drop_embedding_partition",
    ),
}
_PARTITION: Final = re.compile(r"(?<=embedding)_[0-9]+")
"""Vectors of one space are asked for by their partition, which has rights of its own."""

_FUNCTIONS: Final = ("make_embedding_partition", "drop_embedding_partition")


def name_of(service: Service) -> str:
    """The role's name."""
    return f"earmark_{service}"


def create(tx: Transaction) -> list[str]:
    """Make the roles that are not there, without a login; returns their names. Takes the right to make roles."""
    standing = set(tx.execute(sa.text("SELECT rolname FROM pg_roles")).scalars())
    missing = [role for role in map(name_of, SERVICES) if role not in standing]
    for role in missing:
        driver(tx).execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    return missing


def grant(tx: Transaction) -> None:
    """Give the roles that there are the rights to the tables that there are, and take all others away.

    Takes the owner of the tables. Where there is no such role nothing happens: everybody is the owner then.
    """
    standing = set(tx.execute(sa.text("SELECT rolname FROM pg_roles")).scalars())
    tables = set(tx.execute(_TABLES).scalars())
    functions = [name for name in _FUNCTIONS if tx.execute(_HAS_FUNCTION, {"name": name}).scalar_one()]
    for function in functions:
        _run(tx, "REVOKE ALL ON FUNCTION {} FROM PUBLIC", function)
    for service in SERVICES:
        if (role := name_of(service)) not in standing:
            continue
        rights = RIGHTS[service]
        driver(tx).execute(
            sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA {} FROM {}").format(
                sql.Identifier(_schema(tx)), sql.Identifier(role)
            )
        )
        for table in sorted(tables):
            whole = _PARTITION.sub("", table)
            if whole in rights.writes.split():
                _run(tx, "GRANT SELECT, INSERT, UPDATE, DELETE ON {} TO {}", table, role)
            elif whole in rights.reads.split():
                _run(tx, "GRANT SELECT ON {} TO {}", table, role)
        for function in functions:
            verb = "GRANT EXECUTE ON FUNCTION {} TO {}" if function in rights.calls.split() else None
            _run(tx, verb or "REVOKE ALL ON FUNCTION {} FROM {}", function, role)


_TABLES: Final = sa.text("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
_HAS_FUNCTION: Final = sa.text("SELECT to_regproc(:name) IS NOT NULL")


def _schema(tx: Transaction) -> str:
    return str(tx.execute(sa.text("SELECT current_schema()")).scalar_one())


def _run(tx: Transaction, statement: str, *names: str) -> None:
    driver(tx).execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
