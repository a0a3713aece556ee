"""`earmark status`: how the services do, how much work waits and for how long, and what is paused."""

import typer

from services.launcher.cli.client import Document, api_path
from services.launcher.cli.flow import sentence
from services.launcher.cli.lacks import lack
from services.launcher.cli.options import AsJson
from services.launcher.cli.output import print_document, show_fields, show_rows, tell
from services.launcher.cli.session import connect
from services.launcher.cli.troubles import why
from shared.wording import counted

_COUNTS = ("pending", "queued", "leased", "dead")
_SHOWN = (*_COUNTS, "oldest", "drained / min")


def status(ctx: typer.Context, *, as_json: AsJson = False) -> None:
    """Show the services, the work that waits, and the recordings by state."""
    with connect(ctx) as api:
        found = api.get(api_path("status"))
    if as_json:
        print_document(found)
        return
    troubles, stages, waiting, pauses = (found.pop(name) for name in ("troubles", "stages", "waiting", "pauses"))
    services, missing = found.pop("services"), found.pop("missing", ())
    show_fields({f"services {name}": _seen(one) for name, one in services.items()} | found, as_json=False)
    for kind, rows in (("stage", [s for s in stages if _moves(s)]), ("collection", waiting)):
        if rows:
            show_rows([_row(row) for row in rows], (kind, *_SHOWN), as_json=False)
    for pause in pauses:
        tell(sentence(pause), "yellow")
    for name in missing:
        tell(lack(name), "red")
    for trouble in troubles:
        of = ", ".join(trouble["collections"])
        tell(f"{trouble['encoder']} of {of} ({trouble['state']}): {why(trouble)}", "red")
    if found["backlog"]["dead"]:
        tell("Work was given up; why: earmark dead list")


def _seen(service: Document) -> str:
    if service["seen_s_ago"] is None:
        return "not seen"
    if service.get("state") == "not_seen":
        return f"not seen for {duration(service['seen_s_ago'])}"
    return f"{counted(service['instances'], 'instance')}, seen {service['seen_s_ago']:.1f} s ago"


def _moves(stage: Document) -> bool:
    return bool(stage["paused"] or stage["drained_per_minute"] or any(stage[count] for count in _COUNTS))


def _row(load: Document) -> Document:
    """A line of a table; a name that is paused says so."""
    named: Document = {name: load[name] for name in ("stage", "collection") if name in load}
    if load["paused"]:
        named = {name: f"{value} (paused)" for name, value in named.items()}
    return {
        **named,
        **{count: load[count] for count in _COUNTS},
        "oldest": None if load["lag_s"] is None else duration(load["lag_s"]),
        "drained / min": round(load["drained_per_minute"]),
    }


def duration(seconds: float) -> str:
    """The two largest units, as `2 h 5 min`."""
    whole = round(seconds)
    for unit_s, unit, smaller_s, smaller in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit} {whole % unit_s // smaller_s} {smaller}"
    return f"{whole} s"
