"""Find the stack that runs on this machine. Reads its files and starts nothing."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.launcher.cli.failure import Failure


@dataclass(frozen=True, slots=True)
class LocalStack:
    """As much of `<data_dir>/run/stack.json` as a client needs."""

    data_dir: Path
    url: str
    token: str
    database_url: str
    pid: int

    @classmethod
    def in_dir(cls, data_dir: Path) -> Self | None:
        """The stack that runs there; None if there is none, or if it is somebody else's."""
        try:
            written = json.loads((data_dir / "run" / "stack.json").read_text(encoding="utf-8"))
            found = cls(data_dir, written["url"], written["token"], written["database_url"], int(written["pid"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return found if _lives(found.pid) else None


def local_stack() -> LocalStack | None:
    """The stack of the default data directory; else the only one that runs elsewhere.

    Raises Failure when several run elsewhere: which one is meant is not for us to guess.
    """
    if standing := LocalStack.in_dir(default_data_dir()):
        return standing
    if "EARMARK_DATA_DIR" in os.environ:
        return None  # a person has named one; another would be a surprise
    elsewhere = [stack for folder in _running_data_dirs() if (stack := LocalStack.in_dir(folder))]
    if len(elsewhere) > 1:
        folders = ", ".join(str(stack.data_dir) for stack in elsewhere)
        remedy = "Name one of them: EARMARK_DATA_DIR=DIR earmark ..."
        raise Failure("several_stacks", f"Several stacks are running: {folders}.", remedy)
    return elsewhere[0] if elsewhere else None


def default_data_dir() -> Path:
    """What `services.launcher.stack.layout` takes (a test compares them); its import costs half a second."""
    if named := os.environ.get("EARMARK_DATA_DIR"):
        return Path(named).expanduser().resolve()
    if os.geteuid() == 0:
        return Path("/var/lib/earmark")
    from platformdirs import user_data_dir

    return Path(user_data_dir("earmark"))


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False  # to the kernel, process groups
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _running_data_dirs() -> list[Path]:
    """Where stacks of ours run: each of their processes carries its data directory in its environment."""
    try:
        import psutil
    except ImportError:
        return []  # only the extra `local`, which starts stacks, brings it
    from services.launcher.stack.family import MARKER

    folders = set()
    for process in psutil.process_iter():
        try:
            folders.add(process.environ().get(MARKER))
        except (psutil.Error, OSError):
            continue
    return sorted(Path(folder) for folder in folders if folder)
