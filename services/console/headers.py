"""What every answer carries, and one log line for it: without query, cookies or tokens."""

from time import monotonic
from typing import Final
from uuid import UUID

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.console.calls import Call, attach, route_of
from services.console.errors import crashed
from shared import metrics
from shared.ids import new_id
from shared.telemetry import bound, logger

log = logger("console")

CORRELATION_HEADER: Final = "X-Correlation-Id"
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_OTHER: Final = "other"

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ONLY_HTTPS: Final = "max-age=31536000"  # of this host alone: what else runs under its domain is not ours to decide
_HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the page is opened with a token in its address, once
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class SafeHeaders:
    """ASGI middleware around everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers on the way back, also to the answer about a fault of ours."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, call = monotonic(), 0, Call(_asked_for(scope) or new_id())
        attach(scope, call)

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                headers = MutableHeaders(scope=message)
                headers.update(_HEADERS)
                headers.setdefault("Cache-Control", "no-store")
                headers[CORRELATION_HEADER] = str(call.call_id)
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _ONLY_HTTPS
            await send(message)

        with bound(correlation_id=str(call.call_id)):
            try:
                await self._app(scope, receive, with_headers)
            except Exception:
                log.exception("request_crashed", route=route_of(scope), method=scope["method"])
                if status:
                    raise  # the server breaks off an answer that has begun: it must not look whole
                await crashed()(scope, receive, with_headers)
            finally:
                took_s = monotonic() - began
                log.info("request", method=scope["method"], path=_place(scope), status=status, took_s=round(took_s, 4))
                _measure(scope, status, took_s)


def _asked_for(scope: Scope) -> UUID | None:
    """A caller may name the chain that the call begins; what is no id is not heard."""
    return _id(Headers(scope=scope).get(CORRELATION_HEADER, ""))


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _place(scope: Scope) -> str:
    """The address with its ids; names, keys and whatever else somebody may have written there stay out of logs."""
    place = route_of(scope)
    for name, value in scope.get("path_params", {}).items():
        if name == "collection" or _id(str(value)):
            place = place.replace(f"{{{name}}}", str(value))
    return place or _OTHER


def _measure(scope: Scope, status: int, took_s: float) -> None:
    """By template, never by address; what anybody may invent counts as `other`."""
    route = route_of(scope) or _OTHER
    method = scope["method"] if scope["method"] in _METHODS else _OTHER
    metrics.count("earmark_http_requests_total", method=method, route=route, status=str(status))
    metrics.observe("earmark_http_request_seconds", took_s, route=route)
