"""From a client's path to an object's key: kept as it is, or refused."""

from typing import Final

from shared.errors import InvalidRequest

_MOST_BYTES: Final = 1024
"""S3's limit for a key."""


class BadObjectKey(InvalidRequest):
    """Use a relative path without empty, `.` or `..` parts; with the collection's name it has 1024 bytes at most."""

    code = "bad_object_key"


def object_key(collection: str, path: str) -> str:
    """The key of a path in a collection; raises BadObjectKey."""
    key = f"{collection}/{path}"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts) or "\x00" in path:
        raise BadObjectKey(f"{path!r} cannot be an object's key.")
    if len(key.encode()) > _MOST_BYTES:
        raise BadObjectKey(f"{path[:80]!r}... is too long for an object's key.")
    return key
