"""How the double of the API behaves in one test, and what it has seen."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Script:
    """How the double behaves, and what it has seen."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    rejected: dict[str, tuple[str, str]] = field(default_factory=dict)  # by the end of the key: code, sentence
    stuck: dict[str, int | None] = field(default_factory=dict)  # ends of keys that stay pending: their segments
    put_answers: dict[str, list[int]] = field(default_factory=dict)  # by the end of the key: statuses before 200
    looks_until_ready: int = 2
    looks_until_seen: int = 1  # so long the API still speaks of an older object
    looks: Counter[str] = field(default_factory=Counter)
    announced: list[str] = field(default_factory=list)
    put_headers: list[dict[str, str]] = field(default_factory=list)
    bodies: dict[str, list[Any]] = field(default_factory=dict)  # what came with each POST, by path
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    page_rows: int = 1000
    polls: Counter[str] = field(default_factory=Counter)
    outage_left: int = 0  # so many more requests are answered 503
    holds: list[int | None] = field(default_factory=list)  # the next requests are answered 429: the seconds, if any
    hold_code: str = "overloaded"
    cut_downloads: bool = False
    import_report: dict[str, Any] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)  # of imports, listings and events
    troubles: list[dict[str, Any]] = field(default_factory=list)  # of a collection's encoders
    work: dict[str, Any] = field(
        default_factory=lambda: {"backlog": {"leased": 1, "dead": 0}, "faults": [], "pauses": []}
    )
    held_by: list[dict[str, Any]] = field(default_factory=list)  # what rests after a resume all the same
    services: dict[str, Any] = field(
        default_factory=lambda: {"relay": {"state": "seen", "instances": 1, "seen_s_ago": 0.4}}
    )
    clustering: dict[str, Any] = field(default_factory=dict)  # what a clustering tells beside its numbers
    undone: dict[str, Any] = field(default_factory=dict)
    export_files: dict[str, bytes] = field(default_factory=dict)
    encoder_state: str = "ready"  # what becomes of encoders that are added
    check_result: dict[str, Any] = field(default_factory=dict)
    backfill_state: str = "done"  # what becomes of a backfill
    values: list[dict[str, Any]] = field(default_factory=list)  # of any attribute
    drawn: dict[str, Any] = field(default_factory=dict)  # what came of a subset
    switch_state: str = "done"  # what becomes of a switch
    comparison: dict[str, Any] = field(default_factory=dict)
    missing_files: list[str] = field(default_factory=list)  # of a list of trials
    lock: threading.Lock = field(default_factory=threading.Lock)

    def behaviour(self, table: dict[str, Any], key: str) -> Any:
        return next((value for end, value in table.items() if key.endswith(end)), None)
