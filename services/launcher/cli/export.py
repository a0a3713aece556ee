"""`earmark export`: segments, vectors and annotation files, each there as a whole or not at all."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from services.launcher.cli.client import Client, api_path
from services.launcher.cli.delivery import Fetch, deliver_file, deliver_folder
from services.launcher.cli.failure import REJECTED_INPUTS
from services.launcher.cli.options import AsJson, Collection, Encoder, Subset
from services.launcher.cli.output import print_document, say, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from shared.wording import counted

if TYPE_CHECKING:
    from services.launcher.cli.export_folder import Delivered

app = typer.Typer(no_args_is_help=True, help="Take segments, vectors and annotation files out.")
OutFile = Annotated[Path, typer.Option("--out", metavar="FILE.jsonl", dir_okay=False, help="Replaced when complete.")]
OutDir = Annotated[Path, typer.Option("--out", metavar="DIR", file_okay=False, help="Made if need be.")]
By = Annotated[
    Literal["speaker", "cluster", "diarization"],
    typer.Option(
        "--by",
        help="Whose turns they are. speaker: the names that people gave, or that followed from those. cluster: the "
        "groups of like voices that `earmark cluster` made, by their ids. diarization: the segmenter's own labels, "
        "which hold within one recording only.",
    ),
]


Form = Literal["npy", "parquet", "arrow", "pt", "files"]
AnyFormat = Annotated[
    Form,
    typer.Option(
        "--format",
        help="npy: one array and its index. parquet, arrow, pt: one file of vectors with their segments. files: a .npy "
        "a segment and mapping.json.",
    ),
]


@app.command("segments")
def segments(
    ctx: typer.Context, *, collection: Collection, subset: Subset = None, out: OutFile, as_json: AsJson = False
) -> None:
    """One JSON object a line for each segment."""
    path = api_path("collections", collection, "export", "segments")
    with connect(ctx) as api, spinner("exporting segments"):
        deliver_file(out, lambda file: api.download(path, file, {"subset": subset}))
    with out.open("rb") as lines:
        _report(out, sum(1 for _ in lines), "segment", as_json=as_json)


@app.command("embeddings")
def embeddings(
    ctx: typer.Context,
    *,
    collection: Collection,
    encoder: Encoder = None,
    subset: Subset = None,
    form: AnyFormat = "npy",
    out: OutDir,
    as_json: AsJson = False,
) -> None:
    """`embeddings.npy`, the segment of each of its rows in `index.jsonl`, and `encoder.json`; or in another form.

    Exit status 3: some segments have no vector; those of all others are written.
    """
    path = api_path("collections", collection, "export", "embeddings")
    chosen = {"encoder": encoder, "subset": subset}
    with connect(ctx) as api:

        def fetch(file: BinaryIO) -> None:
            with spinner("exporting embeddings"):
                api.download(path, file, chosen)

        done = _deliver_vectors(api, out, fetch, form)
    _report_vectors(out, done, as_json=as_json)
    if done.facts["without_vector"]:
        raise typer.Exit(REJECTED_INPUTS)


def _deliver_vectors(api: Client, out: Path, fetch: Fetch, form: Form) -> "Delivered":
    """The download as a folder of this form. Raises Failure."""
    from services.launcher.cli.export_folder import deliver_vectors
    from services.launcher.cli.sample_files import frames_by, shape_files
    from services.launcher.cli.vector_files import shape_as

    match form:
        case "npy":
            return deliver_vectors(out, fetch, lambda folder: folder)
        case "files":
            return deliver_vectors(out, fetch, shape_files(out, frames_by(api)))
        case _:
            return deliver_vectors(out, fetch, shape_as(form))


def _report_vectors(out: Path, done: "Delivered", *, as_json: bool) -> None:
    from services.launcher.cli.export_folder import backfill_of

    if as_json:
        counts = {name: done.facts[name] for name in ("segments", "without_vector", "to_backfill", "dtype")}
        print_document({"out": str(out), "files": done.n_files, **counts})
        return
    n_segments, n_without = done.facts["segments"], done.facts["without_vector"]
    embedded = f"{n_segments - n_without} of {counted(n_segments, 'segment')}"
    say(f"{embedded} in {out} ({counted(done.n_files, 'file')})")
    if n_without:
        remedy = f": earmark {backfill_of(done.facts)}" if done.facts["to_backfill"] else " and cannot have one."
        tell(f"{n_without} have no vector{remedy}")


@app.command("rttm")
def rttm(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """One RTTM file for each recording; turns without a name are left out."""
    _deliver(ctx, collection, "rttm", out, {"by": by}, as_json=as_json)


@app.command("csv")
def table(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """A table of all segments, to fill in and to bring back with `earmark import labels`."""
    _deliver(ctx, collection, "csv", out, {"by": by}, as_json=as_json)


@app.command("labelstudio")
def labelstudio(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """Tasks for Label Studio with what is known as predictions, and the labelling configuration that fits."""
    _deliver(ctx, collection, "labelstudio", out, {"by": by}, as_json=as_json)
    if not as_json:
        say(f"Labelling configuration: {out / 'config.xml'}; the tasks name audio as s3://, from a source storage")


@app.command("textgrid")
def textgrid(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """One Praat TextGrid for each recording, a tier for each speaker; unnamed turns are UNKNOWN."""
    _deliver(ctx, collection, "textgrid", out, {"by": by}, as_json=as_json)


@app.command("elan")
def elan(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """One ELAN file (.eaf) for each recording, a tier for each speaker; unnamed turns are UNKNOWN."""
    _deliver(ctx, collection, "elan", out, {"by": by}, as_json=as_json)


@app.command("audacity")
def audacity(
    ctx: typer.Context, *, collection: Collection, out: OutDir, by: By = "speaker", as_json: AsJson = False
) -> None:
    """One Audacity label track (.txt) for each recording; unnamed turns are UNKNOWN."""
    _deliver(ctx, collection, "audacity", out, {"by": by}, as_json=as_json)


def _deliver(
    ctx: typer.Context, collection: str, kind: str, out: Path, parameters: dict[str, str | None], *, as_json: bool
) -> None:
    path = api_path("collections", collection, "export", kind)
    with connect(ctx) as api, spinner(f"exporting {kind}"):
        files = deliver_folder(out, lambda file: api.download(path, file, parameters))
    _report(out, len(files), "file", as_json=as_json)


def _report(out: Path, n: int, what: str, *, as_json: bool) -> None:
    if as_json:
        print_document({"out": str(out), f"{what}s": n})
    else:
        say(f"{counted(n, what)} in {out}")
