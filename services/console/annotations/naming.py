"""Which recording an annotation file means: by object key, by the end of a path, by the stem of an export."""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, unquote
from uuid import UUID

from services.console.stems import unique_stems

N_PARTS: Final = 3
"""More of a path than its last three parts says where a corpus lies, not what it is."""

_ADDRESS: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/]*/", re.IGNORECASE)
"""Up to the path."""
_UPLOADED: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts in front of the name of an uploaded file."""

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A recording and the object key that it goes by."""

    recording_id: UUID
    object_key: str


class Recordings:
    """The recordings of a collection, by everything that an annotation file may call them."""

    def __init__(self, collection: str, object_keys: Mapping[str, UUID]) -> None:
        self._object_keys = {_plain(key): Found(recording_id, key) for key, recording_id in object_keys.items()}
        self._stems = {_plain(stem): _plain(key) for key, stem in unique_stems(object_keys).items()}
        self._collection = collection
        self._by_end: defaultdict[str, list[tuple[Parts, Found]]] = defaultdict(list)
        for key, found in self._object_keys.items():
            for parts in _with_and_without_extension(_parts(key)):
                self._by_end[parts[-1]].append((parts, found))

    def find(self, name: str) -> list[Found]:
        """One, or none if nobody is known by the name, or several if it does not say which.

        In this order: the object key, with or without the collection in front; the name that `export` gives the
        recording; and the key that shares the most of the end of the path, which must be all of the name, all of the
        key, or three parts. Extensions count only where they decide.
        """
        for path in _paths(name):
            for key in (path, f"{self._collection}/{path}", self._stems.get(path, "")):
                if found := self._object_keys.get(key):
                    return [found]
            if close := self._closest(path):
                return close
        return []

    def _closest(self, path: str) -> list[Found]:
        best: dict[Found, tuple[int, bool]] = {}
        name = _parts(path)
        for wanted in _with_and_without_extension(name):
            for parts, found in self._by_end.get(wanted[-1], ()):
                n_shared = _shared(wanted, parts)
                # The collection's name is the first part of a key and need not be in the annotations.
                if n_shared >= min(N_PARTS, len(wanted), len(parts) - 1):
                    same_extension = wanted == name and parts == _parts(_plain(found.object_key))
                    best[found] = max(best.get(found, (0, False)), (n_shared, same_extension))
        most = max(best.values(), default=None)
        return [found for found, likeness in best.items() if likeness == most]


def _parts(path: str) -> Parts:
    return tuple(part for part in path.split("/") if part not in {"", "."})


def _with_and_without_extension(parts: Parts) -> Iterator[Parts]:
    if parts:
        yield parts
        stem, dot, _ = parts[-1].rpartition(".")
        if stem and dot:
            yield (*parts[:-1], stem)


def _shared(one: Parts, other: Parts) -> int:
    n_shared = 0
    for mine, yours in zip(reversed(one), reversed(other), strict=False):
        if mine != yours:
            break
        n_shared += 1
    return n_shared


def _paths(name: str) -> Iterable[str]:
    """What an address, or a path of any system, may stand for."""
    for path in _unquoted(name):
        plain = _plain(path.replace("\\", "/")).lstrip("/")
        yield plain.removeprefix("./")
        folder, slash, last = plain.rpartition("/")
        if _UPLOADED.match(last):
            yield folder + slash + _UPLOADED.sub("", last, count=1)


def _unquoted(name: str) -> list[str]:
    """Not by urllib: it raises for some of what people call files."""
    address = _ADDRESS.match(name)
    if not address and not name.startswith("/data/"):
        return [name]
    whole = name[address.end() :] if address else name
    path, _, query = whole.partition("?")
    paths = [unquote(path.partition("#")[0]), *parse_qs(query).get("d", ())]
    return [whole, *paths] if name.startswith("s3:") else paths  # a key may hold ? and #, and is not quoted


def _plain(text: str) -> str:
    """MacOS writes accents as characters of their own."""
    return unicodedata.normalize("NFC", text)
