"""The little HTTP door that object stores knock on; it believes nothing and only passes keys on."""

import hmac
import json
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

from services.ingest import hints
from shared.settings import Settings
from shared.telemetry import logger
from shared.units import MIB

log = logger("watch")

_READERS: dict[str, Callable[[Any, str], list[str]]] = {
    "/hints/seaweedfs": hints.from_seaweedfs,
    "/hints/s3": hints.from_s3,
}


def hint_server(settings: Settings, heard: Callable[[list[str]], None]) -> ThreadingHTTPServer:
    """A server, not yet serving, that calls `heard` with the keys of every notification."""

    class Door(BaseHTTPRequestHandler):
        timeout = 10
        protocol_version = "HTTP/1.1"
        readers: ClassVar = _READERS

        def do_POST(self) -> None:
            self._answer(self._take())

        def _take(self) -> HTTPStatus:
            reader = self.readers.get(self.path)
            if reader is None:
                return HTTPStatus.NOT_FOUND
            if not _knows_token(self.headers.get("Authorization", ""), settings):
                return HTTPStatus.UNAUTHORIZED
            given = self.headers.get("Content-Length") or "0"
            if not (given.isascii() and given.isdigit()):
                self.close_connection = True
                return HTTPStatus.BAD_REQUEST
            length = int(given)
            if length > MIB:
                self.close_connection = True
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            try:
                heard(reader(json.loads(self.rfile.read(length)), settings.s3.audio_bucket))
            except (ValueError, RecursionError, hints.UnreadableHint):
                return HTTPStatus.BAD_REQUEST  # nothing is lost: the sweep finds the objects
            return HTTPStatus.OK

        def _answer(self, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Hints are too many to log one by one."""

    server = ThreadingHTTPServer((settings.ingest.watch_host, settings.ingest.watch_port), Door)
    server.daemon_threads = True
    return server


def _knows_token(authorization: str, settings: Settings) -> bool:
    """Whether the header carries the hint token; without a token set, nobody does."""
    token = settings.ingest.hint_token.get_secret_value()
    given = authorization.removeprefix("Bearer ").encode("utf-8", "surrogateescape")
    return bool(token) and hmac.compare_digest(given, token.encode())
