"""`earmark ingest`: files go up into a collection, and are followed until they are ready or rejected."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from services.launcher.cli.client import Document
from services.launcher.cli.failure import FAILED, REJECTED_INPUTS, Failure
from services.launcher.cli.options import (
    TABLE_ROWS,
    WAIT_S,
    AsJson,
    Collection,
    Encoders,
    Segmenter,
    Speakers,
    Timeout,
    Wait,
    settings_body,
)
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.pipeline import Ingest, Outcome
from services.launcher.cli.progress import IngestBars
from services.launcher.cli.session import connect
from services.launcher.cli.sources import Choice, Sources, find_sources
from services.launcher.cli.stranded import dropped, why_pending
from services.launcher.cli.troubles import tell_encoders, work_of
from shared.wording import counted

Paths = Annotated[list[Path], typer.Argument(metavar="PATH...", exists=True, help="Files or folders.")]
Include = Annotated[
    list[str] | None,
    typer.Option(
        "--include",
        help="Only what matches, such as '*.wav' or 'day1/*'; may be given more than once. Without it, files of a "
        "folder that end like notes and annotations (.txt, .json, .csv, .rttm, ...) stay where they are.",
        metavar="GLOB",
    ),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Not what matches; may be given more than once.", metavar="GLOB"),
]
_SKIPPED_SHOWN = 5


def ingest(
    ctx: typer.Context,
    paths: Paths,
    *,
    collection: Collection,
    segmenter: Segmenter = None,
    encoder: Encoders = None,
    speakers: Speakers = None,
    include: Include = None,
    exclude: Exclude = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Upload files or folders into a collection."""
    begun_s = time.monotonic()
    sources = find_sources(paths, collection, Choice(tuple(include or ()), tuple(exclude or ())))
    _tell_left_out(sources)
    if not sources.fit and not sources.unfit:
        raise Failure("nothing_to_upload", "There is no file to upload.", "Name recordings, or folders of them.")
    with connect(ctx) as api, _bars(sources, wait=wait) as bars:
        files = Ingest(api, collection, settings_body(segmenter, encoder, speakers), bars)
        files.upload(sources)
        if encoder and sources.fit:
            tell_encoders(api, collection)
        if wait:
            files.follow(timeout)
        pending = any(outcome.status == "pending" for outcome in files.outcomes)
        work = work_of(api, collection) if pending else None
        lost = dropped(api, collection, files.stranded, work) if work else None
        known = tuple(why_pending(files.stranded, work, lost)) if work else ()
    outcomes = files.outcomes
    if work and lost:
        work, outcomes = work | lost.document(), lost.explained(outcomes)
    _report(outcomes, work, time.monotonic() - begun_s, as_json=as_json)
    if files.replaced:
        tell(f"{counted(len(files.replaced), 'file')} replaced another of that name ({_some(files.replaced)}).")
        tell("What was said of those is kept, and is there again when the same bytes come under another name.")
    for sentence in known:
        tell(sentence)
    if status := _exit_status(outcomes):
        raise typer.Exit(status)


def _bars(sources: Sources, *, wait: bool) -> IngestBars:
    return IngestBars(sum(source.size_bytes for source in sources.fit), len(sources.fit), waits=wait)


def _report(outcomes: Sequence[Outcome], work: Document | None, took_s: float, *, as_json: bool) -> None:
    """`work`: what is left of it, if some files are pending."""
    if as_json:
        left = {} if work is None else {"work": work}
        print_document({"files": [asdict(outcome) for outcome in outcomes], **left, "seconds": round(took_s, 3)})
        return
    troubled = [asdict(outcome) for outcome in outcomes if outcome.reason]
    if troubled:
        show_rows(troubled[:TABLE_ROWS], ("object_key", "status", "reason"), as_json=False)
    counts = Counter(outcome.status for outcome in outcomes)
    say(f"{', '.join(f'{n} {status}' for status, n in sorted(counts.items()))} in {took_s:.1f} s")


def _exit_status(outcomes: Sequence[Outcome]) -> int:
    statuses = {outcome.status for outcome in outcomes}
    if statuses & {"failed", "pending"}:
        return FAILED
    return REJECTED_INPUTS if "rejected" in statuses else 0


def _tell_left_out(sources: Sources) -> None:
    """Before any byte goes up."""
    if sources.skipped:
        tell(f"Skipped as hidden or special ({len(sources.skipped)}): {_some(map(str, sources.skipped))}")
    if sources.sidecars:
        endings = sorted({path.suffix.lower() for path in sources.sidecars})
        tell(f"Skipped {counted(len(sources.sidecars), 'file')} as no audio by name ({_some(endings)})")
    for unfit in sources.unfit[:_SKIPPED_SHOWN]:
        tell(f"{unfit.path} cannot go up ({unfit.code}): {unfit.reason}")
    if n_more := len(sources.unfit[_SKIPPED_SHOWN:]):
        tell(f"So cannot {counted(n_more, 'more file')}")


def _some(names: Iterable[str]) -> str:
    first = list(islice(names, _SKIPPED_SHOWN + 1))
    return ", ".join(first[:_SKIPPED_SHOWN]) + (", ..." if len(first) > _SKIPPED_SHOWN else "")
