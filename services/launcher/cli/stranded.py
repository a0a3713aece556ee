"""Why files are pending when the waiting ends, and what starts those anew that nothing is left to do for."""

from collections.abc import Iterator, Sequence

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.pipeline import Outcome
from services.launcher.cli.troubles import reasons
from services.launcher.cli.waiting import PATIENCE_S
from shared.wording import counted


def why_pending(api: Client, collection: str, stranded: Sequence[Outcome], work: Document) -> Iterator[str]:
    """Sentences; `stranded` are the files that no work is left for, `work` is what is left of the whole collection."""
    nothing_more = f"Nothing more happens to {counted(len(stranded), 'file')}"
    if not stranded:
        yield from reasons(work)
    elif work["backlog"]["dead"]:
        yield f"{nothing_more}: work was given up."
        yield from reasons(work)
    else:
        yield f"{nothing_more}: the work was dropped (earmark dead drop)."
        yield from _starting_anew(api, collection, stranded)


def _starting_anew(api: Client, collection: str, dropped: Sequence[Outcome]) -> Iterator[str]:
    """What makes the dropped work be done after all: what is cut into segments already is not cut again."""
    option = f"-c {collection}"
    n_cut = sum(outcome.segments is not None for outcome in dropped)
    if n_uncut := len(dropped) - n_cut:
        uncut = counted(n_uncut, "file")
        yield f"Not cut yet ({uncut}); putting it again starts it anew: earmark ingest PATH... {option}"
    if n_cut:
        encoders = api.get(api_path("collections", collection), patience_s=PATIENCE_S)["encoders"]
        backfills = " and ".join(f"earmark backfill {option} --encoder {encoder}" for encoder in encoders)
        yield f"Not embedded yet ({counted(n_cut, 'file')}): {backfills}"
