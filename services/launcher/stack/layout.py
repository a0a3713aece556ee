"""Where everything of one stack lies under its data directory, and who holds the directory just now."""

import fcntl
import hashlib
import os
import re
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from services.launcher.stack.errors import AlreadyRunning, HalfRestored, UnusableDataDir

_SOCKET_PATH_BYTES = 107
"""sun_path of Linux, without its closing zero byte."""

_SUPERVISOR_SUFFIX_BYTES = 12
"""supervisord binds `<path>.<pid>` first and renames it."""

_SHORT_PLACE = Path("/tmp")  # noqa: S108  # not TMPDIR, which may differ from one command to the next

_INI_HOSTILE = re.compile(r"[\x00-\x1f\x7f%]|\s[;#]")
"""supervisord's configuration has no way to escape these; a percent sign is undone once in commands, twice in paths."""

_UNFINISHED = "restore.unfinished"
_OURS = {"run", "log", "postgres", "valkey", "seaweedfs", "lost+found", _UNFINISHED}


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one data directory."""

    data_dir: Path

    @property
    def run(self) -> Path:
        """What a running stack writes about itself; for its owner's eyes only."""
        return self.data_dir / "run"

    @property
    def log(self) -> Path:
        """One log a program."""
        return self.data_dir / "log"

    @property
    def postgres(self) -> Path:
        """PGDATA."""
        return self.data_dir / "postgres"

    @property
    def valkey(self) -> Path:
        """Valkey's append-only files."""
        return self.data_dir / "valkey"

    @property
    def seaweedfs(self) -> Path:
        """The object store's volumes."""
        return self.data_dir / "seaweedfs"

    @property
    def keepsake_file(self) -> Path:
        """Ports and secrets, made once."""
        return self.data_dir / "keepsake.json"

    @property
    def unfinished_file(self) -> Path:
        """There while a backup is being restored, and after a restore that failed."""
        return self.data_dir / _UNFINISHED

    @property
    def state_file(self) -> Path:
        """The state of the running stack."""
        return self.run / "stack.json"

    @property
    def token_file(self) -> Path:
        """The API token, for the console to read."""
        return self.run / "token"

    @property
    def supervisor_file(self) -> Path:
        """The configuration of supervisord, written anew at each start."""
        return self.run / "supervisord.conf"

    def log_file(self, program: str) -> Path:
        """Where one program's output goes."""
        return self.log / f"{program}.log"

    def socket(self, name: str) -> Path:
        """A Unix socket's path, in the data directory or, where that is too long, in a short private folder."""
        near = self.run / f"{name}.sock"
        if len(os.fsencode(near)) + _SUPERVISOR_SUFFIX_BYTES <= _SOCKET_PATH_BYTES:
            return near
        return self._short_folder / f"{name}.sock"

    def remove_sockets(self) -> None:
        """Remove the short folder, if there is one."""
        shutil.rmtree(self._short_folder, ignore_errors=True)

    def require_whole(self) -> None:
        """Raises HalfRestored, also while a backup is being restored into it."""
        if self.unfinished_file.exists():
            raise HalfRestored(f"The restore into {self.data_dir} did not come to its end.")

    def create(self) -> None:
        """Make the folders, closed to others. Raises UnusableDataDir, HalfRestored."""
        self.require_whole()
        if _INI_HOSTILE.search(str(self.data_dir)):
            raise UnusableDataDir(f"The path {str(self.data_dir)!r} cannot be written into a configuration file.")
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._require_own_or_empty()
            for folder in (self.run, self.log, self.valkey, self.seaweedfs):
                folder.mkdir(mode=0o700, exist_ok=True)
            if self.socket("any").parent != self.run:
                self._short_folder.mkdir(mode=0o700, exist_ok=True)
                _require_private(self._short_folder)
        except OSError as error:
            raise UnusableDataDir(f"{self.data_dir} cannot be used: {error.strerror}.") from error

    @contextmanager
    def held(self, patience_s: float = 0.0) -> Iterator[None]:
        """Keep every other `up` and `down` of this data directory out meanwhile.

        Raises AlreadyRunning when somebody else still holds it after `patience_s`.
        """
        with (self.run / "lock").open("a") as lock:
            deadline = time.monotonic() + patience_s
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise AlreadyRunning(f"The stack in {self.data_dir} is being started or stopped.") from None
                    time.sleep(0.05)
            yield

    @property
    def _short_folder(self) -> Path:
        """The same for the same data directory, so that `down` finds what `up` has made."""
        digest = hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]
        return _SHORT_PLACE / f"earmark-{os.geteuid()}-{digest}"

    def _require_own_or_empty(self) -> None:
        """We change this folder's mode and group, and that must not be somebody's home by mistake."""
        strange = {path.name for path in self.data_dir.iterdir()} - _OURS
        if strange and not self.keepsake_file.exists():
            raise UnusableDataDir(f"{self.data_dir} holds other things already, {min(strange)!r} for one.")


def layout_of(data_dir: Path | None) -> Layout:
    """The layout of a data directory, the default one if none is named. Makes nothing."""
    return Layout((data_dir or default_data_dir()).expanduser().resolve())


def default_data_dir() -> Path:
    """EARMARK_DATA_DIR, else the system's place for a user's (or, as root, the machine's) application data."""
    if named := os.environ.get("EARMARK_DATA_DIR"):
        return Path(named)
    # Root's home is closed to the user that Postgres runs as.
    return Path("/var/lib/earmark") if os.geteuid() == 0 else Path(platformdirs.user_data_dir("earmark"))


def _require_private(folder: Path) -> None:
    """Anybody may make folders in /tmp: never trust one that we have not made."""
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise UnusableDataDir(f"{folder}, the place for this stack's sockets, belongs to somebody else.")
