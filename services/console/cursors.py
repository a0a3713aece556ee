"""Cursors that clients hand back as they got them: a place in one listing, sealed so that a made-up one is refused."""

import base64
import binascii
import hashlib
import hmac
import json

from shared.errors import InvalidRequest

_SEAL_BYTES = 16

Place = tuple[str | int, ...]
"""The sort key of the last row that was shown."""


class BadCursor(InvalidRequest):
    """Pass the `next` of the page before, unchanged and to the same listing, or none to begin at the beginning."""

    code = "bad_cursor"


class Cursors:
    """Seals and opens them. Two consoles with the same secret read each other's."""

    def __init__(self, secret: str) -> None:
        self._key = hashlib.sha256(f"earmark cursors:{secret}".encode()).digest()

    def seal(self, listing: str, place: Place) -> str:
        """The cursor of a place in a listing; `listing` names everything that the place depends on."""
        body = json.dumps(place, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._seal(listing, body) + body).decode().rstrip("=")

    def open(self, listing: str, cursor: str) -> Place:
        """Raises BadCursor for a cursor that this listing never gave out."""
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise BadCursor from None
        seal, body = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(listing, body)):
            raise BadCursor
        return tuple(json.loads(body))

    def _seal(self, listing: str, body: bytes) -> bytes:
        digest = hmac.new(self._key, listing.encode() + b"\x00" + body, hashlib.sha256).digest()
        return digest[:_SEAL_BYTES]
