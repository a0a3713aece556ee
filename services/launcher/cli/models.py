"""`earmark encoders` and `earmark segmenters`: the models that the workers offer, and encoders to add."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import FAILED, Failure
from services.launcher.cli.options import AsJson, Timeout, Wait
from services.launcher.cli.output import print_document, say, show_fields, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import why
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state

encoders = typer.Typer(no_args_is_help=True, help="Models that turn a voice, or a text, into a vector.")
segmenters = typer.Typer(no_args_is_help=True, help="Models that find the speech in a recording.")

Name = Annotated[str, typer.Argument(metavar="NAME")]
Family = Annotated[str, typer.Option("--family", help="A family of models: see `encoders families`.", metavar="F")]
Model = Annotated[
    str,
    typer.Option(
        "--model",
        help="A path on the workers' machines, OWNER/NAME[@COMMIT] in the hub, or a family's short name for one.",
        metavar="ID",
    ),
]
Layers = Annotated[
    list[str] | None, typer.Option("--layer", help="A layer of the model; may be given more than once.", metavar="L")
]
Poolings = Annotated[
    list[str] | None,
    typer.Option("--pooling", help="mean, max, first, last, stats or none; may be given more than once.", metavar="P"),
]
Window = Annotated[
    str | None, typer.Option("--window", help="padded or trimmed, for models that have a window.", metavar="W")
]
Frames = Annotated[
    str | None, typer.Option("--frames", help="float16 or float32: how --pooling none keeps frames.", metavar="T")
]

_CHECK_WAIT_S = 600.0
READING_WAIT_S = 600.0
_WITHOUT_WEIGHTS = frozenset({"missing_model", "unknown_model"})
_CHOSEN_WRONG = {"unknown_layer": "layer", "unknown_window": "window"}
_COLUMNS = ("name", "family", "layer", "pooling", "window", "frames", "dimension", "state")


@encoders.command("list")
def list_encoders(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """The encoders that the workers offer, and those that were added, with what became of them."""
    with connect(ctx) as api:
        _show(api.items(api_path("encoders")), as_json=as_json)


@encoders.command("show")
def show_encoder(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """One encoder."""
    with connect(ctx) as api:
        found = api.get(api_path("encoders", name))
    if not as_json:
        found = {**{part: value for part, value in found.items() if part != "spec"}, **(found["spec"] or {})}
    show_fields(found, as_json=as_json)


@encoders.command("families")
def list_families(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """The families of models that encoders can be added of, and the short names of published ones."""
    with connect(ctx) as api:
        rows = api.items(api_path("encoder-families"))
    shown = rows if as_json else [{**row, "models": list(row["models"])} for row in rows]
    columns = ("name", "installed", "modality", "extra", "models")
    show_rows(shown, columns, as_json=as_json, none="No worker knows a family of models.")


@encoders.command("add")
def add_encoder(
    ctx: typer.Context,
    name: Name,
    *,
    family: Family,
    model: Model,
    layer: Layers = None,
    pooling: Poolings = None,
    window: Window = None,
    frames: Frames = None,
    wait: Wait = False,
    timeout: Timeout = READING_WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Make an encoder of a model's layer. Several layers or poolings make several, called NAME:LAYER:POOLING."""
    choices: Document = {"layers": layer, "poolings": pooling, "window": window, "frames": frames}
    chosen = {what: choice for what, choice in choices.items() if choice}
    asked: Document = {"name": name, "family": family, "model": _as_workers_see_it(model), **chosen}
    with connect(ctx) as api:
        rows = api.post(api_path("encoders"), asked)["items"]
        if wait:
            with spinner(f"reading {model}"):
                rows = [until_read(api, row["name"], timeout) for row in rows]
    refuse_failed(rows)
    _show(rows, as_json=as_json)


@encoders.command("remove")
def remove_encoder(ctx: typer.Context, name: Name, *, as_json: AsJson = False) -> None:
    """Remove an encoder that was added, that no collection names, and of which there are no vectors."""
    with connect(ctx) as api:
        api.delete(api_path("encoders", name))
    if as_json:
        print_document({"removed": name})
    else:
        say(f"Encoder {name} is removed")


@encoders.command("check")
def check_encoder(ctx: typer.Context, name: Name, *, timeout: Timeout = _CHECK_WAIT_S, as_json: AsJson = False) -> None:
    """Have a worker build an encoder, try whether it keeps its promises, and measure it."""
    with connect(ctx) as api:
        result = checked(api, name, timeout)
    if result.get("code"):
        raise Failure(result["code"], result["reason"])
    if as_json:
        print_document(result)
    else:
        show_rows(_findings(result), as_json=False)
    if not result["passed"]:
        raise typer.Exit(FAILED)


def checked(api: Client, name: str, timeout_s: float) -> Document:
    """What a check of an encoder finds; `code` and `reason` if it cannot be had there."""
    path = api_path("encoder-checks", api.post(api_path("encoders", name, "checks"), {})["check_id"])
    with spinner(f"checking {name}, which a worker loads when its turn comes"):
        done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "done", timeout_s, f"The check of {name}")
    result: Document = done["result"]
    return result


@segmenters.command("list")
def list_segmenters(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """The segmenters that the workers offer."""
    with connect(ctx) as api:
        rows = api.items(api_path("segmenters"))
    shown = rows if as_json else [{"name": row["name"], **row.get("spec", {})} for row in rows]
    show_rows(shown, ("name", "revision", "description"), as_json=as_json, none="No worker offers a segmenter.")


def _as_workers_see_it(model: str) -> str:
    """A path that exists here as a whole path, since the workers' folder is another; what has no slash is a name."""
    path = Path(model).expanduser()
    return str(path.resolve()) if "/" in model and path.exists() else model


def until_read(api: Client, name: str, timeout_s: float) -> Document:
    """An encoder once a worker has read its model."""
    path = api_path("encoders", name)
    ends = "ready failed no_weights broken"
    return wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), ends, timeout_s, f"Reading {name}")


def refuse_failed(rows: Sequence[Document]) -> None:
    """Raises Failure with every reason why an encoder could not be made, in one sentence each."""
    failed = [row for row in rows if row["state"] == "failed"]
    if failed:
        reasons = dict.fromkeys(row["reason"] for row in failed)
        raise Failure(failed[0]["code"], " ".join(reasons), f"Put it right, and then: {_add_again(failed[0])}")


def _add_again(row: Document) -> str:
    """The command that asks for an encoder that failed once more, with a word in capitals for what has to be another:
    a layer or a window that the model lacks, weights that are missing and come in a folder.
    """
    choices = {what: row[what] for what in ("layer", "pooling", "window", "frames") if row[what]}
    name = row["name"]
    if (wrong := _CHOSEN_WRONG.get(row["code"])) in choices:
        name = name.replace(f":{row[wrong]}", f":{wrong.upper()}")  # of several, the layer is a part of the name
        choices[wrong] = wrong.upper()
    model = "FOLDER" if row["code"] in _WITHOUT_WEIGHTS else row["model"]
    options = {"family": row["family"], "model": model, **choices}
    return " ".join(["earmark encoders add", name, *(f"--{what} {value}" for what, value in options.items())])


def _show(rows: Sequence[Document], *, as_json: bool) -> None:
    show_rows(rows, _COLUMNS, as_json=as_json, none="No worker offers an encoder.")
    if as_json:
        return
    for row in rows:
        if row["code"]:
            tell(f"{row['name']}: {why(row)} ({row['code']})")
        if row["state"] == "failed":
            tell(f"Once that is put right: {_add_again(row)}")
    if any(row["state"] in {"no_weights", "broken"} for row in rows):
        tell("Once that is put right: earmark encoders check NAME")


def _findings(result: Document) -> list[Document]:
    """A row for each promise and each measurement."""
    promises: Document = result["promises"]
    measured = {what: value for what, value in result.items() if what not in {"promises", "passed"}}
    measured["largest_difference"] = f"{measured['largest_difference']:.1e}"
    rows = {**promises, **{what: measured[what] for what in measured if what not in promises}}
    named = {"dimension": f"{'yes' if promises['dimension'] else 'no'}: {measured['dimension']}"}
    return [{"finding": what.replace("_", " "), "value": named.get(what, value)} for what, value in rows.items()]
