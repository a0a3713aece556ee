"""A small HTTP API that keeps to the table of the real one, and the object store beside it; both on loopback."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Callable
from http.server import ThreadingHTTPServer
from itertools import pairwise
from typing import Any, ClassVar
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.integration.cli.answering import Answering
from tests.integration.cli.api_script import Script

TOKEN = "token-of-the-test"
PAUSE = {"kind": "collection", "name": "talk", "paused_at": "2026-11-21T13:00:00Z", "paused_by": "ann"}


class Handler(Answering):
    script: ClassVar[Script]

    def do_PUT(self) -> None:  # noqa: N802  # the name that the library calls
        key = unquote(urlsplit(self.path).path.removeprefix("/s3/"))
        length = self.headers.get("Content-Length")
        body = self.rfile.read(int(length or 0))
        with self.script.lock:
            self.script.put_headers.append(dict(self.headers))
            planned = self.script.behaviour(self.script.put_answers, key)
            status = planned.pop(0) if planned else 200
            if status == 0:  # the line is cut
                self.close_connection = True
                return
            if status == 200:
                self.script.objects[key] = body
        self._send(status, b"", "application/xml", etag=hashlib.md5(body).hexdigest())

    def _api(self, body: Any) -> None:
        url = urlsplit(self.path)
        path = [unquote(part) for part in url.path.split("/")[2:]]
        with self.script.lock:
            if body is not None:
                self.script.bodies.setdefault("/".join(path), []).append(body)
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._error(401, "unauthorized", "No valid token came with the request.", "Send a token.")
            if self.script.holds:
                hold_s = self.script.holds.pop(0)
                return self._error(429, self.script.hold_code, "Too much waits.", "Come back.", retry_after_s=hold_s)
            if self.script.outage_left > 0:
                self.script.outage_left -= 1
                return self._error(503, "unavailable", "Restarting.", "Try again.")
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            return self._route(path, body, query)

    def _route(self, path: list[str], body: Any, query: dict[str, str]) -> None:  # noqa: C901, PLR0912, PLR0915  # a table
        match path:
            case ["collections", "missing", *_]:
                self._error(404, "unknown_collection", "No collection 'missing'.", "Create it.")
            case ["collections", name] if self.command == "PATCH":
                self._json({"name": name, **body})
            case ["collections", name, "uploads"]:
                prefix = f"{self.script.url}/s3/"
                keys = [(given, f"{name}/{given}") for given in body["paths"]]
                uploads = [
                    {"path": given, "object_key": key, "url": f"{prefix}{quote(key)}?sig=1", "etag": self._etag(key)}
                    for given, key in keys
                ]
                self._json({"uploads": uploads})
            case ["collections", _, "uploads", "complete"]:
                self.script.announced += body["object_keys"]
                self._json({})
            case ["collections", _, "objects", "query"]:
                self._json({"items": [self._item(key) for key in body["object_keys"]]})
            case ["collections", _, "imports"]:
                self.script.queries.append(query)
                self._json(self.script.import_report)
            case ["collections", _, "clusterings"]:
                self._json({"request_id": "request-1"})
            case ["clusterings", _]:
                done = {"generation": 3, "clusters": 2, "noise": 1, "segments": 12, **self.script.clustering}
                self._json({"state": self._state("clustering", "requested", "done"), **done})
            case ["clusterings", _, "segments"]:
                self._json({"items": [{"segment_id": "segment-1", "cluster": 0}], "next": None})
            case ["labels"] if len(body["speaker"]) > 200:
                message = (
                    "body.speaker: String should have at most 200 characters; body.segment_ids.0: 'x' is not an id"
                )
                self._error(422, "invalid_request", message, "See /v1/openapi.json.")
            case ["labels"]:
                self._json({"label_id": "label-1", "collection": "c", "speaker": body["speaker"], "segments": 1})
            case ["labels", "label-1"]:
                state = self._state("label", "recorded", "propagated")
                self._json({"label_id": "label-1", "state": state, "segments": 1, "propagated": 7})
            case ["labels", "label-1", "undo"]:
                recorded = {"label_id": "label-2", "collection": "c", "speaker": "Marta", "segments": 1}
                self._json({**recorded, "undone": self.script.undone})
            case ["labels", "label-2"]:
                state = self._state("undo", "recorded", "propagated")
                counts = {"segments": 1, "propagated": 0, "lost": 7, "changed": 8}
                self._json({"label_id": "label-2", "state": state, **counts})
            case ["reviews"]:
                self._json({"review_id": "review-1"})
            case ["reviews", "review-1"]:
                change = {"segment_id": "s1", "before": None, "speaker": "Marta", "assigned_by": "human"}
                review = {"review_id": "review-1", "speaker": "Marta", "failed": None, "changes": [change]}
                self._json({**review, "state": self._state("review", "requested", "ready")})
            case ["reviews", "review-1", "discard"]:
                self._send(204, b"", "application/json")
            case ["collections", name]:
                counts = {"registered": 0, "segmented": 0, "ready": 2, "rejected": 0}
                shown = {"name": name, "segmenter": "vad", "encoders": ["ge2e"], "recordings": counts}
                self._json({**shown, "troubles": self.script.troubles})
            case ["collections", _, "attributes"]:
                self._json({"names": None, "values": self.script.values})
            case ["collections", _, "subsets"] if body is None:
                self._json({"items": self.script.rows["subsets"]})
            case ["collections", _, "subsets"]:
                self._json(self.script.drawn)
            case ["dead", "kinds"]:
                found = self.script.rows["kinds"]
                self._json({"items": found, "n_letters": 9, "n_kinds": 2 + len(found)})
            case ["dead", "requeue" | "drop" as deed] if body.get("code") == "nosuch":
                self._json({{"requeue": "requeued", "drop": "dropped"}[deed]: 0, "next": None})
            case ["dead", "requeue"]:
                self._json({"requeued": 3, "next": "cursor" if "code" in body and "after" not in body else None})
            case ["dead", "drop"]:
                self._json({"dropped": 1, "next": None})
            case ["collections", _, "work"]:
                self.script.polls["work"] += 1
                self._json(self.script.work)
            case ["collections", _, "naming"]:
                self._json({"segments": 3, "named": 2, "speakers": [{"name": "Marta", "segments": 2}]})
            case ["collections", _, "evaluations", "trials"]:
                gone = self.script.missing_files
                rates = {"eer_percent": 1.5, "min_dcf": 0.1, "trials": 2}
                self._json({**rates, "missing": len(gone), "missing_files": gone})
            case ["collections", _, "export", "segments"]:
                self._download(b'{"segment_id":"1"}\n{"segment_id":"2"}\n', "application/x-ndjson")
            case ["collections", _, "export", _]:
                self._download(self._zip(), "application/zip")
            case ["collections", name, "backfills"]:
                asked = {"backfill_id": "backfill-1", "collection": name, "space": "s", "added": name == "new"}
                self._json({**asked, **body})
            case ["backfills", "backfill-1"]:
                state = self._state("backfill", "embedding", self.script.backfill_state)
                self._json({"state": state, "wanted": 9, "done": 9 if state == "done" else 4})
            case ["collections", name, "switches"]:
                self._json({"switch_id": "switch-1", "collection": name, **body, **self._switch("embedding")})
            case ["switches", "switch-1"]:
                own = {"switch_id": "switch-1", "collection": "talk", "encoder": "spectral"}
                self._json({**own, **self._switch(self._state("switch", "embedding", self.script.switch_state))})
            case ["collections", _, "comparisons"]:
                self._json({"comparison_id": "comparison-1"})
            case ["comparisons", "comparison-1"]:
                ended = self._state("comparison", "requested", "failed" if "code" in self.script.comparison else "done")
                self._json({"state": ended, "result": self.script.comparison})
            case ["segments", own, "split"]:
                borders = [0.0, *body["at_s"], 9.0]
                spans = enumerate(pairwise(borders))
                parts = [{"segment_id": f"{own}-{n}", "start_s": start, "end_s": end} for n, (start, end) in spans]
                self._json({"recording_id": "r1", "removed": own, "parts": parts})
            case ["collections", _, "encoders", _] if self.command == "DELETE":
                purged = 7 if query.get("purge") == "true" else 0
                self._json({"encoders": ["ge2e"], "ready": 1, "purged": purged})
            case ["encoders", name, "checks"]:
                self._json({"check_id": f"check-{name}"})
            case ["encoder-checks", _]:
                self._json({"state": "done", "result": self.script.check_result})
            case ["encoders"] if body is not None:
                self._json({"items": [self._encoder(body["name"], "requested")]})
            case ["encoders", _] if self.command == "DELETE":
                self._send(204, b"", "application/json")
            case ["encoders", name]:
                self._json(self._encoder(name, self._state(name, "requested", self.script.encoder_state)))
            case ["encoder-families" | "encoders" as kind]:
                self._json(self.script.rows[kind])
            case ["events"]:
                self.script.queries.append(query)
                self._events()
            case ["not-json"]:
                self._send(200, b"<html>", "text/html")
            case _ if self.command == "GET" and (kind := path[-1]) in self.script.rows:
                self.script.queries.append(query)
                self._page(self.script.rows[kind], query)
            case ["status"]:
                found = {"services": self.script.services, "recordings": {"ready": 1}, "troubles": self.script.troubles}
                waits = {name: self.script.work.get(name, []) for name in ("stages", "waiting", "pauses")}
                missing = self.script.work.get("missing", [])
                self._json({**found, "missing": missing, "backlog": self.script.work["backlog"], **waits})
            case ["pauses"] if body is not None:
                self._json(
                    {**PAUSE, "kind": "stage" if body.get("stage") else "collection", "name": [*body.values()][-1]}
                )
            case ["pauses", "resume"]:
                self._json({"resumed": body.get("stage") != "clusterer", "held_by": self.script.held_by})
            case ["pauses"]:
                self._json([PAUSE])
            case ["collections" | "tokens"] if body is not None:
                self._json({"name": body["name"]})
            case ["tokens"]:
                self._json([{"token_id": "t1", "name": "ann"}])
            case ["tokens", "t1"]:
                self._send(204, b"", "application/json")
            case _:
                self._error(404, "not_found", f"Nothing at {'/'.join(path)}.", "Look elsewhere.")

    def _etag(self, key: str) -> str | None:
        held = self.script.objects.get(key)
        return None if held is None else hashlib.md5(held).hexdigest()

    def _switch(self, state: str) -> dict[str, Any]:
        failed = {"code": "nothing_embedded", "reason": "No vector."} if state == "failed" else {}
        done = {"label_id": "label-9", "before": "ge2e"} if state == "done" else {"label_id": None, "before": None}
        return {"state": state, "wanted": 9, "done": 9, "changed": 3, "code": None, "reason": None, **done, **failed}

    def _encoder(self, name: str, state: str) -> dict[str, Any]:
        found = {"name": name, "state": state, "family": "roberta", "model": "base", "layer": "encoder", "spec": None}
        found |= {"pooling": "mean", "window": None, "frames": None}
        failed = {"code": "unknown_layer", "reason": "m has no layer 'encoder'; it has a, b."}
        return {**found, **(failed if state == "failed" else {"code": None, "reason": None})}

    def _item(self, key: str) -> dict[str, Any]:
        self.script.looks[key] += 1
        content = self.script.objects[key] if self.script.looks[key] >= self.script.looks_until_seen else b"older"
        item = {
            "object_key": key,
            "etag": hashlib.md5(content).hexdigest(),
            "state": "seen",
            "recording_id": None,
            "code": None,
            "reason": None,
            "segments": None,
        }
        if rejection := self.script.behaviour(self.script.rejected, key):
            return {**item, "status": "rejected", "code": rejection[0], "reason": rejection[1]}
        stuck = any(key.endswith(end) for end in self.script.stuck)
        if stuck or self.script.looks[key] < self.script.looks_until_ready or key not in self.script.objects:
            return {**item, "status": "pending", "segments": self.script.behaviour(self.script.stuck, key)}
        return {**item, "status": "ready", "recording_id": f"recording of {key}", "segments": 4}

    def _state(self, what: str, before: str, after: str) -> str:
        self.script.polls[what] += 1
        return after if self.script.polls[what] > 1 else before

    def _page(self, rows: list[dict[str, Any]], query: dict[str, str]) -> None:
        start = int(query.get("after", 0))
        end = start + min(int(query["limit"]), self.script.page_rows)
        self._json({"items": rows[start:end], "next": str(end) if end < len(rows) else None})

    def _zip(self) -> bytes:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in self.script.export_files.items():
                archive.writestr(name, content)
        return packed.getvalue()

    def _download(self, content: bytes, kind: str) -> None:
        announced = len(content) * 2 if self.script.cut_downloads else len(content)
        self._send(200, content, kind, announced)
        self.close_connection = self.script.cut_downloads

    def _events(self) -> None:
        after = int(self.headers.get("Last-Event-ID", 0))
        events = [f'id: {n}\ndata: {{"id": "{n}", "type": "t"}}\n\n' for n in range(after + 1, 4)]
        self._send(200, ("".join(events) + ": idle\n\n").encode(), "text/event-stream")


def serve() -> tuple[Script, Callable[[], None]]:
    """Start a double on a free port; returns its script and what stops it."""
    script = Script()
    handler = type("ScriptedHandler", (Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    script.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return script, stop
