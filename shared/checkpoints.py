"""Where a model's weights lie and which weights they are: known before any heavy library is loaded.

A setting names them as a path on this machine, or as `OWNER/NAME@COMMIT` in the Hugging Face hub.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from traceback import extract_tb
from typing import Final, TypeGuard

from shared.errors import PermanentError

_HUB_NAME: Final = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})")
_DIGITS: Final = 12  # of a hash: as many as spaces have


class UnknownModel(PermanentError):
    """Name a model by a path that exists on the worker's machine, or as `OWNER/NAME@COMMIT` with all 40 digits of the
    commit: a branch's weights may change under its name, and vectors would no longer be comparable.
    """

    code = "unknown_model"


class MissingModel(PermanentError):
    """The weights are not on this machine and cannot be fetched. Put them here and name their path, or let the machine
    reach their server once (huggingface.co; of OpenAI's Whisper openaipublic.azureedge.net); for a gated model accept
    its terms at huggingface.co and set HF_TOKEN.
    """

    code = "missing_model"


class MissingLibrary(PermanentError):
    """A library is not installed where the workers run, or does not load. Install it by the extra that is named, and
    start the workers again, which look for libraries when they start (on one machine: `earmark down && earmark up`).
    """

    code = "missing_library"


@dataclass(frozen=True, slots=True)
class LocalCheckpoint:
    """A file or a folder on this machine."""

    path: Path

    @property
    def identity(self) -> str:
        """A hash of all it holds. Reads the files the first time, at a few hundred MB/s."""
        files = _files(self.path)
        stats = [path.stat() for path in files]
        states = tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in zip(files, stats, strict=True))
        return f"sha256-{_digest(self.path, states)[:_DIGITS]}"

    def fetched(self) -> Path:
        """Where the weights lie."""
        return self.path

    def absence(self) -> str | None:
        """Why the weights are not on this machine: there was something when they were named."""
        return None if _files(self.path) else f"There is nothing in {self.path}."


@dataclass(frozen=True, slots=True)
class HubCheckpoint:
    """A repository of the Hugging Face hub at one commit, which is a hash of its files."""

    repo: str
    commit: str

    @property
    def identity(self) -> str:
        """The repository and its commit."""
        return f"{self.repo}@{self.commit[:_DIGITS]}"

    def fetched(self) -> Path:
        """The folder where the weights lie, after a download if need be; HF_TOKEN, HF_HOME and HF_HUB_OFFLINE count.

        Raises MissingLibrary and MissingModel.
        """
        # Asked first: `snapshot_download` tries to reach a hub that is away for half a minute.
        _commit_of(self.repo, self.commit)
        with library("transformers"):
            from huggingface_hub import snapshot_download
        try:
            return Path(snapshot_download(self.repo, revision=self.commit))
        except _failures() as error:
            raise MissingModel(f"{self.repo}@{self.commit}: {error}") from error

    def absence(self) -> str | None:
        """Why the weights are not on this machine, without asking the hub; None if they are."""
        if _fetched_before(self.repo, self.commit) is not None:
            return None
        return f"{self.repo}@{self.commit[:_DIGITS]} was not fetched yet, which is tried when it is first needed."


Checkpoint = LocalCheckpoint | HubCheckpoint


def is_file(weights: Checkpoint) -> TypeGuard[LocalCheckpoint]:
    """Whether it is a single file, and neither a folder nor in the hub."""
    return isinstance(weights, LocalCheckpoint) and weights.path.is_file()


def checkpoint(name: str) -> Checkpoint:
    """What a setting names. Raises UnknownModel if there is no such path and it is no commit of a hub's repository."""
    if hub := _HUB_NAME.fullmatch(name):
        return HubCheckpoint(hub["repo"], hub["commit"])
    path = Path(name).expanduser()
    if not name or not path.exists():
        raise UnknownModel(f"There is no {name!r}.")
    return LocalCheckpoint(path.resolve())


_BRANCH: Final = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(@(?P<branch>[\w./-]+))?")


def pinned(name: str) -> str:
    """The same checkpoint under a name that cannot come to mean another: a whole path, or a hub's name with a commit.

    A branch, `main` if none is named, is looked up in the hub, or else in what was fetched of it before.
    Raises UnknownModel, MissingModel, MissingLibrary.
    """
    if _HUB_NAME.fullmatch(name):
        return name
    path = Path(name).expanduser()
    if name and path.exists():
        return str(path.resolve())
    hub = _BRANCH.fullmatch(name)
    if hub is None:
        raise UnknownModel(f"There is no {name!r}.")
    return f"{hub['repo']}@{_commit_of(hub['repo'], hub['branch'] or 'main')}"


def _commit_of(repo: str, revision: str) -> str:
    """By the hub, or by what was fetched of it before if the hub is out of reach. Raises MissingModel."""
    with library("transformers"):
        from huggingface_hub import HfApi
    try:
        return str(HfApi().repo_info(repo, revision=revision).sha)
    except _failures() as asked:
        folder = _fetched_before(repo, revision)
        if folder is None:
            why = f"{repo}@{revision}: there is no such path, nothing fetched either, and the hub says: {asked}"
            raise MissingModel(why) from asked
        return folder.name  # of a snapshot: the commit


def _fetched_before(repo: str, revision: str) -> Path | None:
    """The folder of a snapshot that was fetched once."""
    with library("transformers"):
        from huggingface_hub import snapshot_download
    try:
        return Path(snapshot_download(repo, revision=revision, local_files_only=True))
    except _failures():
        return None


def _failures() -> tuple[type[Exception], ...]:
    """What the hub's client raises when it is offline, refused, or out of reach; by its own names, since which HTTP
    library it uses has changed.
    """
    from huggingface_hub.errors import (  # type: ignore[attr-defined]  # it has its HTTP library's error from there
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    return HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled, OSError


@contextmanager
def library(extra: str) -> Iterator[None]:
    """Imports inside that fail raise MissingLibrary: absent packages, and shared objects that do not load."""
    try:
        yield
    except (ImportError, OSError) as error:
        raise MissingLibrary(f"{error} (pip install 'earmark[{extra}]'){_of_torchaudio(error)}") from error


def _of_torchaudio(error: Exception) -> str:
    """What helps where PyPI's torchaudio, which links CUDA, stands beside a torch without it."""
    inside = any("torchaudio" in Path(frame.filename).parts for frame in extract_tb(error.__traceback__))
    return ". Take torchaudio from https://download.pytorch.org/whl/cpu, as torch" if inside else ""


def _files(path: Path) -> list[Path]:
    """The file, or the folder's files in the order of their names, but for hidden ones, which are tools' own."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(path).parts))


@lru_cache(maxsize=64)
def _digest(root: Path, states: tuple[tuple[Path, int, int], ...]) -> str:
    digest = hashlib.sha256()
    for path, _size, _mtime_ns in states:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{'' if path == root else path.relative_to(root).as_posix()}\n{content}\n".encode())
    return digest.hexdigest()
