"""Corpora from their tars to recordings with attributes, through the command and a whole stack."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from benchmarks import sap_shaped
from tests.support import corpora
from tests.support.corpora import wav
from tests.support.stack import FullStack

pytestmark = pytest.mark.slow
SETTINGS = ("--segmenter", "whole", "--encoder", "spectral")


def told(stack: FullStack, *words: object, status: int = 0) -> Any:
    """The document of a command that ends with this status."""
    done = stack.earmark(*(str(word) for word in words), "--json", check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def embedded(stack: FullStack, collection: str) -> set[int]:
    """How often `recording.embedded` was announced for each recording."""
    query = """SELECT subject, data->>'encoder' FROM event
               WHERE type = 'io.earmark.recording.embedded.v1' AND data->>'collection' = %s"""
    rows = stack.sql(query, collection)
    return set(Counter(rows).values())


def recordings(stack: FullStack, collection: str, *where: str) -> list[dict[str, Any]]:
    options = [word for condition in where for word in ("--where", condition)]
    found: list[dict[str, Any]] = told(stack, "recordings", "-c", collection, *options)
    return found


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"A tone is heard {k} times" for k in range(1, 6)]
    return corpora.clotho(tmp_path_factory.mktemp("clotho"), {f"clip {n}.wav": texts for n in range(4)})


def captions(stack: FullStack, collection: str) -> Counter[str]:
    """Of each key, how many."""
    rows = told(stack, "segments", "-c", collection, "--modality", "text")
    assert {row["source"] for row in rows} == {f"caption-{k}" for k in range(1, 6)}
    return Counter(row["object_key"] for row in rows)


def test_captions_that_come_with_their_clips(full_stack: FullStack, clips: Path) -> None:
    report = told(full_stack, "corpus", "import", clips, "-c", "clotho", "--kind", "clotho", *SETTINGS, "--wait")
    assert report["statuses"] == {"ready": 4}
    assert captions(full_stack, "clotho") == {
        f"clotho/clotho_audio_files/development/clip {n}.wav": 5 for n in range(4)
    }
    found = recordings(full_stack, "clotho", "split=development")
    assert [row["segments"] for row in found] == [6] * 4
    assert {len(row["attributes"]["captions"]) for row in found} == {5}
    full_stack.idle()
    assert embedded(full_stack, "clotho") == {1}


def test_captions_that_come_when_their_clips_are_ready(full_stack: FullStack, clips: Path) -> None:
    told(full_stack, "ingest", clips, "-c", "late", *SETTINGS, "--wait")
    report = told(full_stack, "corpus", "import", clips, "-c", "late", "--kind", "clotho", "--wait")
    assert (report["sent"], report["standing"], report["captions_added"]) == (0, 4, 20)
    assert set(captions(full_stack, "late").values()) == {5}
    full_stack.idle()
    assert {row["state"] for row in recordings(full_stack, "late")} == {"ready"}
    assert embedded(full_stack, "late") == {1}
    with full_stack.api() as api:
        items = [{"path": "copy.wav", "attributes": {"captions": ["Once more"]}}]
        assert api.put("/v1/collections/late/attributes", json={"items": items}).json()["captions_added"] == 0
    full_stack.put(clips / "clotho_audio_files" / "development" / "clip 0.wav", "late/copy.wav")
    full_stack.settled("late", 5)
    texts = [row["text"] for row in told(full_stack, "segments", "-c", "late", "--modality", "text")]
    assert (len(texts), texts.count("Once more")) == (21, 1)
    full_stack.idle()
    assert embedded(full_stack, "late") == {1}
    assert full_stack.sql(
        """SELECT DISTINCT p.n_segments, p.n_embedded + p.n_without_voice FROM recording_progress p
           JOIN recording r USING (recording_id) WHERE r.collection = 'late' ORDER BY 1"""
    ) == [(6, 6), (7, 7)]


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, sap_shaped.Expected]]:
    """A Speech Accessibility Project of tones: 30 contributors, one of each split without JSON, one WAV missing."""
    folder = tmp_path_factory.mktemp("voices")
    rng = random.Random(1)
    for speaker in range(30):
        (folder / f"{speaker:02}").mkdir()
        for n in range(rng.randint(2, 8)):
            (folder / f"{speaker:02}" / f"{n}.wav").write_bytes(wav(100 + 40 * speaker + 3 * n))
    out = tmp_path_factory.mktemp("release")
    return out, sap_shaped.build([folder], out)


def test_a_release_from_its_tars_to_its_recordings(
    full_stack: FullStack, release: tuple[Path, dict[str, sap_shaped.Expected]], tmp_path: Path
) -> None:
    source, expected = release
    extracted = told(full_stack, "corpus", "extract", source, tmp_path / "sap")
    assert (extracted["extracted"], extracted["problems"]) == (30, [])
    check = told(full_stack, "corpus", "check", tmp_path / "sap", status=3)
    for split in check["splits"]:
        of = expected[split["split"]]
        assert [split[name] for name in ("contributors", "recordings", "missing", "without_json")] == [
            *(of.contributors, of.recordings, of.missing, of.without_json)
        ]
        assert [split[name] for name in ("unnamed", "doubled", "broken_json", "foreign_json")] == [0] * 4
    kill_an_import(full_stack, tmp_path / "sap")
    words = ("corpus", "import", tmp_path / "sap", "-c", "sap", "--kind", "sap", *SETTINGS, "--wait")
    report = told(full_stack, *words, status=3)
    n_recordings = sum(of.recordings for of in expected.values())
    assert report["problems"] == {"missing_file": 2, "no_metadata": 2}
    assert report["statuses"] == {"ready": n_recordings}
    etiologies: Counter[str] = Counter()
    for of in expected.values():
        etiologies += Counter(of.etiologies)
    for etiology, n in etiologies.items():
        assert len(recordings(full_stack, "sap", f"etiology={etiology}")) == n
    assert len(recordings(full_stack, "sap", "split=Dev")) == expected["Dev"].recordings
    again = told(full_stack, *words, status=3)
    assert (again["sent"], again["attributes_changed"]) == (0, 0)


def kill_an_import(stack: FullStack, folder: Path) -> None:
    environment = os.environ | {"EARMARK_URL": stack.url, "EARMARK_TOKEN": stack.token}
    command = [sys.executable, "-m", "services.launcher.cli.main", "corpus", "import", str(folder), "-c", "sap"]
    child = subprocess.Popen([*command, "--kind", "sap", *SETTINGS], env=environment, stderr=subprocess.DEVNULL)
    time.sleep(1.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
