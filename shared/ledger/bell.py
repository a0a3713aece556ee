"""Waits for NOTIFY, or for a time: a wake-up that is missed costs latency, never work."""

from typing import Any

import psycopg

from shared.storage.database import Database, DatabaseUnavailable


class Bell:
    """One LISTEN connection, made again when it breaks."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._channel = channel
        self._connection: psycopg.Connection[Any] | None = None

    def wait(self, timeout_s: float) -> None:
        """Return when the channel rings or the time is up; raises DatabaseUnavailable while Postgres is away."""
        try:
            if self._connection is None:
                self._connection = self._database.listen(self._channel)
                return  # what was announced before LISTEN was not heard: the caller looks once more
            for _ in self._connection.notifies(timeout=timeout_s, stop_after=1):
                pass
        except psycopg.OperationalError as error:
            self._connection = None
            raise DatabaseUnavailable(str(error).strip().split("\n", 1)[0]) from error
