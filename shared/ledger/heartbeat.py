"""A row that says when a process last got through its loop: the base of readiness and of `earmark status`."""

import os
import socket
from time import monotonic

import psycopg

from shared.settings import DatabaseSettings
from shared.telemetry import logger

log = logger("heartbeat")

_BEAT = """
    INSERT INTO heartbeat (service, instance, seen_at) VALUES (%s, %s, clock_timestamp())
    ON CONFLICT (service, instance) DO UPDATE SET seen_at = excluded.seen_at
"""


class Heart:
    """Beats at most every `every_s` seconds, on a connection of its own that a fork cannot inherit."""

    def __init__(self, service: str, settings: DatabaseSettings, every_s: float) -> None:
        self._service = service
        self._instance = f"{socket.gethostname()}:{os.getpid()}"
        self._url = settings.url.get_secret_value()
        self._every_s = every_s
        self._last_s = float("-inf")

    def beat(self) -> None:
        """Write the row if it is time; a database that is away is no reason to die."""
        now_s = monotonic()
        if now_s - self._last_s < self._every_s:
            return
        self._last_s = now_s
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=3) as connection:
                connection.execute(_BEAT, (self._service, self._instance))
        except psycopg.Error as error:
            log.warning("heartbeat_missed", service=self._service, error=str(error).split("\n", 1)[0])

    def stop(self) -> None:
        """Take the row back on a clean exit."""
        try:
            with psycopg.connect(self._url, autocommit=True, connect_timeout=1) as connection:
                connection.execute(
                    "DELETE FROM heartbeat WHERE service = %s AND instance = %s", (self._service, self._instance)
                )
        except psycopg.Error:
            log.info("heartbeat_left_behind", service=self._service)
