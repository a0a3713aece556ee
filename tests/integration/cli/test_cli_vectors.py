"""Exports of vectors in every form, read the way their users will; whole or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from services.launcher.cli.delivery import deliver_folder
from services.launcher.cli.failure import Failure
from tests.integration.cli.api_script import Script
from tests.integration.cli.conftest import Earmark
from tests.support.vectors import delivered, facts, row

INDEX = [
    row("talk/P1/ü.wav", 0, attributes={"contributor_id": "P1", "etiology": "ALS"}),
    row("talk/P1/ü.wav", 1, attributes={"contributor_id": "P1", "etiology": "ALS"}),
    row("talk/b/plain.wav", 0, text="a caption"),
]
VECTORS = np.arange(9, dtype=np.float32).reshape(3, 3)
FORMATS = ("npy", "parquet", "arrow", "pt", "files")


def export(earmark: Earmark, form: str, out: Path) -> Any:
    result = earmark("export", "embeddings", "-c", "talk", "--format", form, "--out", out, "--json")
    assert result.status == 0, result.err + result.out
    return result.document


@pytest.fixture(autouse=True)
def exported(api: Script) -> None:
    api.export_files.update(delivered(INDEX, VECTORS))


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_table_has_a_row_for_each_vector(earmark: Earmark, tmp_path: Path, form: str) -> None:
    counts = {"segments": 3, "without_vector": 0, "to_backfill": 0, "dtype": "float32"}
    assert export(earmark, form, tmp_path / "out") == {"out": str(tmp_path / "out"), "files": 2, **counts}
    path = tmp_path / "out" / f"embeddings.{form}"
    table = pq.read_table(path) if form == "parquet" else pa.ipc.open_file(path).read_all()
    assert table.column("segment_id").to_pylist() == [line["segment_id"] for line in INDEX]
    assert [json.loads(text) if text else None for text in table.column("attributes").to_pylist()] == [
        line.get("attributes") for line in INDEX
    ]
    assert table.column("text").to_pylist() == [None, None, "a caption"]
    np.testing.assert_array_equal(np.stack(table.column("embedding").to_numpy()), VECTORS)
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 3)
    assert json.loads(table.schema.metadata[b"encoder"]) == facts(3)
    assert json.loads((tmp_path / "out" / "encoder.json").read_text()) == facts(3)


def test_torch_loads_it_without_running_anything(earmark: Earmark, tmp_path: Path) -> None:
    export(earmark, "pt", tmp_path / "out")
    found = torch.load(tmp_path / "out" / "embeddings.pt", weights_only=True)
    assert torch.equal(found["embeddings"], torch.from_numpy(VECTORS))
    assert (found["index"], found["encoder"]) == (INDEX, facts(3))


def test_files_are_one_a_segment_with_the_list_of_them(earmark: Earmark, tmp_path: Path) -> None:
    export(earmark, "files", tmp_path / "out")
    mapping = json.loads((tmp_path / "out" / "mapping.json").read_text())
    assert [entry["id"] for entry in mapping] == ["ü.wav#0", "ü.wav#1", "plain.wav"]
    assert [entry["contributor_id"] for entry in mapping] == ["P1", "P1", "b"]
    assert [entry["embedding_path"] for entry in mapping] == [
        str(tmp_path / "out" / path) for path in ("P1/ü.wav#0.npy", "P1/ü.wav#1.npy", "b/plain.wav.npy")
    ]
    for entry, vector in zip(mapping, VECTORS, strict=True):
        content = Path(entry["embedding_path"]).read_bytes()
        np.testing.assert_array_equal(np.load(entry["embedding_path"], allow_pickle=False), vector)
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        assert (entry["wav_path"], entry["shape"], entry["encoder"], entry["revision"], entry["dtype"]) == (
            entry["object_key"], [3], "tiny", "1", "float32",
        )  # fmt: skip


@pytest.mark.parametrize("form", FORMATS)
def test_an_empty_collection_has_an_empty_export(api: Script, earmark: Earmark, tmp_path: Path, form: str) -> None:
    api.export_files.update(delivered([], np.empty((0, 3), np.float32)))
    assert export(earmark, form, tmp_path / "out")["files"] >= 1


FULL_DISK = """
import resource, sys
from pathlib import Path
from services.launcher.cli.delivery import deliver_folder
from services.launcher.cli.failure import Failure
from services.launcher.cli.sample_files import shape_files
from services.launcher.cli.vector_files import shape_as

form, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
shape = shape_files(out, print) if form == "files" else shape_as(form) if form != "npy" else lambda folder: folder

def fill_the_disk():  # from now on a file holds 2 kB
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

def fetch(file):
    file.write(source.read_bytes())
    if form == "npy":
        fill_the_disk()

def shape_on_a_full_disk(folder):
    fill_the_disk()
    return shape(folder)

try:
    deliver_folder(out, fetch, shape_on_a_full_disk)
except Failure as failure:
    print(failure.code)
"""


@pytest.mark.parametrize("form", FORMATS)
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, form: str) -> None:
    """A limit on the size of a file stands for the full disk: the system refuses both in the same place."""
    many = [row(f"talk/{n}.wav", attributes={"note": str(n) * 50}) for n in range(2000)]
    with zipfile.ZipFile(tmp_path / "source.zip", "w") as archive:
        for name, content in delivered(many).items():
            archive.writestr(name, content)
    (tmp_path / "there").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, form, str(tmp_path / "source.zip"), str(tmp_path / "there" / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "disk_full\n", done.stderr
    assert list((tmp_path / "there").iterdir()) == []


def test_two_exports_into_one_folder_do_not_mix(earmark: Earmark, tmp_path: Path) -> None:
    workshop = tmp_path / ".out.earmark"
    workshop.mkdir()
    held = os.open(workshop, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    words = ("export", "embeddings", "-c", "talk", "--out", tmp_path / "out", "--json")
    refused = earmark(*words)
    assert (refused.status, refused.document["error"]["code"]) == (1, "export_running")
    assert not (tmp_path / "out").exists()
    assert earmark(*words[:-2], tmp_path / "other").status == 0
    os.close(held)
    assert earmark(*words).status == 0


def test_what_a_killed_export_left_is_thrown_away(earmark: Earmark, tmp_path: Path) -> None:
    left = tmp_path / ".out.earmark" / "files" / "P1"
    left.mkdir(parents=True)
    (left / "half.npy").write_bytes(b"half")
    (tmp_path / ".out.earmark" / "download").write_bytes(b"half")
    export(earmark, "files", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out"]
    assert not list((tmp_path / "out").rglob("half*"))


@pytest.mark.parametrize(("code", "expected"), [(errno.ENOSPC, "disk_full"), (errno.EACCES, "not_written")])
def test_what_the_system_refuses_has_a_code(tmp_path: Path, code: int, expected: str) -> None:
    def refuse(_: object) -> None:
        raise OSError(code, os.strerror(code))

    with pytest.raises(Failure) as failure:
        deliver_folder(tmp_path / "out", refuse)
    assert failure.value.code == expected


def test_a_format_whose_library_is_missing_says_which(
    earmark: Earmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    result = earmark("export", "embeddings", "-c", "talk", "--format", "parquet", "--out", tmp_path / "o", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "missing_library")
    assert "earmark[exports]" in result.document["error"]["remedy"]


NINE = INDEX[:1]


@pytest.mark.parametrize("other", [{"name": "wt"}, {"space": "tiny_2"}, {"subset": "nine"}, {"collection": "walk"}])
@pytest.mark.parametrize("form", ["npy", "files"])
def test_vectors_of_something_else_are_never_mixed_in(
    api: Script, earmark: Earmark, tmp_path: Path, form: str, other: dict[str, str]
) -> None:
    export(earmark, "files", tmp_path / "out")
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    api.export_files.update(delivered(NINE, **other))
    refused = earmark("export", "embeddings", "-c", "talk", "--format", form, "--out", tmp_path / "out", "--json")
    assert (refused.status, refused.document["error"]["code"]) == (1, "other_embeddings")
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["mapping.json", "b/plain.wav.npy", "embeddings.npy"])
def test_files_that_nobody_knows_are_not_taken_for_exported_ones(earmark: Earmark, tmp_path: Path, name: str) -> None:
    path = tmp_path / "out" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of earmark embed")
    refused = earmark("export", "embeddings", "-c", "talk", "--format", "files", "--out", tmp_path / "out", "--json")
    assert refused.document["error"]["code"] == "other_embeddings"
    assert path.read_bytes() == b"of earmark embed"


@pytest.mark.parametrize("change", [{"space": "other_1"}, {"embedding_path": "elsewhere/a.npy"}])
def test_a_list_that_is_not_of_the_export_is_not_followed(
    earmark: Earmark, tmp_path: Path, change: dict[str, str]
) -> None:
    out = tmp_path / "out"
    export(earmark, "files", out)
    listed = json.loads((out / "mapping.json").read_text())
    (out / "mapping.json").write_text(json.dumps([{**entry, **change} for entry in listed]))
    refused = earmark("export", "embeddings", "-c", "talk", "--out", out, "--json")
    assert refused.document["error"]["code"] == "other_embeddings"
    assert len(list(out.rglob("*.npy"))) == 3


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("before", FORMATS)
def test_an_export_of_the_same_leaves_nothing_of_an_older_one(
    api: Script, earmark: Earmark, tmp_path: Path, form: str, before: str
) -> None:
    out, alone = tmp_path / "out", tmp_path / "alone"
    out.mkdir()
    (out / "README").write_text("mine")
    export(earmark, before, out)
    api.export_files.update(delivered(NINE, VECTORS[:1]))
    export(earmark, form, out)
    export(earmark, form, alone)
    names = {path.relative_to(out) for path in out.rglob("*")}
    assert names == {path.relative_to(alone) for path in alone.rglob("*")} | {Path("README")}


def test_what_lacks_a_vector_is_counted_and_told(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    api.export_files.update(delivered(INDEX, VECTORS, segments=7, without_vector=4, to_backfill=1, subset="nine"))
    words = ("export", "embeddings", "-c", "talk", "--out", tmp_path / "out")
    told = earmark(*words)
    assert (told.status, told.out) == (3, f"3 of 7 segments in {tmp_path / 'out'} (3 files)\n")
    assert told.err == "4 have no vector: earmark backfill -c talk --encoder tiny --subset nine --wait\n"
    document = earmark(*words, "--json").document
    assert (document["segments"], document["without_vector"], document["to_backfill"]) == (7, 4, 1)


def test_an_export_without_any_vector_is_an_error(api: Script, earmark: Earmark, tmp_path: Path) -> None:
    empty = np.empty((0, 3), np.float32)
    api.export_files.update(delivered([], empty, segments=4, without_vector=4, to_backfill=4))
    result = earmark("export", "embeddings", "-c", "talk", "--out", tmp_path / "out", "--json")
    assert (result.status, result.document["error"]["code"]) == (1, "nothing_embedded")
    assert "backfill" in result.document["error"]["remedy"]
    assert not (tmp_path / "out").exists()
