"""Read what object stores say about a bucket: which keys may be new. A hint is never believed, only looked up."""

from typing import Any
from urllib.parse import unquote_plus

from shared.errors import InvalidRequest

_UNFINISHED = ".uploads/"  # where SeaweedFS keeps the parts of uploads that have not completed


class UnreadableHint(InvalidRequest):
    """The notification is not one that SeaweedFS or MinIO sends; nothing is lost, the sweep finds the objects."""

    code = "unreadable_hint"


def from_seaweedfs(body: Any, bucket: str) -> list[str]:
    """Keys named by one SeaweedFS filer webhook; a directory or a deletion names none. Raises UnreadableHint."""
    try:
        path = body["key"]
        entry = body["message"].get("new_entry") or {}
        is_folder = entry.get("is_directory")
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableHint("A SeaweedFS notification has `key` and `message`.") from error
    prefix = f"/buckets/{bucket}/"
    if not isinstance(path, str) or not path.startswith(prefix) or not entry or is_folder:
        return []
    key = path.removeprefix(prefix)
    return [] if key.startswith(_UNFINISHED) else [key]


def from_s3(body: Any, bucket: str) -> list[str]:
    """Keys of created objects in an S3 event, as MinIO's webhook sends it. Raises UnreadableHint.

    Keys come percent-encoded, as in AWS's notification format.
    """
    return [unquote_plus(key) for key in _created(body, bucket)]


def from_stream(note: Any, bucket: str) -> list[str]:
    """Keys of created objects in one note of MinIO's `listen_bucket_notification`, which does not encode them.

    Raises UnreadableHint.
    """
    return _created(note, bucket)


def _created(body: Any, bucket: str) -> list[str]:
    try:
        return [
            _text(record["s3"]["object"]["key"])
            for record in body["Records"] or []
            if record["s3"]["bucket"]["name"] == bucket and ":ObjectCreated:" in f":{record['eventName']}"
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableHint("An S3 notification has `Records`, each with `eventName` and `s3`.") from error


def _text(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError
    return key
