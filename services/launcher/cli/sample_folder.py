"""A folder of samples that is filled in place, so that a command that was killed goes on where it was."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np

from services.launcher.cli.failure import Failure
from services.launcher.cli.sample_files import FetchFrames, Sample, samples, write_mapping
from services.launcher.cli.vector_files import Row, Vectors
from shared.wording import counted

_PART: Final = ".part"


@dataclass(frozen=True, slots=True)
class Written:
    """How many samples there are, and how many of their files were there already."""

    n_samples: int
    n_kept: int


@dataclass(frozen=True, slots=True)
class SampleFolder:
    """Where files and their list go; `corpus` is where the audio lies, if it lies on this machine."""

    out: Path
    mapping: Path
    corpus: Path | None
    fetch_frames: FetchFrames
    overwrite: bool = False

    def write(self, vectors: Vectors, workshop: Path) -> Written:
        """Every file that is not there yet, each at once, and then the list of them.

        Raises Failure, before anything is written: `other_corpus` where a sample is not of the corpus, and
        `other_embeddings` where a whole file holds something else, or the list names files that this one would not.
        """
        self._check_corpus(vectors)
        kept = {s.path for s in samples(vectors, self.fetch_frames) if not self.overwrite and self._stands(s, vectors)}
        self._check_mapping(vectors)

        def entries() -> Iterator[Row]:
            for sample in samples(vectors, self.fetch_frames):
                if sample.path not in kept:
                    _put(self.out / sample.path, sample.load())
                yield sample.entry(self.out, self.corpus, vectors.encoder)

        n_samples = write_mapping(workshop / "mapping.json", entries())
        _put(self.mapping, (workshop / "mapping.json").read_bytes())
        return Written(n_samples, len(kept))

    def _check_corpus(self, vectors: Vectors) -> None:
        """A collection may hold another corpus beside this one, under whose name its samples must not be written."""
        if self.corpus is None:
            return
        for sample in samples(vectors, self.fetch_frames):
            if not sample.audio(self.corpus).exists():
                raise Failure(
                    "other_corpus",
                    f"The collection holds {sample.row['object_key']}, which is not in {self.corpus}.",
                    "Give each corpus a collection of its own, with -c NAME.",
                )

    def _check_mapping(self, vectors: Vectors) -> None:
        """The list of a larger or another sample in the same place must not be lost to this one."""
        if self.overwrite or not (listed := _listed(self.mapping)):
            return
        ours = {(self.out / sample.path).absolute() for sample in samples(vectors, self.fetch_frames)}
        if lost := [path for path in sorted(listed - ours) if path.exists()]:
            raise Failure(
                "other_embeddings",
                f"{self.mapping} lists {counted(len(lost), 'file')} of another sample, such as {lost[0]}.",
                'Name another mapping_path and output_dir, or let it be replaced: "overwrite": true or --overwrite.',
            )

    def _stands(self, sample: Sample, vectors: Vectors) -> bool:
        path = self.out / sample.path
        if not path.exists():
            return False
        with path.open("rb") as file:
            digest = sha256(file.read()).hexdigest()
        if digest != sample.sha256 and _is_whole(path):
            raise Failure(
                "other_embeddings",
                f"{path} holds another embedding than {vectors.encoder['name']}'s.",
                'Name another output_dir, or let it be written again with "overwrite": true or --overwrite.',
            )
        return digest == sample.sha256


def _listed(mapping: Path) -> set[Path]:
    """The files that a list names; none where there is no list, or no such one."""
    try:
        return {Path(entry["embedding_path"]).absolute() for entry in json.loads(mapping.read_text("utf-8"))}
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return set()


def _is_whole(path: Path) -> bool:
    try:
        np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError):
        return False
    return True


def _put(path: Path, content: bytes) -> None:
    """At once: whoever looks sees the whole file or none. The part that a kill leaves is replaced the next time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}{_PART}")
    try:
        part.write_bytes(content)
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
