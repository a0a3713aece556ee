"""API tokens: who may come in, and how far. The secret itself is never stored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from shared.errors import Conflict, NotFound
from shared.ids import new_id
from shared.storage.database import Transaction
from shared.storage.tables import token


class TokenNameTaken(Conflict):
    """Another token has that name; revoke it first (`earmark tokens revoke NAME`) or choose another name."""

    code = "token_name_taken"


class UnknownToken(NotFound):
    """The list of tokens shows the ids that there are."""

    code = "unknown_token"


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token without its secret."""

    token_id: UUID
    name: str
    scopes: list[str]
    collections: list[str] | None  # None: all of them
    created_at: datetime
    expires_at: datetime | None
    expired: bool


_COLUMNS = (
    token.c.token_id,
    token.c.name,
    token.c.scopes,
    token.c.collections,
    token.c.created_at,
    token.c.expires_at,
    sa.func.coalesce(token.c.expires_at <= sa.func.clock_timestamp(), sa.false()).label("expired"),
)


def digest(secret: str) -> str:
    """What is stored of a secret; it has 256 random bits, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def create(
    tx: Transaction,
    name: str,
    secret: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    collections: Sequence[str] | None = None,
) -> StoredToken:
    """Raises TokenNameTaken."""
    statement = (
        insert(token)
        .values(
            token_id=new_id(),
            name=name,
            sha256=digest(secret),
            scopes=list(scopes),
            collections=None if collections is None else list(collections),
            expires_at=expires_at,
        )
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(*_COLUMNS)
    )
    row = tx.execute(statement).one_or_none()
    if row is None:
        raise TokenNameTaken(f"There is a token {name!r} already.")
    return StoredToken(*row)


def by_secret(tx: Transaction, secret: str) -> StoredToken | None:
    """The token of that secret, expired or not."""
    row = tx.execute(sa.select(*_COLUMNS).where(token.c.sha256 == digest(secret))).one_or_none()
    return None if row is None else StoredToken(*row)


def listing(tx: Transaction) -> list[StoredToken]:
    """All of them, by name."""
    return [StoredToken(*row) for row in tx.execute(sa.select(*_COLUMNS).order_by(token.c.name))]


def delete(tx: Transaction, token_id: UUID) -> None:
    """Whoever has it stays out from now on. Raises UnknownToken."""
    if tx.execute(sa.delete(token).where(token.c.token_id == token_id)).rowcount == 0:
        raise UnknownToken(f"No token {token_id}.")
