"""The user that Postgres runs as when we are root: it refuses to run as root itself."""

import contextlib
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.launcher.stack.errors import Unreachable

_NAME = "earmark"
_TEST = shutil.which("test") or "/usr/bin/test"


@dataclass(frozen=True, slots=True)
class Account:
    """An unprivileged user of this machine."""

    name: str
    uid: int
    gid: int

    @classmethod
    def named(cls, name: str) -> Self:
        """Look it up; KeyError if there is no such user."""
        entry = pwd.getpwnam(name)
        return cls(name, entry.pw_uid, entry.pw_gid)

    def may_enter(self, path: Path) -> bool:
        """Whether this user gets to `path` and into it, asked of the kernel rather than of the mode bits."""
        return self.can_run((_TEST, "-x", str(path)))

    def can_run(self, command: tuple[str, ...]) -> bool:
        """Whether this user can start a program and it reports success."""
        try:
            return self.run(command).returncode == 0
        except OSError:
            return False

    def run(self, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        """Run a command as this user, from the root folder, and keep what it says."""
        return subprocess.run(
            command,
            user=self.uid,
            group=self.gid,
            extra_groups=[],
            cwd="/",
            text=True,
            capture_output=True,
            check=False,
        )


def postgres_account() -> Account | None:
    """Who runs Postgres: None is ourselves; as root a system user, made if need be and if it can be."""
    if os.geteuid() == 0 and _standing_account().name != _NAME:
        _make_user()
    return standing_account()


def standing_account() -> Account | None:
    """The same without making any user."""
    return _standing_account() if os.geteuid() == 0 else None


def _standing_account() -> Account:
    try:
        return Account.named(_NAME)
    except KeyError:
        return Account.named("nobody")  # small systems have no useradd


def _make_user() -> None:
    if useradd := shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin"):
        shell = "/usr/sbin/nologin"
        subprocess.run(
            [useradd, "--system", "--no-create-home", "--shell", shell, _NAME], check=False, capture_output=True
        )


def open_path(data_dir: Path, account: Account) -> None:
    """See to it that the account can enter the data directory; folders above it are not ours to change.

    Raises Unreachable, naming the folder that is closed.
    """
    with contextlib.suppress(PermissionError):  # on some network drives; it may be open all the same
        # Its group may pass through, and nobody else: no list permission, and other users stay out.
        os.chown(data_dir, -1, account.gid)
        data_dir.chmod(data_dir.stat().st_mode | 0o010)
    if closed := closed_folder(data_dir, account):
        raise Unreachable(f"The user {account.name!r}, as whom Postgres runs, cannot enter {closed}.")


def closed_folder(path: Path, account: Account) -> Path | None:
    """The uppermost folder on the way to `path` that the account cannot enter, itself included."""
    return next((folder for folder in (*reversed(path.parents), path) if not account.may_enter(folder)), None)
