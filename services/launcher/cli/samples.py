"""`earmark sample` and `earmark subsets`: draw recordings once, and use them under a name."""

from typing import Annotated, Literal

import typer

from services.launcher.cli.arrivals import until_registered
from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.options import TABLE_ROWS, WAIT_S, AsJson, Collection, Timeout
from services.launcher.cli.output import print_document, say, show_fields, show_rows, tell
from services.launcher.cli.progress import spinner
from services.launcher.cli.session import connect
from shared.wording import counted

app = typer.Typer(no_args_is_help=True, help="Subsets: samples of a collection that were drawn once.")

OF_EMBED = "embed-"
"""How the names of subsets begin that `earmark embed` draws."""

_DRAWING_S = 600.0  # of a million recordings
_SAMPLED = "How the sample is drawn"

Percent = Annotated[
    float | None,
    typer.Option(
        "--percent",
        help="Of the recordings, rounded.  [default: 100]",
        metavar="P",
        min=0,
        max=100,
        rich_help_panel=_SAMPLED,
    ),
]
Most = Annotated[int | None, typer.Option("--max", help="So many recordings at most.", min=1, metavar="N")]
Sampling = Annotated[
    Literal["random", "stratified"] | None,
    typer.Option("--sampling", help="From all, or from each stratum in proportion.  [default: random]"),
]
By = Annotated[str | None, typer.Option("--by", help="The attribute whose values are the strata.", metavar="ATTRIBUTE")]
Group = Annotated[
    str | None,
    typer.Option(
        "--group",
        help="Draw recordings that share a value of this attribute together: whole groups, as many as come nearest.",
        metavar="ATTRIBUTE",
    ),
]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", help="Only with this attribute; may be given more than once.", metavar="NAME=VALUE"),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Not with this attribute; may be given more than once.", metavar="NAME=VALUE"),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Another seed, another sample.  [default: 42]", metavar="S")]
Partial = Annotated[
    bool, typer.Option("--partial", help="Of what is registered, while files still arrive.", show_default=False)
]
Arrive = Annotated[
    bool, typer.Option("--wait", help="Stay until all files are registered, then draw.", show_default=False)
]
All = Annotated[bool, typer.Option("--all", help="Those of `earmark embed` too.", show_default=False)]
SubsetName = Annotated[str, typer.Argument(metavar="SUBSET")]


def wishes(
    percent: float | None,
    most: int | None,
    sampling: str | None,
    by: str | None,
    group: str | None,
    where: list[str] | None,
    exclude: list[str] | None,
    seed: int | None,
    *,
    partial: bool,
) -> Document:
    """The part of a request that says how to draw, as far as it was said; what is stratified says by what.

    Raises typer.BadParameter.
    """
    if sampling == "stratified" and by is None:
        raise typer.BadParameter("stratified by what? Add --by ATTRIBUTE")
    if sampling == "random" and by is not None:
        raise typer.BadParameter("--by names strata; leave it out, or --sampling random")
    said = {"percent": percent, "max_samples": most, "group": group, "where": where, "exclude": exclude, "seed": seed}
    said |= {"sampling": sampling or ("stratified" if by else None), "by": by, "partial": partial or None}
    return {name: value for name, value in said.items() if value is not None}


def sample(
    ctx: typer.Context,
    *,
    collection: Collection,
    name: Annotated[str, typer.Option("--name", help="What the subset is called.", metavar="SUBSET")],
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
    timeout: Timeout = WAIT_S,
    as_json: AsJson = False,
) -> None:
    """Draw a subset of a collection: the same for the same seed, on any machine and whatever order the files have."""
    wanted = wishes(percent, most, sampling, by, group, where, exclude, seed, partial=partial)
    with connect(ctx) as api:
        if wait:
            until_registered(api, collection, wanted, timeout)
        with spinner("drawing"):
            drawn = draw(api, collection, name, wanted)
    if as_json:
        print_document(drawn)
        return
    say(f"{counted(drawn['n_recordings'], 'recording')}{_in_groups(drawn)} in subset {name}")
    _show_strata(drawn)
    tell_cutting(drawn)
    for warning in drawn["warnings"]:
        tell(warning)


def _in_groups(drawn: Document) -> str:
    """` of 4 groups by speaker_id`, where whole groups were drawn."""
    group = drawn["spec"]["group"]
    return f" of {counted(sum(s['groups'] or 0 for s in drawn['strata']), 'group')} by {group}" if group else ""


def tell_cutting(drawn: Document) -> None:
    """Where samples and recordings will not be as many, and why."""
    if n := drawn["not_cut"]:
        tell(f"{counted(n, 'recording')} not cut into segments yet")
    if n := drawn["without_segment"]:
        tell(f"{counted(n, 'recording')} without a segment: nothing becomes a sample of what holds no turn")
    tell_several(drawn)


def tell_several(drawn: Document) -> None:
    """Where recordings will be more than one sample each."""
    if n := drawn["several_segments"]:
        tell(
            f"{counted(n, 'recording')} with several segments, each of which becomes a sample (`FILE#0.npy`, "
            "`FILE#1.npy`, ...): for one sample a file, make a collection with --segmenter whole."
        )


def draw(api: Client, collection: str, name: str, wanted: Document) -> Document:
    """The subset of this name, drawn now unless it stands already, drawn like this."""
    path = api_path("collections", collection, "subsets")
    return api.post(path, {"name": name, **wanted}, timeout_s=_DRAWING_S)


def _show_strata(drawn: Document) -> None:
    attribute = drawn["spec"]["by"] or "stratum"
    rows = [
        {
            attribute: stratum["name"] or ("(none)" if drawn["spec"]["by"] else "(all)"),
            "recordings": stratum["size"],
            "quota": stratum["quota"],
            "drawn": stratum["drawn"],
            "": "small" if stratum["small"] else "",
        }
        for stratum in drawn["strata"]
    ]
    show_rows(rows, as_json=False)
    if drawn["n_excluded"]:
        tell(f"{counted(drawn['n_excluded'], 'recording')} excluded before")
    elif drawn["spec"]["exclude"] and not drawn["warnings"]:
        tell("Nothing was excluded of what was drawn from.")


@app.command("list")
def listing(ctx: typer.Context, *, collection: Collection, everything: All = False, as_json: AsJson = False) -> None:
    """The subsets of a collection; those by which `embed` goes on where it was only with --all, or --json."""
    with connect(ctx) as api:
        rows = api.items(api_path("collections", collection, "subsets"))
    shown = rows if as_json or everything else [row for row in rows if not row["name"].startswith(OF_EMBED)]
    show_rows(shown, ("name", "n_recordings", "created_at"), as_json=as_json, none="No subsets yet.")
    if len(shown) < len(rows):
        tell(f"{counted(len(rows) - len(shown), 'subset')} of `earmark embed` not shown: --all")


@app.command("show")
def show(ctx: typer.Context, name: SubsetName, *, collection: Collection, as_json: AsJson = False) -> None:
    """How a subset was drawn, and its recordings."""
    path = api_path("collections", collection, "subsets", name)
    with connect(ctx) as api:
        found = api.get(path)
        members = list(api.rows(f"{path}/recordings", limit=None if as_json else TABLE_ROWS))
    if as_json:
        print_document({**found, "recordings": members})
        return
    show_fields({"recordings": found["n_recordings"], **found["spec"]}, as_json=False)
    _show_strata(found)
    show_rows(members, ("object_key", "recording_id"), as_json=False, none="Its recordings are gone.")


@app.command("delete")
def delete(ctx: typer.Context, name: SubsetName, *, collection: Collection, as_json: AsJson = False) -> None:
    """Forget a subset; its recordings and their vectors stay."""
    with connect(ctx) as api:
        api.delete(api_path("collections", collection, "subsets", name))
    if as_json:
        print_document({"deleted": name})
    else:
        say(f"Subset {name} is deleted")
