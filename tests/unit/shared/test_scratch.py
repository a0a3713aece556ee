"""Scratch folders of processes that live stay, whoever looks; those of killed ones go."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from shared.ledger import scratch

HOLD = """
import sys
from shared.ledger.scratch import scratch_folder
folder = scratch_folder("ingest")
(folder / "speech.flac").write_bytes(b"speech")
print(folder, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /tmp of our own, for us and for our children."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holding() -> tuple["subprocess.Popen[str]", Path]:
    """A process with a folder; it ends when its stdin does."""
    child = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, Path(child.stdout.readline().strip())


def test_what_a_killed_process_left_goes_and_what_a_living_one_has_stays(temporary: Path) -> None:
    (dead, left), (living, kept) = holding(), holding()
    dead.kill()
    dead.communicate()
    assert left.is_dir()
    scratch.sweep_folders()
    assert (left.exists(), (kept / "speech.flac").read_bytes()) == (False, b"speech")
    living.communicate()
    assert not kept.exists()  # by itself


def test_ones_own_folder_stays_and_is_nobody_elses(temporary: Path) -> None:
    own = scratch.scratch_folder("embedder")
    scratch.sweep_folders()
    assert (own.is_dir(), own.stat().st_mode & 0o777) == (True, 0o700)


def test_what_only_looks_like_one_is_left_alone(temporary: Path) -> None:
    (temporary / "elsewhere").mkdir()
    (temporary / "earmark-scratch-link").symlink_to(temporary / "elsewhere")
    (temporary / "earmark-scratch-file").write_text("no folder")
    (temporary / "earmark-other-99999999999-a").mkdir()
    before = set(temporary.iterdir())
    scratch.sweep_folders()
    assert set(temporary.iterdir()) == before


def test_folders_of_other_users_stay(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = temporary / "earmark-scratch-ingest-abc"
    theirs.mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: theirs.stat().st_uid + 1)
    scratch.sweep_folders()
    assert theirs.is_dir()
