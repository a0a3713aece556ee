"""`earmark cluster` and `earmark clusters`: group the voices of a collection, and see the groups."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.delivery import deliver_file
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Encoder, Limit, Subset, Timeout, Wait
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted

_COLUMNS = ("cluster_id", "segments", "recordings", "speaker", "cohesion", "margin", "stability")
_RESULT = ("generation", "clusters", "noise", "segments")
_COMPARISON = ("method", "clusters", "noise", "segments", "without_vector", "standing", "agreement", "applied")


MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="A method to compare with what stands: auto (which clusters by itself, as without this option), density, "
        "hdbscan, spectral or agglomerative. The clusters stay as they are, unless --apply is given.",
        metavar="M",
    ),
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Let what --method finds take the place of the clusters.", show_default=False)
]

Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE.jsonl", dir_okay=False, help="With --subset: each segment and its cluster."),
]


def cluster(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder = None,
    method: MethodName = None,
    apply: Apply = False,
    subset: Subset = None,
    out: Out = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Cluster the segments of a collection anew; with --method, see first what another method would find.

    With --subset, cluster the segments of its recordings alone, and leave the clusters of the collection as they are.
    """
    compares = (method not in {None, "auto"} and not apply) or subset is not None
    if apply and method is None:
        raise typer.BadParameter("--apply goes with --method")
    if out and subset is None:
        raise typer.BadParameter("--out goes with --subset")
    wanted = {"encoder": encoder, "method": method, "apply": apply, "subset": subset}
    with connect(ctx) as api:
        asked = api.post(api_path("collections", collection, "clusterings"), {k: v for k, v in wanted.items() if v})
        if not (wait or compares):
            show_fields(asked, as_json=as_json)
            return
        path = api_path("clusterings", asked["request_id"])
        with spinner(f"clustering {collection}"):
            done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done failed", timeout, "Clustering")
        if out and done["state"] == "done":
            deliver_file(out, lambda file: file.writelines(_lines(api.rows(f"{path}/segments"))))
    if done["state"] == "failed":
        raise Failure(done["code"], done["reason"])
    if compares and not as_json:
        _show_comparison(done, can_stand=subset is None)
        if done.get("without_vector"):
            part = f" --subset {subset}" if subset else ""
            tell(f"To embed them: earmark backfill -c {collection} --encoder {encoder or 'NAME'}{part} --wait")
    else:
        show_fields({name: done.get(name) for name in (_COMPARISON if compares else _RESULT)}, as_json=as_json)


def _lines(rows: Iterable[Document]) -> Iterator[bytes]:
    return (json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _show_comparison(done: Document, *, can_stand: bool) -> None:
    names = ("clusters", "noise")
    found = {"": done["method"], **{name: done[name] for name in names}, "agreement (ARI)": done["agreement"]}
    rows = [{"": "as they stand", **done["standing"]}, found]
    show_rows(rows, tuple(found), as_json=False)
    apply = ": --apply lets these clusters stand" if can_stand else ""
    without = f"; {done['without_vector']} more have no vector" if done.get("without_vector") else ""
    tell(f"Of {counted(done['segments'], 'segment')}{without}. Nothing was changed{apply}.")


def clusters(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder = None,
    limit: Limit = None,
    as_json: AsJson = False,
) -> None:
    """The clusters of a collection, as its first encoder hears them or the one that is named."""
    filters = {"encoder": encoder} if encoder else {}
    with connect(ctx) as api:
        rows = list(api.rows(api_path("collections", collection, "clusters"), limit=limit, **filters))
    shown = rows if as_json else [{**row, **_trust(row), "speaker": _voices(row)} for row in rows]
    show_rows(shown, _COLUMNS, as_json=as_json, none=f"No clusters yet: earmark cluster -c {collection} --wait")


def _trust(row: Document) -> Document:
    """Of a method that makes nothing to resample from, the stability is 0: it is not known."""
    trust: Document = row["trust"]
    return {**trust, "stability": trust.get("stability") or None}


def _voices(row: Document) -> str | None:
    """The speaker of a cluster; of one that holds several named voices each with its number of segments."""
    if len(row["speakers"]) < 2:
        return str(row["speaker"]) if row["speaker"] else None
    return ", ".join(f"{voice['name']} ({voice['segments']})" for voice in row["speakers"])
