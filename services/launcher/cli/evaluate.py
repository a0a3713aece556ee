"""`earmark evaluate`: how well the embeddings tell voices apart, scored as identification scores them."""

from pathlib import Path
from typing import Annotated

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.failure import Failure
from services.launcher.cli.options import AsJson, Collection, Encoder
from services.launcher.cli.output import show_fields, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from shared.wording import counted

app = typer.Typer(no_args_is_help=True, help="How well the embeddings tell voices apart.")
_SCORING_TIMEOUT_S = 600.0
_SHOWN = 10
TrialsFile = Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)]


@app.callback()
def group() -> None:
    """A group of one command is a group still."""


@app.command("trials")
def trials(
    ctx: typer.Context, file: TrialsFile, *, collection: Collection, encoder: Encoder = None, as_json: AsJson = False
) -> None:
    """Score a list of trials: lines of `1|0 path path`, 1 for the same speaker; files without vectors are named."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Failure("bad_trials", f"{file} is not UTF-8 text: {error.reason}.", "Name a list of trials.") from error
    body: Document = {"trials": text, **({"encoder": encoder} if encoder else {})}
    path = api_path("collections", collection, "evaluations", "trials")
    with connect(ctx) as api, spinner("scoring"):
        result = api.post(path, body, timeout_s=_SCORING_TIMEOUT_S)
    show_fields(result if as_json else {**result, "missing_files": len(result["missing_files"])}, as_json=as_json)
    if gone := result["missing_files"]:
        n_more = len(gone) - _SHOWN
        more = f", and {counted(n_more, 'more file')}" if n_more > 0 else ""
        tell(f"Of no recording in {collection} with a vector, or of several: {', '.join(gone[:_SHOWN])}{more}")
