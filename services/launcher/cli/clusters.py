"""`earmark cluster` and `earmark clusters`: group the voices of a collection, and see the groups."""

from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Encoder, Limit, Timeout, Wait
from services.launcher.cli.output import show_fields, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted

_COLUMNS = ("cluster_id", "segments", "recordings", "speaker", "cohesion", "margin", "stability")
_RESULT = ("generation", "clusters", "noise", "segments")
_COMPARISON = ("method", "clusters", "noise", "segments", "standing", "agreement", "applied")


MethodName = Annotated[
    str | None,
    typer.Option(
        "--method",
        help="Another method, to compare with: density, hdbscan, spectral or agglomerative. The clusters stay as they "
        "are, unless --apply is given.",
        metavar="M",
    ),
]
Apply = Annotated[
    bool, typer.Option("--apply", help="Let what --method finds take the place of the clusters.", show_default=False)
]


def cluster(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder = None,
    method: MethodName = None,
    apply: Apply = False,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Cluster the segments of a collection anew; with --method, see first what another method would find."""
    compares = method not in {None, "auto"} and not apply
    if apply and method is None:
        raise typer.BadParameter("--apply goes with --method")
    wanted = {"encoder": encoder, "method": method, "apply": apply}
    with connect(ctx) as api:
        asked = api.post(api_path("collections", collection, "clusterings"), {k: v for k, v in wanted.items() if v})
        if not (wait or compares):
            show_fields(asked, as_json=as_json)
            return
        path = api_path("clusterings", asked["request_id"])
        with spinner(f"clustering {collection}"):
            done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done failed", timeout, "Clustering")
    if done["state"] == "failed":
        raise Failure(done["code"], done["reason"])
    if compares and not as_json:
        _show_comparison(done)
    else:
        show_fields({name: done.get(name) for name in (_COMPARISON if compares else _RESULT)}, as_json=as_json)


def _show_comparison(done: Document) -> None:
    names = ("clusters", "noise")
    found = {"": done["method"], **{name: done[name] for name in names}, "agreement (ARI)": done["agreement"]}
    rows = [{"": "as they stand", **done["standing"]}, found]
    show_rows(rows, tuple(found), as_json=False)
    tell(f"Of {counted(done['segments'], 'segment')}. Nothing was changed: --apply lets these clusters stand.")


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
    shown = rows if as_json else [{**row, **row["trust"], "speaker": _voices(row)} for row in rows]
    show_rows(shown, _COLUMNS, as_json=as_json, none="No clusters yet.")


def _voices(row: Document) -> str | None:
    """The speaker of a cluster; of one that holds several named voices each with its number of segments."""
    if len(row["speakers"]) < 2:
        return str(row["speaker"]) if row["speaker"] else None
    return ", ".join(f"{voice['name']} ({voice['segments']})" for voice in row["speakers"])
