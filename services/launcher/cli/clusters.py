"""`earmark cluster` and `earmark clusters`: group the voices of a collection, and see the groups."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Encoder, Limit, Timeout, Wait
from services.launcher.cli.output import show_fields, show_rows
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state

_COLUMNS = ("cluster_id", "segments", "recordings", "speaker", "cohesion", "margin", "stability")
_RESULT = ("generation", "clusters", "noise", "segments")


MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="To compare with: density, hdbscan, spectral or agglomerative. The default needs no parameter.",
        metavar="M",
    ),
]


def cluster(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder = None,
    method: MethodName = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Cluster the segments of a collection anew."""
    body: Document = {k: v for k, v in {"encoder": encoder, "method": method}.items() if v}
    with connect(ctx) as api:
        result = api.post(api_path("collections", collection, "clusterings"), body)
        if wait:
            path = api_path("clusterings", result["request_id"])
            with spinner(f"clustering {collection}"):
                done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done", timeout, "Clustering")
            result = {name: done.get(name) for name in _RESULT}
    show_fields(result, as_json=as_json)


def clusters(ctx: typer.Context, *, collection: Collection, limit: Limit = None, as_json: AsJson = False) -> None:
    """The clusters of a collection."""
    with connect(ctx) as api:
        rows = list(api.rows(api_path("collections", collection, "clusters"), limit=limit))
    shown = rows if as_json else [{**row, **row["trust"]} for row in rows]
    show_rows(shown, _COLUMNS, as_json=as_json, none="No clusters yet.")
