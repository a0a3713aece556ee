"""Who may call."""

from sqlalchemy import Column, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from shared.storage.tables.columns import metadata, now_column, uuid_column

token = Table(
    "token",
    metadata,
    uuid_column("token_id", primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("sha256", Text, nullable=False, unique=True),
    Column("scopes", ARRAY(Text), nullable=False),
    now_column("created_at"),
    Column("expires_at", TIMESTAMP(timezone=True)),
)
