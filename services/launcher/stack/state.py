"""What a stack keeps over its life (ports and secrets) and what it says about itself while it runs."""

import json
import random
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.launcher.stack import ports
from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout


def _new_secret() -> str:
    # Hexadecimal: such a secret needs no quoting in any URL or configuration file.
    return secrets.token_hex(20)


class Keepsake(BaseModel):
    """Ports and secrets of one data directory: made at its first start and kept, so that its addresses stay."""

    ports: dict[str, int] = {}
    postgres_password: str = Field(default_factory=_new_secret, repr=False)
    superuser_password: str = Field(default_factory=_new_secret, repr=False)
    valkey_password: str = Field(default_factory=_new_secret, repr=False)
    s3_secret_key: str = Field(default_factory=_new_secret, repr=False)
    seaweedfs_signing_key: str = Field(default_factory=_new_secret, repr=False)
    hint_token: str = Field(default_factory=_new_secret, repr=False)
    token: str = Field(default_factory=_new_secret, repr=False)
    buckets: tuple[str, str] | None = None
    """Of audio and of what is derived, as the last start named them; None: an earlier version did."""

    @classmethod
    def of(cls, layout: Layout, further_ports: Collection[str] = (), buckets: tuple[str, str] | None = None) -> Self:
        """Read it, or make it; ports that a foreign process has taken meanwhile are replaced, `buckets` if named."""
        kept = cls.read(layout) or cls()
        kept.buckets = buckets or kept.buckets
        kept.ports = ports.assign(kept.ports, (*ports.PURPOSES, *further_ports), random.Random())  # noqa: S311  # chooses ports, not secrets
        write_private(layout.keepsake_file, kept.model_dump_json(indent=2))
        return kept

    @classmethod
    def read(cls, layout: Layout) -> Self | None:
        """As it stands; None before the first start."""
        path = layout.keepsake_file
        return cls.model_validate_json(path.read_text()) if path.exists() else None


class StackState(BaseModel):
    """Addresses and credentials of one running stack, as `<data_dir>/run/stack.json` holds them."""

    model_config = ConfigDict(frozen=True)

    url: str
    s3_endpoint: str
    s3_access_key: str
    s3_secret_key: str = Field(repr=False)
    buckets: tuple[str, str] | None = None  # of audio and of what is derived; None: an earlier version started it
    database_url: str = Field(repr=False)
    redis_url: str = Field(repr=False)
    flower_url: str
    data_dir: Path
    token: str = Field(repr=False)
    hint_token: str = Field(repr=False)
    ports: dict[str, int]
    services: tuple[str, ...]
    pid: int = 0
    """supervisord's; 0 until it has started."""

    def public_view(self) -> dict[str, str]:
        """What `earmark up --json` prints (contracts.md, section 2)."""
        return {
            "url": self.url,
            "s3_endpoint": self.s3_endpoint,
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "flower_url": self.flower_url,
            "data_dir": str(self.data_dir),
        }

    def save(self, layout: Layout) -> None:
        """Write it where `load` and everything else on this machine finds it."""
        write_private(layout.state_file, self.model_dump_json(indent=2))

    @classmethod
    def load(cls, layout: Layout) -> Self | None:
        """The state that the last start wrote, whether or not it still runs; None if there is none to be read."""
        try:
            return cls.model_validate(json.loads(layout.state_file.read_text()))
        except (OSError, ValueError, ValidationError):
            return None
