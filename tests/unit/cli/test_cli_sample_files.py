"""Files of samples: where they go, what is kept of a run before, and what is never touched."""

import json
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.launcher.cli.failure import Failure
from services.launcher.cli.sample_files import npy, samples
from services.launcher.cli.sample_folder import SampleFolder, Written
from services.launcher.cli.vector_files import Vectors
from tests.support.vectors import delivered, row


def no_frames(encoder: str, segment_id: str) -> bytes:
    raise AssertionError((encoder, segment_id))


def vectors(folder: Path, index: list[dict[str, Any]], **files: bytes) -> Vectors:
    folder.mkdir(exist_ok=True)
    for name, content in (delivered(index) | files).items():
        (folder / name).write_bytes(content)
    return Vectors(folder)


def write(tmp_path: Path, found: Vectors, *, overwrite: bool = False) -> Written:
    (tmp_path / "workshop").mkdir(exist_ok=True)
    out = tmp_path / "out"
    corpus = tmp_path / "corpus"
    corpus.mkdir(exist_ok=True)
    for n in range(4):
        (corpus / f"{n}.wav").touch()
    folder = SampleFolder(out, out / "mapping.json", corpus, no_frames, overwrite=overwrite)
    return folder.write(found, tmp_path / "workshop")


def paths(found: Vectors) -> list[str]:
    return [str(sample.path) for sample in samples(found, no_frames)]


def test_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    who = {"contributor_id": "P1"}
    index = [row("c/s1/a.wav", attributes=who), row("c/s2/a.wav", attributes=who), row("c/a.wav"), row("c/d/e/a.wav")]
    assert paths(vectors(tmp_path, index)) == ["P1/a.wav.npy", "P1/s2/a.wav.npy", "a.wav.npy", "d/e/a.wav.npy"]


@pytest.mark.parametrize("contributor", ["../elsewhere", "/etc", "a/../../b"])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, contributor: str) -> None:
    found = vectors(tmp_path, [row("c/a.wav", attributes={"contributor_id": contributor})])
    with pytest.raises(Failure, match="outside of the folder"):
        paths(found)


def test_the_same_vector_is_the_same_file() -> None:
    vector = np.linspace(0, 1, 7, dtype=np.float32)
    assert npy(vector) == npy(vector.astype(">f4").astype(np.float32))
    np.testing.assert_array_equal(np.load(BytesIO(npy(vector))), vector)


def test_frames_come_in_the_place_of_the_vector_and_are_checked(tmp_path: Path) -> None:
    file = BytesIO()
    np.save(file, np.zeros((1500, 8), np.float32))
    digest = sha256(file.getvalue()).hexdigest()
    kept = {"sha256": digest, "shape": [1500, 8], "dtype": "float32"}
    found = vectors(tmp_path, [row("c/a.wav", frames=kept)])
    asked: list[tuple[str, str]] = []

    def fetch(encoder: str, segment_id: str) -> bytes:
        asked.append((encoder, segment_id))
        return file.getvalue()

    (sample,) = samples(found, fetch)
    assert (sample.load(), sample.shape, sample.sha256) == (file.getvalue(), (1500, 8), digest)
    assert asked == [("tiny", "c/a.wav-0")]
    (broken,) = samples(found, lambda *_: b"other")
    with pytest.raises(Failure) as failure:
        broken.load()
    assert failure.value.code == "bad_download"


def test_what_is_whole_is_kept_and_what_is_half_is_written_again(tmp_path: Path) -> None:
    found = vectors(tmp_path / "in", [row(f"c/{n}.wav") for n in range(4)])
    assert write(tmp_path, found) == Written(4, 0)
    mapping = (tmp_path / "out" / "mapping.json").read_bytes()
    (tmp_path / "out" / "0.wav.npy").write_bytes(b"")
    (tmp_path / "out" / "1.wav.npy").unlink()
    (tmp_path / "out" / ".2.wav.npy.part").write_bytes(b"left by a kill")
    (tmp_path / "out" / "2.wav.npy").unlink()
    assert write(tmp_path, found) == Written(4, 1)
    assert (tmp_path / "out" / "mapping.json").read_bytes() == mapping
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *(f"{n}.wav.npy" for n in range(4)), "mapping.json",
    ]  # fmt: skip


def test_another_embedding_is_not_touched_unless_it_is_asked_for(tmp_path: Path) -> None:
    found = vectors(tmp_path / "in", [row(f"c/{n}.wav") for n in range(4)])
    (tmp_path / "out").mkdir()
    np.save(tmp_path / "out" / "3.wav.npy", np.zeros((1500, 1280), np.float16))
    with pytest.raises(Failure) as failure:
        write(tmp_path, found)
    assert failure.value.code == "other_embeddings"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["3.wav.npy"]
    assert write(tmp_path, found, overwrite=True) == Written(4, 0)
    entry = json.loads((tmp_path / "out" / "mapping.json").read_text())[3]
    assert entry["wav_path"] == str(tmp_path / "corpus" / "3.wav")
    assert np.load(entry["embedding_path"]).shape == (3,)


def test_the_list_of_a_larger_sample_is_not_replaced_by_a_smaller_ones(tmp_path: Path) -> None:
    larger = vectors(tmp_path / "larger", [row("c/0.wav"), row("c/1.wav")])
    write(tmp_path, larger)
    listed = (tmp_path / "out" / "mapping.json").read_bytes()
    smaller = vectors(tmp_path / "smaller", [row("c/0.wav")])
    with pytest.raises(Failure, match="lists 1 file of another sample") as failure:
        write(tmp_path, smaller)
    assert failure.value.code == "other_embeddings"
    assert (tmp_path / "out" / "mapping.json").read_bytes() == listed
    assert write(tmp_path, smaller, overwrite=True).n_samples == 1
    assert write(tmp_path, larger).n_samples == 2  # and a sample that holds the listed one takes its place


def test_a_list_whose_files_are_gone_may_be_replaced(tmp_path: Path) -> None:
    write(tmp_path, vectors(tmp_path / "larger", [row("c/0.wav"), row("c/1.wav")]))
    (tmp_path / "out" / "1.wav.npy").unlink()
    assert write(tmp_path, vectors(tmp_path / "smaller", [row("c/0.wav")])).n_samples == 1
