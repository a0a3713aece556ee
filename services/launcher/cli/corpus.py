"""`earmark corpus`: research corpora as they are released, from their tars into a collection."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from services.launcher.cli.failure import FAILED, REJECTED_INPUTS, Failure
from services.launcher.cli.options import (
    WAIT_S,
    AsJson,
    Collection,
    Encoders,
    Segmenter,
    Timeout,
    Wait,
    settings_body,
)
from services.launcher.cli.output import print_document, say, show_rows, tell
from services.launcher.cli.progress import CountBar
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import reasons, tell_encoders
from shared.corpora.items import Entry, Item, Tally

if TYPE_CHECKING:
    from services.launcher.cli.corpus_import import Imported

app = typer.Typer(no_args_is_help=True, help="Extract, check and import research corpora.")

Folder = Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="The corpus.")]
Source = Annotated[
    Path,
    typer.Argument(metavar="SRC", exists=True, file_okay=False, help="The release: Train/, Dev/, Test/ with tars."),
]
Target = Annotated[Path, typer.Argument(metavar="DST", file_okay=False, help="Made if need be.")]
Place = Annotated[Path, typer.Argument(metavar="DIR", exists=True, help="The corpus, or a manifest.")]
KindName = Annotated[
    Literal["sap", "clotho", "speech-commands", "manifest"],
    typer.Option("--kind", help="sap: the Speech Accessibility Project. manifest: any CSV, TSV or JSON lines."),
]
Split = Annotated[str | None, typer.Option("--split", help="Only this one, as the corpus calls it.", metavar="NAME")]
First = Annotated[int | None, typer.Option("--limit", help="Only so many files, the first.", min=1, metavar="N")]
_MIB_BITS = 20


@app.command("extract")
def extract(source: Source, target: Target, *, as_json: AsJson = False) -> None:
    """Take a Speech Accessibility Project release out of its tars; run again after any interruption."""
    from shared.corpora import extraction

    begun_s = time.monotonic()
    with CountBar("extract (MiB)") as bar:
        report = extraction.extract(source, target, lambda n, of: bar.at(n >> _MIB_BITS, of >> _MIB_BITS))
    took_s = round(time.monotonic() - begun_s, 3)
    if as_json:
        print_document({**asdict(report), "seconds": took_s})
    else:
        say(
            f"{report.extracted} contributors with {report.files} files extracted into {target} in {took_s:.1f} s, "
            f"{report.already} were there already, {len(report.skipped)} tars of JSON alone were skipped"
        )
        for problem in report.problems:
            tell(f"{problem.path}: {problem.detail} ({problem.code})", "red")
    if report.problems:
        raise typer.Exit(REJECTED_INPUTS)


@app.command("check")
def check(folder: Folder, *, as_json: AsJson = False) -> None:
    """Compare a Speech Accessibility Project folder with its metadata, split by split."""
    from shared.corpora import checking

    found = checking.check(folder)
    if as_json:
        splits = [asdict(split) for split in found.splits.values()]
        print_document({"splits": splits, "stray_folders": found.stray_folders, **_problems(found.problems)})
    else:
        show_rows([asdict(split) for split in found.splits.values()], as_json=False, none=_no_release(folder))
        tell_problems(found.problems)
        _tell_tars(folder)
    if not found.sound:
        raise typer.Exit(REJECTED_INPUTS)


@app.command("import")
def import_corpus(
    ctx: typer.Context,
    place: Place,
    *,
    collection: Collection,
    kind: KindName,
    split: Split = None,
    limit: First = None,
    segmenter: Segmenter = None,
    encoder: Encoders = None,
    wait: Wait = False,
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Upload a corpus with what it says of its files; what is there already with the same bytes is not sent again."""
    from services.launcher.cli.corpus_import import CorpusImport
    from shared.corpora import kinds

    begun_s = time.monotonic()
    entries = _first(kinds.read(kinds.Kind(kind), place, split), limit)
    with connect(ctx) as api, CountBar("import") as bar:
        imported = CorpusImport(api, collection, settings_body(segmenter, encoder), bar).run(
            entries, timeout if wait else None
        )
        if encoder and imported.files:
            tell_encoders(api, collection)
    if kind == "sap" and not as_json:
        _tell_tars(place)
    if not imported.files and not imported.problems.counts:
        what = f"split {split!r} of a corpus" if split else "a corpus"
        raise Failure(
            "nothing_to_import", f"There is no file of {what} of kind {kind!r} in {place}.", "See --kind and --split."
        )
    _report_import(imported, time.monotonic() - begun_s, as_json=as_json)


def _no_release(folder: Path) -> str:
    from shared.corpora import sap

    *others, last = sap.SPLITS
    return (
        f"{folder} holds none of {', '.join(others)} and {last}: this checks a release of the Speech Accessibility "
        "Project. Other corpora are checked while they are imported: earmark corpus import --kind KIND"
    )


def _tell_tars(folder: Path) -> None:
    """A release is first taken out of its tars; where that was done in its own folder, they may stay."""
    from shared.corpora import extraction, tars

    if not (folder / extraction.STATE).exists() and (n_tars := tars.lying_in(folder)):
        tell(f"There are tars in {folder} ({n_tars}) that were not extracted: earmark corpus extract {folder} DST")


def _first(entries: Iterable[Entry], limit: int | None) -> Iterator[Entry]:
    n_items = 0
    for entry in entries:
        if n_items == limit:
            return
        n_items += isinstance(entry, Item)
        yield entry


def _report_import(imported: "Imported", took_s: float, *, as_json: bool) -> None:
    if as_json:
        report = {name: value for name, value in asdict(imported).items() if name != "problems"}
        print_document({**report, **_problems(imported.problems), "seconds": round(took_s, 3)})
    else:
        tell_problems(imported.problems)
        for outcome in imported.troubled:
            tell(f"{outcome.object_key}: {outcome.reason}")
        statuses = ", ".join(f"{n} {status}" for status, n in sorted(imported.statuses.items()))
        say(
            f"{statuses or 'No files'} ({imported.sent} sent, {imported.standing} were there already, "
            f"{imported.attributes_changed} with new attributes, {imported.captions_added} captions of recordings "
            f"that stood) in {took_s:.1f} s"
        )
        for reason in reasons(imported.work) if imported.work else ():
            tell(reason)
    if imported.statuses.keys() & {"failed", "pending"}:
        raise typer.Exit(FAILED)
    if imported.problems.counts or "rejected" in imported.statuses:
        raise typer.Exit(REJECTED_INPUTS)


def _problems(tally: Tally) -> dict[str, object]:
    return {"problems": tally.counts, "first_problems": [asdict(problem) for problem in tally.first]}


def tell_problems(tally: Tally) -> None:
    """The first ones, and how many there are of each kind."""
    for problem in tally.first:
        tell(f"{problem.path}: {problem.detail} ({problem.code})")
    if sum(tally.counts.values()) > len(tally.first):
        tell("And more: " + ", ".join(f"{n} {code}" for code, n in sorted(tally.counts.items())))
