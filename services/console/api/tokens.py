"""API tokens: make, list and delete them. A secret is shown once, when it is made."""

import secrets
from datetime import UTC, datetime
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, model_validator

from services.console.api.shapes import Asked, Shown, in_utc, written_out
from services.console.auth import OWNER, Requires, Scope
from services.console.deps import ConsoleDep
from shared.storage import collections, tokens

router = APIRouter(tags=["tokens"], dependencies=[Depends(Requires("admin"))])

TokenName = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[\w.@ -]+$", examples=["ci uploads"])]


class NewToken(Asked):
    """A token to make; without `expires_at` it is valid until it is deleted, without `collections` for all of them.

    One for `collections`, which need not stand yet, sees and changes nothing outside of them.
    """

    name: TokenName
    scopes: Annotated[list[Scope], Field(min_length=1, examples=[["read", "ingest"]])]
    collections: Annotated[list[str], Field(min_length=1, max_length=1000, examples=[["meetings"]])] | None = None
    expires_at: Annotated[AwareDatetime, BeforeValidator(written_out), AfterValidator(in_utc)] | None = None

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.name == OWNER:
            raise ValueError(f"{OWNER!r} is the name of the stack's own token")
        if self.expires_at is not None and self.expires_at <= datetime.now(UTC):
            raise ValueError("expires_at lies in the past")
        if self.collections is not None and "admin" in self.scopes:
            raise ValueError("an administrator's token is for all collections")
        return self


class TokenShown(Shown):
    """A token without its secret."""

    token_id: UUID
    name: str
    scopes: list[str]
    collections: list[str] | None = Field(description="that it is good for; null: all of them")
    created_at: datetime
    expires_at: datetime | None
    expired: bool


class TokenMade(TokenShown):
    """A token with its secret, for the only time."""

    token: str


@router.post("/v1/tokens", status_code=201)
def make(console: ConsoleDep, new: NewToken) -> TokenMade:
    """Make a token; only its hash is kept."""
    secret = f"earmark_{secrets.token_urlsafe(32)}"
    scopes = list(dict.fromkeys(new.scopes))
    names = None if new.collections is None else [collections.check_name(name) for name in new.collections]
    with console.database.begin() as tx:
        stored = tokens.create(tx, new.name, secret, scopes, new.expires_at, names)
    return TokenMade(**TokenShown.model_validate(stored).model_dump(), token=secret)


@router.get("/v1/tokens")
def listing(console: ConsoleDep) -> list[TokenShown]:
    """By name."""
    with console.database.begin() as tx:
        return [TokenShown.model_validate(stored) for stored in tokens.listing(tx)]


@router.delete("/v1/tokens/{token_id}", status_code=204)
def delete(console: ConsoleDep, token_id: UUID) -> None:
    """Shut out whoever has it."""
    with console.database.begin() as tx:
        tokens.delete(tx, token_id)
