"""`earmark export`: segments, vectors and RTTM files, each there as a whole or not at all."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from services.launcher.cli.client import api_path
from services.launcher.cli.delivery import deliver_file, deliver_folder
from services.launcher.cli.options import AsJson, Collection, Encoder
from services.launcher.cli.output import print_document, say
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect

app = typer.Typer(no_args_is_help=True, help="Take segments, vectors and RTTM files out.")
OutFile = Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", dir_okay=False, help="Replaced when complete.")]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Made if need be.")]
By = Annotated[
    Literal["speaker", "cluster", "diarization"],
    typer.Option("--by", help="What names a turn; turns without such a name are left out."),
]


@app.command("segments")
def segments(ctx: typer.Context, *, collection: Collection, out: OutFile, as_json: AsJson = False) -> None:
    """One JSON object a line for each segment."""
    path = api_path("collections", collection, "export", "segments")
    with connect(ctx) as api, spinner("exporting segments"):
        deliver_file(out, lambda file: api.download(path, file))
    with out.open("rb") as lines:
        _report(out, sum(1 for _ in lines), "segments", as_json=as_json)


@app.command("embeddings")
def embeddings(
    ctx: typer.Context, *, collection: Collection, encoder: Encoder = None, out: OutDir, as_json: AsJson = False
) -> None:
    """`embeddings.npy`, the segment of each of its rows in `index.jsonl`, and `encoder.json`."""
    _deliver(ctx, collection, "embeddings", out, {"encoder": encoder}, as_json=as_json)


@app.command("rttm")
def rttm(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """One RTTM file for each recording."""
    _deliver(ctx, collection, "rttm", out, {"by": by}, as_json=as_json)


def _deliver(
    ctx: typer.Context, collection: str, kind: str, out: Path, parameters: dict[str, str | None], *, as_json: bool
) -> None:
    path = api_path("collections", collection, "export", kind)
    with connect(ctx) as api, spinner(f"exporting {kind}"):
        files = deliver_folder(out, lambda file: api.download(path, file, parameters))
    _report(out, len(files), "files", as_json=as_json)


def _report(out: Path, n: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_document({"out": str(out), what: n})
    else:
        say(f"{n} {what} in {out}")
