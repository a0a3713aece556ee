"""Show the whole way of a label: three recordings go in by a plain S3 upload, one segment gets a name, and it spreads.

Starts an own stack in EARMARK_DATA_DIR, or in the folder .demo, and stops it at the end: with DEMO_EXIT=1 by itself,
else at Ctrl-C. Each run on the same data takes a fresh collection: demo, demo-2, demo-3 and so on.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from minio import Minio
from rich.console import Console
from rich.live import Live

from demo.tables import before_and_after, progress
from services.launcher import stack
from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.stack import page_address
from services.launcher.cli.waiting import rounds, wait_for_state
from services.launcher.stack import StackState
from services.launcher.stack.errors import Unreachable
from shared.errors import EarmarkError

HERE = Path(__file__).resolve().parent
BUCKET = "audio"
SPEAKER = "Marta"
FIRST_FILE = "bridge.flac"  # Marta speaks first in it
ROOTS_DATA_DIR = Path("/var/lib/earmark-demo")
TIMEOUT_S = 300.0

out = Console(width=None if sys.stdout.isatty() else 120, highlight=False)


class DemoFailed(Exception):
    """The demo did not show what it is there to show."""


def main() -> int:
    """Exit status: 0 when the label has spread, 1 when anything went wrong."""
    try:
        with running_stack() as (state, is_ours):
            show(state)
            out.print(f"\nThe web page: [link]{page_address(state.url, state.token)}[/link]")
            if is_ours and os.environ.get("DEMO_EXIT") != "1":
                out.print("Press Ctrl-C to stop.")
                stack.foreground(state)
    except DemoFailed as failure:
        complain(str(failure))
    except Failure as failure:
        complain(f"{failure.message} {failure.remedy}")
    except EarmarkError as error:
        complain(error.sentence())
    except KeyboardInterrupt:
        out.print("Stopped.")
    else:
        return 0
    return 1


@contextmanager
def running_stack() -> Iterator[tuple[StackState, bool]]:
    """The stack of the demo's data directory, and whether it is ours to stop."""
    data_dir = Path(os.environ.get("EARMARK_DATA_DIR") or HERE.parent / ".demo")
    if standing := stack.running(data_dir):
        out.print(f"The stack in {data_dir} runs already; it stays as it is.")
        yield standing, False
        return
    state = start(data_dir)
    try:
        yield state, True
    finally:
        out.print("Stopping the stack.", style="dim")
        stack.down(state.data_dir)


def start(data_dir: Path) -> StackState:
    """Start it; for root, whose folders Postgres often cannot enter, in a place of its own if need be."""
    begun_s = time.monotonic()
    try:
        state = stack.up(data_dir, on_progress=tell)
    except Unreachable as error:
        if "EARMARK_DATA_DIR" in os.environ:
            raise
        tell(f"{error.detail} Taking {ROOTS_DATA_DIR} instead.")
        state = stack.running(ROOTS_DATA_DIR) or stack.up(ROOTS_DATA_DIR, on_progress=tell)
    out.print(f"The stack is up after {time.monotonic() - begun_s:.1f} s.")
    return state


def complain(message: str) -> None:
    """Why it failed."""
    out.print(f"The demo failed: {message}", style="red", markup=False)


def tell(message: str) -> None:
    """Progress, in passing."""
    out.print(message, style="dim", markup=False)


def show(state: StackState) -> None:
    """Upload, wait, cluster, label; raises DemoFailed if the label has not spread."""
    with Client(state.url, state.token) as api:
        collection = free_collection(api)
        keys = upload(state, collection)
        wait_until_ready(api, collection, keys)
        found = cluster(api, collection)
        out.print(f"{found['segments']} segments in {found['clusters']} clusters, {found['noise']} in none.")
        before = segments(api, collection)
        chosen = first_segment(before, f"{collection}/{FIRST_FILE}")
        tell(f"earmark label --segment {chosen['segment_id']} {SPEAKER}")
        label(api, chosen)
        after = segments(api, collection)
        out.print(before_and_after(before, after, chosen["segment_id"], collection))
        check(after, keys)


def free_collection(api: Client) -> str:
    """The first of demo, demo-2, demo-3, ... that no earlier run has used."""
    taken = {item["name"] for item in api.items(api_path("collections"))}
    return next(name for n in count(1) if (name := "demo" if n == 1 else f"demo-{n}") not in taken)


def upload(state: StackState, collection: str) -> list[str]:
    """Put the recordings into the bucket as any S3 client would: Earmark's API has no part in it."""
    address = urlsplit(state.s3_endpoint)
    store = Minio(
        address.netloc,
        access_key=state.s3_access_key,
        secret_key=state.s3_secret_key,
        secure=address.scheme == "https",
        region="us-east-1",
    )
    keys = []
    for file in sorted((HERE / "audio").glob("*.flac")):
        key = f"{collection}/{file.name}"
        store.fput_object(BUCKET, key, str(file))
        tell(f"PUT s3://{BUCKET}/{key}")
        keys.append(key)
    return keys


def wait_until_ready(api: Client, collection: str, keys: list[str]) -> None:
    """Watch the recordings go through the pipeline."""
    begun_s = time.monotonic()
    with Live(console=out, auto_refresh=False, transient=not sys.stdout.isatty()) as live:
        for _ in rounds(TIMEOUT_S):
            items = look(api, collection, keys)
            live.update(progress(items), refresh=sys.stdout.isatty())
            if all(item["status"] != "pending" for item in items):
                break
    for item in items:
        if item["status"] != "ready":
            raise DemoFailed(f"{item['object_key']} is {item['status']} after {TIMEOUT_S:.0f} s: {item['reason']}")
    out.print(f"Ready after {time.monotonic() - begun_s:.1f} s.")


def look(api: Client, collection: str, keys: list[str]) -> list[Document]:
    """How each object stands; nobody has created the collection: its first object does."""
    try:
        items: list[Document] = api.post(
            api_path("collections", collection, "objects", "query"), {"object_keys": keys}, patience_s=10
        )["items"]
    except Failure as failure:
        if failure.status != 404:
            raise
        return [{"object_key": key, "status": "pending", "state": None, "segments": None} for key in keys]
    return items


def cluster(api: Client, collection: str) -> Document:
    """Group the voices."""
    request_id = api.post(api_path("collections", collection, "clusterings"), {})["request_id"]
    path = api_path("clusterings", request_id)
    return wait_for_state(lambda: api.get(path), "done", TIMEOUT_S, "Clustering")


def label(api: Client, segment: Document) -> None:
    """Name one segment and wait until the name has spread."""
    body = {"segment_id": segment["segment_id"], "speaker": SPEAKER}
    path = api_path("labels", api.post(api_path("labels"), body)["label_id"])
    wait_for_state(lambda: api.get(path), "propagated", TIMEOUT_S, "Spreading the label")


def segments(api: Client, collection: str) -> list[Document]:
    """All of them, by file and time."""
    rows = list(api.rows(api_path("collections", collection, "segments")))
    return sorted(rows, key=lambda row: (row["object_key"], row["start_s"]))


def first_segment(rows: list[Document], object_key: str) -> Document:
    """The first one of a file."""
    return next(row for row in rows if row["object_key"] == object_key)


def check(rows: list[Document], keys: list[str]) -> None:
    """The name must have come to every file, and not to every segment."""
    named = [row for row in rows if row["speaker"] == SPEAKER]
    reached = {row["object_key"] for row in named}
    if missed := sorted(set(keys) - reached):
        raise DemoFailed(f"the name {SPEAKER} did not spread to {', '.join(missed)}.")
    if len(named) == len(rows):
        raise DemoFailed(f"the name {SPEAKER} spread to every segment, those of other voices included.")
    out.print(f"One label, {len(named)} segments of {SPEAKER} in {len(reached)} files.", style="bold")


if __name__ == "__main__":
    sys.exit(main())
