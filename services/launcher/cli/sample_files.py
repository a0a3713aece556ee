"""One `.npy` a sample and the list of them, `<contributor>/<file name>.npy` and `mapping.json`, as researchers have it.

A sample is a segment; in a collection that is cut by `whole`, a recording.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from io import BytesIO
from itertools import groupby
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float32

from services.launcher.cli.client import Client, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.progress import CountBar
from services.launcher.cli.vector_files import Row, Vectors

FetchFrames = Callable[[str, str], bytes]
"""The `.npy` of the frames that an encoder (by its name) kept of a segment (by its id)."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file to be: what is in it, and where it goes."""

    row: Row  # of the index
    wav_filename: str
    contributor_id: str
    path: PurePosixPath  # below the folder that is written
    shape: tuple[int, ...]
    sha256: str  # of the file
    load: Callable[[], bytes]

    def audio(self, corpus: Path) -> Path:
        """Where its recording lies in the corpus that it was imported from."""
        return corpus / _below_collection(str(self.row["object_key"]))

    def entry(self, out: Path, corpus: Path | None, encoder: Row) -> Row:
        """Its object in mapping.json; the first five keys are the form that researchers have."""
        key = str(self.row["object_key"])
        return {
            "id": self.path.name.removesuffix(".npy"),
            "contributor_id": self.contributor_id,
            "wav_filename": self.wav_filename,
            "wav_path": key if corpus is None else str(self.audio(corpus)),
            "embedding_path": str(out / self.path),
            "segment_id": self.row["segment_id"],
            "object_key": key,
            "start_s": self.row["start_s"],
            "end_s": self.row["end_s"],
            "encoder": encoder["name"],
            "revision": encoder["spec"].get("revision"),
            "space": encoder["space"],
            "dtype": encoder.get("dtype"),
            "shape": list(self.shape),
            "sha256": self.sha256,
        }


def samples(vectors: Vectors, fetch_frames: FetchFrames) -> Iterator[Sample]:
    """One for each row, in the order of the index: its frames where they were kept, else its pooled vector.

    Raises Failure `unsafe_name` for names that lead out of the folder.
    """
    taken: set[PurePosixPath] = set()
    numbered = enumerate(vectors.index())
    for key, group in groupby(numbered, key=lambda pair: str(pair[1]["object_key"])):
        segments = list(group)
        for k, (n, row) in enumerate(segments):
            path = _path(key, row, "" if len(segments) == 1 else f"#{k}", taken)
            taken.add(path)
            yield _sample(row, key, path, vectors.rows[n], partial(fetch_frames, vectors.encoder["name"]))


def _sample(
    row: Row, key: str, path: PurePosixPath, vector: Float32[np.ndarray, " dim"], fetch: Callable[[str], bytes]
) -> Sample:
    if frames := row.get("frames"):
        shape, digest = tuple(frames["shape"]), frames["sha256"]

        def load() -> bytes:
            return _checked(fetch(row["segment_id"]), digest)
    else:
        content = npy(vector)
        shape, digest = vector.shape, sha256(content).hexdigest()

        def load() -> bytes:
            return content

    return Sample(row, PurePosixPath(key).name, _contributor(key, row), path, shape, digest, load)


def _checked(content: bytes, digest: str) -> bytes:
    if sha256(content).hexdigest() != digest:
        raise Failure("bad_download", "The frames that came are not those that were kept.", "Try again.")
    return content


def npy(vector: Float32[np.ndarray, " dim"]) -> bytes:
    """The file, always the same bytes for the same numbers."""
    file = BytesIO()
    np.lib.format.write_array(file, np.ascontiguousarray(vector, "<f4"), version=(1, 0))
    return file.getvalue()


def _path(key: str, row: Row, suffix: str, taken: set[PurePosixPath]) -> PurePosixPath:
    """`<contributor>/<file name>.npy`; of two files that would become one, the second keeps its folders."""
    inside = PurePosixPath(_below_collection(key))
    name = f"{inside.name}{suffix}.npy"
    contributor = _contributor(key, row)
    found = PurePosixPath(contributor, name)
    if found in taken:
        found = PurePosixPath(contributor, inside.parent, name)
    if found.is_absolute() or ".." in found.parts:
        raise Failure("unsafe_name", f"{key!r} would be written outside of the folder.", "Rename it in the bucket.")
    return found


def _contributor(key: str, row: Row) -> str:
    """The attribute, else the folder that the file lies in."""
    named = (row.get("attributes") or {}).get("contributor_id")
    return str(named) if named else _below_collection(key).rpartition("/")[0]


def _below_collection(key: str) -> str:
    return key.partition("/")[2]


def write_mapping(path: Path, entries: Iterable[Row]) -> int:
    """A JSON list with an object a line; returns how many."""
    n_entries = 0
    with path.open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(("[\n" if n_entries == 0 else ",\n") + json.dumps(entry, ensure_ascii=False))
            n_entries += 1
        file.write("\n]\n" if n_entries else "[]\n")
    return n_entries


def shape_files(out: Path, fetch_frames: FetchFrames) -> Callable[[Path], Path]:
    """What turns a delivered folder into one of files; `out` is where they will lie."""

    def shape(folder: Path) -> Path:
        vectors, shaped = Vectors(folder), folder.with_name("shaped")

        def written(bar: CountBar) -> Iterator[Row]:
            for n, sample in enumerate(samples(vectors, fetch_frames), 1):
                (shaped / sample.path).parent.mkdir(parents=True, exist_ok=True)
                (shaped / sample.path).write_bytes(sample.load())
                yield sample.entry(out, None, vectors.encoder)
                bar.at(n, len(vectors.rows))

        shaped.mkdir()
        with CountBar("writing files") as bar:
            write_mapping(shaped / "mapping.json", written(bar))
        facts = json.dumps({**vectors.encoder, "output_dir": str(out)}, ensure_ascii=False, indent=2)
        (shaped / "encoder.json").write_text(facts, "utf-8")
        return shaped

    return shape


def frames_by(api: Client) -> FetchFrames:
    """Fetches them from the API."""

    def fetch(encoder: str, segment_id: str) -> bytes:
        file = BytesIO()
        api.download(api_path("segments", segment_id, "frames"), file, {"encoder": encoder})
        return file.getvalue()

    return fetch
