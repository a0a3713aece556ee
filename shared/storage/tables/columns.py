"""What all tables share: their metadata and the columns that occur again and again."""

import uuid
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Column, ForeignKey, MetaData, func
from sqlalchemy.dialects.postgresql import TIMESTAMP, UUID

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BYTEWISE = "C"  # keys are bytes to S3: they are compared and sorted as such


class Vector(sa.types.UserDefinedType[bytes]):
    """pgvector's `vector` of any dimension; it is read and written by binary COPY only (storage/rows.py)."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        """The type's name in DDL."""
        return "vector"


def uuid_column(
    name: str, reference: ForeignKey | None = None, *, nullable: bool = True, primary_key: bool = False
) -> Column[uuid.UUID]:
    """An id, ours or a foreign one."""
    arguments = () if reference is None else (reference,)
    return Column(name, UUID(as_uuid=True), *arguments, nullable=nullable and not primary_key, primary_key=primary_key)


def now_column(name: str) -> Column[datetime]:
    """When the row was written, by the database's clock."""
    return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=func.clock_timestamp())
