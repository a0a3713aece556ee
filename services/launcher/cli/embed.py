"""`earmark embed`: a sample of a corpus as one `.npy` a sample, in one command that goes on where it was killed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.launcher.cli.client import Document
from services.launcher.cli.failure import REJECTED_INPUTS
from services.launcher.cli.options import AsJson, Encoder, Timeout
from services.launcher.cli.output import print_document, say, tell
from services.launcher.cli.samples import (
    Arrive,
    By,
    Exclude,
    Group,
    Most,
    Partial,
    Percent,
    Sampling,
    Seed,
    Where,
    tell_several,
    wishes,
)
from services.launcher.cli.session import connect
from shared.wording import counted

if TYPE_CHECKING:
    from services.launcher.cli.extraction import Order

Config = Annotated[
    Path | None,
    typer.Option("--config", help="An extraction config: imports, samples and embeds.", exists=True, dir_okay=False),
]
Mode = Annotated[str | None, typer.Option("--mode", help="One of the config's modes.", metavar="NAME")]
AnyCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="The collection; a config needs none.", metavar="NAME")
]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", file_okay=False, help="Made if need be.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Write files that are there again.", show_default=False)]

_COSTS_NOTHING = frozenset({"stray_folder", "doubled_file", "doubled_contributor"})
_TIMEOUT_S = 30 * 86_400.0  # hundreds of thousands of files take days


def embed(
    ctx: typer.Context,
    *,
    config: Config = None,
    mode: Mode = None,
    collection: AnyCollection = None,
    encoder: Encoder = None,
    out: Out = None,
    percent: Percent = None,
    most: Most = None,
    sampling: Sampling = None,
    by: By = None,
    group: Group = None,
    where: Where = None,
    exclude: Exclude = None,
    seed: Seed = None,
    partial: Partial = False,
    wait: Arrive = False,
    overwrite: Overwrite = False,
    timeout: Timeout = _TIMEOUT_S,
    as_json: AsJson = False,
) -> None:
    """Write one `.npy` a sample and `mapping.json`, of a collection's recordings or as an extraction config says.

    Killed, it goes on where it was: files that are whole are kept. Exit status 3: some files could not be used as
    recordings or are missing, or some samples have no vector; all others are written.
    """
    from services.launcher.cli.extraction import by_config, carry_out

    begun_s = time.monotonic()
    wanted = wishes(percent, most, sampling, by, group, where, exclude, seed, partial=partial)
    with connect(ctx) as api:
        if config is None:
            order = _order(
                mode, collection, encoder, wanted, out, overwrite=overwrite, waits=wait, deadline_s=begun_s + timeout
            )
            report = carry_out(api, order)
        else:
            _refuse_beside_config(wanted, out, overwrite=overwrite)
            report = by_config(api, config, mode, collection, encoder, timeout, partial=partial, waits=wait)
    _show(report | {"seconds": round(time.monotonic() - begun_s, 3)}, as_json=as_json)
    if any(_left_out(report).values()):
        raise typer.Exit(REJECTED_INPUTS)


def _order(
    mode: str | None,
    collection: str | None,
    encoder: str | None,
    wanted: Document,
    out: Path | None,
    *,
    overwrite: bool,
    waits: bool,
    deadline_s: float,
) -> "Order":
    """What the options say by themselves. Raises typer.BadParameter."""
    from services.launcher.cli.extraction import Order

    if collection is None or encoder is None or out is None or mode is not None:
        raise typer.BadParameter("name --config, or -c, --encoder and --out")
    mapping = out / "mapping.json"
    return Order(collection, encoder, wanted, out, mapping, overwrite=overwrite, waits=waits, deadline_s=deadline_s)


def _refuse_beside_config(wanted: Document, out: Path | None, *, overwrite: bool) -> None:
    if wanted.keys() - {"partial"} or out or overwrite:
        raise typer.BadParameter(
            "--config says which samples and where to, and whether to overwrite; "
            "with it go --mode, -c, --encoder, --partial, --wait, --timeout and --json"
        )


def _left_out(report: Document) -> dict[str, int]:
    """What has no file in the end, in words, and how many of it."""
    return {
        f"rejected (earmark recordings -c {report['collection']} --rejected)": report.get("rejected", 0),
        "missing, or with wrong metadata (earmark corpus check)": sum(
            n for code, n in report.get("problems", {}).items() if code not in _COSTS_NOTHING
        ),
        "without a segment": report["without_segment"],
        "without a vector": report["without_vector"],
    }


def _show(report: Document, *, as_json: bool) -> None:
    if as_json:
        print_document(report)
        return
    say(
        f"{counted(report['samples'], 'sample')} of {counted(report['recordings'], 'recording')} in "
        f"{report['output_dir']}: {report['written']} written, {report['kept']} there already"
    )
    say(f"The list of them is {report['mapping_path']}")
    for what, n in _left_out(report).items():
        if n:
            tell(f"{n} {what}")
    tell_several(report)
    for warning in report["warnings"]:
        tell(warning)
