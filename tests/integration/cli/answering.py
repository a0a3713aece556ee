"""What any small HTTP API needs to answer."""

import json
from abc import abstractmethod
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler
from types import MappingProxyType
from typing import Any


class Answering(BaseHTTPRequestHandler):
    """Hands bodies on, and sends what comes of them."""

    protocol_version = "HTTP/1.1"

    @abstractmethod
    def _api(self, body: Any) -> None:
        """Answer one request; the body is JSON, or what a zip packs."""

    def do_GET(self) -> None:
        self._api(None)

    def do_DELETE(self) -> None:
        self._api(None)

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        raw = self.rfile.read(length)
        self._api(raw if raw.startswith(b"PK") else json.loads(raw))

    def do_PATCH(self) -> None:
        self.do_POST()

    def _json(self, document: Any) -> None:
        self._send(200, json.dumps(document).encode(), "application/json")

    def _error(self, status: int, code: str, message: str, remedy: str, retry_after_s: int | None = None) -> None:
        error = {"error": {"code": code, "message": message, "remedy": remedy}}
        headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
        self._send(status, json.dumps(error).encode(), "application/json", headers=headers)

    def _send(
        self,
        status: int,
        body: bytes,
        kind: str,
        announced: int | None = None,
        etag: str = "",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("ETag", f'"{etag}"')
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if announced is None else announced))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return
