"""A folder of exported vectors: of one encoder, collection and subset at a time, and in one format.

`encoder.json` says of which. Nothing in the folder is replaced or removed but what an export of the same has put there.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.launcher.cli.delivery import Fetch, Shape, download_folder, files_of, move_into, workshop_of, writable
from services.launcher.cli.failure import Failure
from services.launcher.cli.vector_files import Row

_FACTS: Final = "encoder.json"
_MAPPING: Final = "mapping.json"
_SAME: Final = ("name", "space", "collection", "subset")
_BESIDE: Final = ("embeddings.npy", "embeddings.parquet", "embeddings.arrow", "embeddings.pt", "index.jsonl", _MAPPING)


@dataclass(frozen=True, slots=True)
class Delivered:
    """How many files there are, and what encoder.json says of them."""

    n_files: int
    facts: Row


def deliver_vectors(out: Path, fetch: Fetch, shape: Shape) -> Delivered:
    """Fetch an export of vectors and put what `shape` makes of it into the folder `out`, in the place of an earlier
    one of the same.

    Raises Failure, with `out` as it was: `nothing_embedded`, and `other_embeddings` where other vectors lie.
    """
    with writable(out), workshop_of(out) as workshop:
        folder = download_folder(workshop, fetch)
        facts = _read(folder / _FACTS)
        if 0 < facts["segments"] == facts["without_vector"]:
            raise _nothing_embedded(facts)
        before = _facts_of(out, facts)
        folder = shape(folder)
        names = files_of(folder)
        if before is None:
            _refuse_taken(out, names, facts)
        else:
            _remove(out, [name for name in _files_before(out, before) if name not in names])
        # First what tells whose the folder is: a command that was killed behind it can be given again.
        move_into(out, folder, sorted(names, key=lambda name: (name.name != _FACTS, name)))
    return Delivered(len(names), facts)


def _read(path: Path) -> Row:
    facts: Row = json.loads(path.read_text("utf-8"))
    return facts


def _nothing_embedded(facts: Row) -> Failure:
    message = f"None of the {facts['segments']} segments has a vector of {facts['name']}."
    return Failure("nothing_embedded", message, f"earmark {backfill_of(facts)}" if facts["to_backfill"] else "")


def backfill_of(facts: Row) -> str:
    """What embeds those that are exported without a vector."""
    subset = f" --subset {facts['subset']}" if facts["subset"] else ""
    return f"backfill -c {facts['collection']} --encoder {facts['name']}{subset} --wait"


def _facts_of(out: Path, facts: Row) -> Row | None:
    """What the folder says of the vectors in it; None if no export has been there. Raises `other_embeddings`."""
    if not (out / _FACTS).exists():
        return None
    before = _read(out / _FACTS)
    if any(before.get(part) != facts[part] for part in _SAME):
        raise _other(out, " ".join(str(before[part]) for part in _SAME if before.get(part)), facts)
    return before


def _refuse_taken(out: Path, names: list[Path], facts: Row) -> None:
    """Raises `other_embeddings`: vectors of which it is not known whose they are, such as those of `earmark embed`."""
    for name in (*map(Path, _BESIDE), *names):
        if (out / name).exists():
            raise _other(out, str(name), facts)


def _other(out: Path, what: str, facts: Row) -> Failure:
    told = f"{out} holds other embeddings than those of {facts['name']} in {facts['collection']}"
    subset = f", subset {facts['subset']}" if facts["subset"] else ""
    return Failure("other_embeddings", f"{told}{subset}: {what}.", "Name another folder with --out, or empty this one.")


def _files_before(out: Path, before: Row) -> Iterator[Path]:
    """What an export has put there, the list of the others last: as long as it stands, it is known which they are.

    Raises `other_embeddings` where `earmark embed` has replaced the list since.
    """
    if "output_dir" in before and (out / _MAPPING).exists():
        for entry in json.loads((out / _MAPPING).read_text("utf-8")):
            path = Path(entry["embedding_path"])
            if entry["space"] != before["space"] or not path.is_relative_to(before["output_dir"]):
                raise _other(out, str(path), before)
            name = path.relative_to(before["output_dir"])
            if ".." not in name.parts:
                yield name
    yield from map(Path, _BESIDE)


def _remove(out: Path, names: list[Path]) -> None:
    """Files, and the folders that nothing is left in."""
    for name in names:
        (out / name).unlink(missing_ok=True)
        for folder in list(name.parents)[:-1]:  # the last one is `out` itself
            with suppress(OSError):  # not empty, or gone with an earlier file
                (out / folder).rmdir()
