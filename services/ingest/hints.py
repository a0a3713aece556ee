"""Read what object stores say about a bucket: which keys may be new. A hint is never believed, only looked up."""

from collections.abc import Iterator
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
        entry = body["message"].get("new_entry") or body["message"].get("newEntry")
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableHint("A SeaweedFS notification has `key` and `message`.") from error
    prefix = f"/buckets/{bucket}/"
    if not isinstance(path, str) or not path.startswith(prefix) or not entry:
        return []
    key = path.removeprefix(prefix)
    return [] if key.startswith(_UNFINISHED) else [key]


def from_s3(body: Any, bucket: str) -> list[str]:
    """Keys of created objects in an S3 event (MinIO's webhook and listen_bucket_notification). Raises UnreadableHint.

    Keys come percent-encoded, as in AWS's notification format.
    """
    try:
        return list(_created(body["Records"] or [], bucket))
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableHint("An S3 notification has `Records`, each with `eventName` and `s3`.") from error


def _created(records: list[dict[str, Any]], bucket: str) -> Iterator[str]:
    for record in records:
        if record["s3"]["bucket"]["name"] == bucket and ":ObjectCreated:" in f":{record['eventName']}":
            yield unquote_plus(record["s3"]["object"]["key"])
