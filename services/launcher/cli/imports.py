"""`earmark import`: names that somebody wrote down elsewhere, out of annotation files, all of them or none."""

import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.failure import REJECTED_INPUTS, Failure
from services.launcher.cli.options import WAIT_S, AsJson, Collection, Timeout, Wait
from services.launcher.cli.output import print_document, say, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from services.launcher.cli.waiting import PATIENCE_S, wait_for_state
from shared.wording import counted

app = typer.Typer(no_args_is_help=True, help="Bring in names that you have already, from annotation files.")

_EXTENSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "rttm": (".rttm",),
    "csv": (".csv", ".tsv"),
    "labelstudio": (".json",),
    "textgrid": (".textgrid",),
    "elan": (".eaf",),
    "audacity": (".txt",),
}
_SHOWN: Final = 10
_TIMEOUT_S: Final = 600.0

Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        exists=True,
        help="Annotation files, or folders of them; of a folder, text files (.txt) with --format audacity only.",
    ),
]
AnyFormat = Annotated[
    Literal["rttm", "csv", "labelstudio", "textgrid", "elan", "audacity"] | None,
    typer.Option("--format", help="What the files are; else their names and beginnings tell.", show_default=False),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be named, and name nothing.", show_default=False)
]


@app.callback()
def group() -> None:
    """A group of one command is a group still."""


@app.command("labels")
def labels(
    ctx: typer.Context,
    files: Files,
    *,
    collection: Collection,
    format_: AnyFormat = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Name segments as RTTM, CSV, Label Studio, TextGrid, ELAN or Audacity files do.

    A segment gets the speaker who covers at least half of it, unless somebody else covers more than a fifth. Files are
    matched to recordings by path or by stem. It is one entry of the label log, and nothing at all if a line is wrong.
    """
    content = _packed(list(_found(files, format_)))
    parameters = {"name": "import.zip", "format": format_, "dry_run": "true" if dry_run else None}
    with connect(ctx) as api:
        with spinner("importing"):
            path = api_path("collections", collection, "imports")
            report = api.send(path, content, parameters, timeout_s=_TIMEOUT_S)
        report["propagated"] = _spread(api, report, timeout) if wait and report["label_id"] else None
    if as_json:
        print_document(report)
    else:
        _tell(report)
    if report["unknown_files"] or report["ambiguous_files"] or report["unknown_segment_ids"]:
        raise typer.Exit(REJECTED_INPUTS)


def _found(given: Sequence[Path], kind: str | None) -> Iterator[tuple[str, Path]]:
    """Each file with the name that it goes by: its path below the folder that was named."""
    all_but_texts = [end for name, ends in _EXTENSIONS.items() if name != "audacity" for end in ends]
    wanted = tuple(all_but_texts) if kind is None else _EXTENSIONS[kind]
    for root in given:
        if root.is_dir():
            inside = sorted(file for file in root.rglob("*") if file.is_file())
            for file in inside:
                path = file.relative_to(root)
                if path.name.lower().endswith(wanted) and not any(part.startswith(".") for part in path.parts):
                    yield path.as_posix(), file
        else:
            yield root.name, root


def _packed(files: Sequence[tuple[str, Path]]) -> bytes:
    """One zip archive; of two files with one name, the second goes by its whole path."""
    if not files:
        raise Failure("nothing_to_import", "There is no annotation file.", "Name files, or their --format.")
    packed, taken = BytesIO(), set[str]()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for given, file in files:
            name = _readable(given if given not in taken else file.absolute().as_posix().lstrip("/"))
            if name in taken:
                continue  # the same file, named twice
            taken.add(name)
            try:
                archive.writestr(name, file.read_bytes())
            except OSError as error:
                raise Failure(
                    "unreadable", f"{file} cannot be read: {error.strerror}.", "Nothing was imported."
                ) from error
    return packed.getvalue()


def _readable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _spread(api: Client, report: Document, timeout_s: float) -> int:
    path = api_path("labels", report["label_id"])
    with spinner("spreading names"):
        done = wait_for_state(lambda: api.get(path, patience_s=PATIENCE_S), "propagated", timeout_s, "Spreading")
    return int(done["propagated"])


def _tell(report: Document) -> None:
    verb = "would be named" if report["dry_run"] else "named"
    speakers = ", ".join(f"{name} {n}" for name, n in report["speakers"].items())
    say(f"{counted(report['named'], 'segment')} {verb}" + (f": {speakers}" if speakers else ""))
    if report["label_id"]:
        say(f"label_id {report['label_id']}")
    if report["propagated"] is not None:
        say(f"{report['propagated']} more followed")
    for key, what in (
        ("new_speakers", "Nobody was called so before"),
        ("unknown_files", "No recording is called so"),
        ("ambiguous_files", "Several recordings are called so; write more of the path"),
        ("unknown_segment_ids", "No segment has such an id"),
    ):
        if names := report[key]:
            tell(f"{what}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}")
    for key, why in (
        ("unchanged", "unchanged: so named before"),
        ("left_alone", "left alone: a person said otherwise"),
        ("mixed", "not named: two speakers"),
        ("uncovered", "not named: nobody speaks there in the files"),
    ):
        if n := report[key]:
            tell(f"{counted(n, 'segment')} {why}")
    if n := report["turns_without_segment"]:
        tell(f"{counted(n, 'turn')} of the files outside of all segments")
