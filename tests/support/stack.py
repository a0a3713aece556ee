"""The stack as tests use it."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TypeVar

import httpx
import psycopg
import redis
from minio import Minio

from services.launcher import stack
from services.launcher.stack import StackState, control
from services.launcher.stack.layout import Layout
from shared.settings import ConsoleSettings, DatabaseSettings, RedisSettings, S3Settings, Settings
from shared.storage import migrate
from shared.storage.tables import metadata

AUDIO, DERIVED = "audio", "derived"
T = TypeVar("T")


@dataclass(frozen=True)
class Servers:
    """Postgres, Valkey and S3 of a test session."""

    state: StackState
    settings: Settings

    def empty(self) -> None:
        names = ", ".join(f'"{table.name}"' for table in metadata.sorted_tables if table.name != "encoder")
        with psycopg.connect(self.state.database_url, autocommit=True) as connection:
            connection.execute(f"TRUNCATE {names} CASCADE")
            for (partition,) in connection.execute(
                "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'embedding'::regclass"
            ).fetchall():
                connection.execute(f"DROP TABLE {partition}")
            connection.execute("TRUNCATE encoder RESTART IDENTITY CASCADE")
        redis.Redis.from_url(self.state.redis_url).flushall()
        client = s3_client(self.state)
        for bucket in (AUDIO, DERIVED):
            for entry in client.list_objects(bucket, recursive=True):
                client.remove_object(bucket, entry.object_name)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A data directory. Not pytest's tmp_path: under root Postgres is another user, whom pytest's folders shut out."""
    with tempfile.TemporaryDirectory(prefix="earmark-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def running_servers(data_dir: Path) -> Iterator[Servers]:
    state = stack.up(data_dir, services=())
    try:
        migrate.upgrade(state.database_url)
        yield Servers(state, settings_of(state))
    finally:
        stack.down(data_dir)


def settings_of(state: StackState) -> Settings:
    return Settings(
        database=DatabaseSettings(url=state.database_url),
        redis=RedisSettings(url=state.redis_url),
        s3=S3Settings(endpoint=state.s3_endpoint, access_key=state.s3_access_key, secret_key=state.s3_secret_key),
        console=ConsoleSettings(),
    )


def s3_client(state: StackState) -> Minio:
    address = state.s3_endpoint.removeprefix("http://")
    return Minio(
        address, access_key=state.s3_access_key, secret_key=state.s3_secret_key, secure=False, region="us-east-1"
    )


@dataclass(frozen=True)
class FullStack:
    """A running stack with its API, its bucket and the `earmark` command."""

    state: StackState

    @property
    def url(self) -> str:
        return self.state.url

    @property
    def token(self) -> str:
        return self.state.token

    @property
    def data_dir(self) -> Path:
        return Path(self.state.data_dir)

    def api(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30)

    def s3(self) -> Minio:
        return s3_client(self.state)

    def sql(self, query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.state.database_url, autocommit=True) as connection:
            return connection.execute(query, parameters).fetchall()

    def put(self, source: Path, key: str) -> None:
        self.s3().fput_object(AUDIO, key, str(source))

    def earmark(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"EARMARK_URL": self.url, "EARMARK_TOKEN": self.token}
        command = [sys.executable, "-m", "services.launcher.cli.main", *words]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=check)

    def collection(self, name: str, **settings: object) -> None:
        with self.api() as api:
            api.post("/v1/collections", json={"name": name, **settings}).raise_for_status()

    @contextmanager
    def without(self, program: str) -> Iterator[None]:
        """One program stopped in good order, and started again afterwards."""
        with control.connect(Layout(self.data_dir)) as supervisor:
            supervisor._rpc.stopProcess(f"services:{program}")
        try:
            yield
        finally:
            stack.restart_program(self.data_dir, program)

    def idle(self, timeout_s: float = 30) -> None:
        """Return when every delivery is done; a dead one never is, and is named."""

        def idle() -> bool:
            rows = self.sql("SELECT subscription, error_code, last_error FROM delivery WHERE state = 'dead'")
            assert not rows, rows
            return not self.sql("SELECT FROM delivery LIMIT 1")

        until(idle, timeout_s)

    def settled(self, collection: str, n_files: int, timeout_s: float = 120) -> dict[str, dict[str, Any]]:
        """Every object of a collection by key, once `n_files` of them are ready or rejected."""

        def objects() -> dict[str, dict[str, Any]] | None:
            with self.api() as api:
                items = api.get(f"/v1/collections/{collection}/objects", params={"limit": 1000}).json().get("items", [])
            done = {item["object_key"]: item for item in items if item["status"] in {"ready", "rejected"}}
            return done if len(done) >= n_files else None

        return until(objects, timeout_s)


def running_stack(data_dir: Path, services: Sequence[str] | None = None) -> Iterator[FullStack]:
    state = stack.up(data_dir, services=services, extra_env={"EARMARK_LEDGER__LEASE_S": "8"})
    try:
        yield FullStack(state)
    finally:
        stack.down(data_dir)


def until(look: Callable[[], T | None], timeout_s: float = 30, every_s: float = 0.05) -> T:
    deadline = monotonic() + timeout_s
    while monotonic() < deadline:
        if found := look():
            return found
        sleep(every_s)
    raise AssertionError(f"nothing came within {timeout_s} s")
