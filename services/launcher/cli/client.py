"""Speak the HTTP API: paths, pages, errors. Knows nothing of commands and prints nothing."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, Self, TypeVar
from urllib.parse import quote, urlsplit

from services.launcher.cli.failure import ADDRESS_REMEDY, Failure, nobody_at

if TYPE_CHECKING:
    import httpx

Document = dict[str, Any]
"""A JSON object of the API; what a command computes with is parsed into a dataclass of its own."""

Parameters = Mapping[str, object]
"""Of a query; those that are None are left out."""

T = TypeVar("T")
PAGE_ROWS = 1000
_CONNECT_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 60.0
_EXPORT_TIMEOUT_S = 600.0  # an archive is written as a whole before its first byte is sent
_BUSY_PATIENCE_S = 10.0
_TOO_MANY = 429
_PASSING_STATUSES = frozenset({_TOO_MANY, 502, 503, 504})
_RETRY_PAUSE_S = 0.5
_DOWNLOAD_CHUNK_BYTES = 1 << 20


def api_path(*parts: str) -> str:
    """`/v1/...`, each part quoted as a whole: a name with a slash in it stays one part."""
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


class Client:
    """An open line to one API. Every method raises Failure, and nothing else, when the call does not succeed."""

    def __init__(
        self,
        url: str,
        token: str | None,
        told: Callable[[Failure], Failure] = lambda failure: failure,
        on_hold: Callable[[Failure, float], None] = lambda _failure, _pause_s: None,
        hold_s: float = inf,
    ) -> None:
        """`told`: how the caller is told what the API refuses; `on_hold`: and that a call waits for so many seconds.

        A call that is sent away for now comes back whenever it is told to, for `hold_s` at most.
        """
        import httpx

        self.url = url.rstrip("/")
        self._told = told
        self._on_hold = on_hold
        self._hold_s = hold_s
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=not is_loopback(self.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, parameters: Parameters = MappingProxyType({}), *, patience_s: float = 0.0) -> Document:
        """The answer to a GET."""
        return _object(self._call("GET", path, params=_given(parameters), patience_s=patience_s))

    def post(
        self,
        path: str,
        body: Document,
        *,
        patience_s: float = 0.0,
        timeout_s: float = _READ_TIMEOUT_S,
        key: str | None = None,
    ) -> Document:
        """The answer to a POST; with patience only where doing it twice does no harm, as with an idempotency `key`."""
        headers = {"Idempotency-Key": key} if key else {}
        return _object(self._call("POST", path, json=body, headers=headers, timeout=timeout_s, patience_s=patience_s))

    def put(self, path: str, body: Document, *, patience_s: float = 0.0) -> Document:
        """The answer to a PUT, which may be repeated."""
        return _object(self._call("PUT", path, json=body, patience_s=patience_s))

    def patch(self, path: str, body: Document) -> Document:
        """The answer to a PATCH."""
        return _object(self._call("PATCH", path, json=body))

    def send(
        self, path: str, content: bytes, parameters: Parameters = MappingProxyType({}), *, timeout_s: float
    ) -> Document:
        """The answer to a POST of a file; waits for its turn while the API is busy."""
        options: dict[str, Any] = {"content": content, "params": _given(parameters), "timeout": timeout_s}
        return self._patiently(lambda: _object(self._call("POST", path, **options)), _BUSY_PATIENCE_S, _is_busy)

    def delete(self, path: str, parameters: Parameters = MappingProxyType({})) -> Document:
        """The answer to a DELETE; empty where there is none."""
        answer = self._call("DELETE", path, params=_given(parameters))
        return _object(answer) if answer.content else {}

    def items(self, path: str, parameters: Parameters = MappingProxyType({})) -> list[Document]:
        """A list that comes whole: as such, or as the `items` of an object."""
        answer = self._call("GET", path, params=_given(parameters))
        found = _json(answer)
        if isinstance(found, list):
            return found
        items: list[Document] = _object(answer).get("items", [])
        return items

    def rows(self, path: str, *, limit: int | None = None, **filters: object) -> Iterator[Document]:
        """The items of a list, page after page, `limit` of them at most; a filter may be a list of several."""
        after, left = None, limit
        while left is None or left > 0:
            page_rows = PAGE_ROWS if left is None else min(left, PAGE_ROWS)
            page = self.get(path, {"after": after, "limit": page_rows, **filters})
            items = page.get("items", [])
            yield from items if left is None else items[:left]
            after, left = page.get("next"), None if left is None else left - len(items)
            if after is None:
                return

    def download(self, path: str, into: BinaryIO, parameters: Parameters = MappingProxyType({})) -> None:
        """Write the body of a GET into a file, from its beginning; waits for its turn while the API is busy."""
        self._patiently(lambda: self._download(path, into, parameters), _BUSY_PATIENCE_S, _is_busy)

    def _download(self, path: str, into: BinaryIO, parameters: Parameters) -> None:
        into.seek(0)
        into.truncate()
        timeout = self._timeout(_EXPORT_TIMEOUT_S)
        with self._talking(), self._http.stream("GET", path, params=_given(parameters), timeout=timeout) as answer:
            if answer.is_error:
                answer.read()
                raise self._told(_refusal(answer))
            into.writelines(answer.iter_bytes(_DOWNLOAD_CHUNK_BYTES))

    def lines(
        self, path: str, parameters: Parameters, headers: Mapping[str, str], quiet_s: float | None
    ) -> Iterator[str]:
        """The lines of an endless answer, until the server ends it or nothing has come for `quiet_s`."""
        import httpx

        options: dict[str, Any] = {"params": _given(parameters), "headers": dict(headers)}
        with (
            self._talking(),
            self._http.stream("GET", path, timeout=self._timeout(quiet_s), **options) as answer,
        ):
            if answer.is_error:
                answer.read()
                raise self._told(_refusal(answer))
            with suppress(httpx.ReadTimeout):
                yield from answer.iter_lines()

    def _call(
        self, method: str, path: str, *, timeout: float = _READ_TIMEOUT_S, patience_s: float = 0.0, **options: Any
    ) -> "httpx.Response":
        def once() -> "httpx.Response":
            with self._talking():
                answer = self._http.request(method, path, timeout=self._timeout(timeout), **options)
            if answer.is_error:
                raise self._told(_refusal(answer))
            return answer

        return self._patiently(once, patience_s, _is_away)

    def _patiently(self, call: Callable[[], T], patience_s: float, passes: Callable[[Failure], bool]) -> T:
        """Call again and again while the failure is of a kind that passes, for so long at most.

        A call that was sent away for now has changed nothing, and comes back when it is told to.
        """
        began_s = since_s = time.monotonic()
        while True:
            try:
                return call()
            except Failure as failure:
                held = _is_sent_away(failure)
                if not (held or passes(failure)):
                    raise
                pause_s = failure.retry_after_s or _RETRY_PAUSE_S if held else _RETRY_PAUSE_S
                waits_s = time.monotonic() + pause_s - (began_s if held else since_s)
                if waits_s > (self._hold_s if held else patience_s):
                    raise
                if held:
                    self._on_hold(failure, pause_s)
                time.sleep(pause_s)
                if held:
                    since_s = time.monotonic()  # whoever says "not now" is there: no patience was spent on them

    def _timeout(self, read_s: float | None) -> "httpx.Timeout":
        import httpx

        return httpx.Timeout(read_s, connect=_CONNECT_TIMEOUT_S)

    @contextmanager
    def _talking(self) -> Iterator[None]:
        import httpx

        try:
            yield
        except httpx.ConnectError as error:
            if is_loopback(self.url):
                raise nobody_at(self.url) from error
            raise self._no_answer(error) from error
        except httpx.HTTPError as error:
            raise self._no_answer(error) from error
        except httpx.InvalidURL as error:
            raise Failure("bad_url", f"{self.url!r} is no address of an API: {error}.", ADDRESS_REMEDY) from error

    def _no_answer(self, error: "httpx.HTTPError") -> Failure:
        reason = str(error) or type(error).__name__
        return Failure("no_answer", f"{self.url} does not answer: {reason}.", ADDRESS_REMEDY)


def is_loopback(url: str) -> bool:
    """Whether the address is on this machine: a proxy from the environment does not lead there."""
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _is_sent_away(failure: Failure) -> bool:
    """Whether the API has said when to come back; a 429 of anybody before it tells no time."""
    return failure.status == _TOO_MANY and failure.retry_after_s is not None


def _is_busy(failure: Failure) -> bool:
    return failure.status in _PASSING_STATUSES


def _is_away(failure: Failure) -> bool:
    return failure.code in {"not_running", "no_answer"} or _is_busy(failure)


def _given(parameters: Parameters) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _json(answer: "httpx.Response") -> object:
    try:
        return answer.json() if answer.content else {}
    except ValueError as error:
        raise _stranger(answer) from error


def _object(answer: "httpx.Response") -> Document:
    document = _json(answer)
    if not isinstance(document, dict):
        raise _stranger(answer)
    return document


def _refusal(answer: "httpx.Response") -> Failure:
    """The error that the API put into its answer; something sensible if what answered is not the API."""
    try:
        error = answer.json()["error"]
        return Failure(
            error["code"],
            error["message"],
            error.get("remedy") or "",
            status=answer.status_code,
            retry_after_s=_seconds(answer.headers.get("Retry-After")),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    try:
        detail = json.dumps(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return _stranger(answer)
    return Failure("failed", f"HTTP {answer.status_code}: {detail}.", status=answer.status_code)


def _seconds(header: str | None) -> float | None:
    """Of `Retry-After`; its other form, a date, is none of ours."""
    return float(header) if header and header.isdecimal() else None


def _stranger(answer: "httpx.Response") -> Failure:
    message = f"What answers at {answer.url.host}:{answer.url.port} is not Earmark's API (HTTP {answer.status_code})."
    return Failure("not_earmark", message, ADDRESS_REMEDY, status=answer.status_code)
