"""The command `earmark`: its groups, its global options, and the one place where errors become words.

Heavy libraries load in the commands that need them, so that `--help` and completion are quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from services.launcher.cli import (
    backfill,
    clusters,
    collections,
    database,
    dead,
    evaluate,
    events,
    export,
    imports,
    ingest,
    labels,
    models,
    recordings,
    reviews,
    speakers,
    splits,
    stack,
    status,
    suggest,
    tokens,
)
from services.launcher.cli.failure import FAILED, Failure
from services.launcher.cli.output import show_failure
from services.launcher.cli.session import Address
from shared.errors import EarmarkError

app = typer.Typer(
    name="earmark",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help takes half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    stack.up,
    stack.down,
    stack.doctor,
    status.status,
    ingest.ingest,
    recordings.recordings,
    recordings.segments,
    backfill.backfill,
    splits.split,
    clusters.cluster,
    clusters.clusters,
    labels.label,
    suggest.suggest_next,
    events.events,
):
    app.command("next" if command is suggest.suggest_next else None)(command)
for name, group in {
    "collections": collections.app,
    "labels": labels.app,
    "speakers": speakers.app,
    "review": reviews.app,
    "export": export.app,
    "import": imports.app,
    "evaluate": evaluate.app,
    "dead": dead.app,
    "encoders": models.encoders,
    "segmenters": models.segmenters,
    "tokens": tokens.app,
    "db": database.app,
}.items():
    app.add_typer(group, name=name)


def _show_version(wanted: bool) -> None:  # noqa: FBT001  # the signature of an option's callback
    if wanted:
        from importlib.metadata import version

        typer.echo(version("earmark"))
        raise typer.Exit


def _checked_url(url: str | None) -> str | None:
    if url and not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url!r} does not start with http:// or https://")
    return url or None


@app.callback()
def earmark(
    ctx: typer.Context,
    *,
    url: Annotated[
        str | None,
        typer.Option(envvar="EARMARK_URL", callback=_checked_url, help="The API; else the stack running here."),
    ] = None,
    token: Annotated[str | None, typer.Option(envvar="EARMARK_TOKEN", help="The API's token.")] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Label one voice, and every recording follows."""
    ctx.obj = Address(url, token or None)


def run(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit status: 0 done, 1 failed, 2 wrong usage, 3 rejected inputs."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        app(words, prog_name="earmark")
    except SystemExit as stop:  # how typer ends, whatever the outcome
        return stop.code if isinstance(stop.code, int) else 0
    except Failure as failure:
        return _report(failure, words)
    except EarmarkError as error:
        return _report(Failure.of(error), words)
    except Exception as error:
        if os.environ.get("EARMARK_TRACEBACK"):
            raise
        remedy = "This is a mistake in Earmark; EARMARK_TRACEBACK=1 shows where."
        return _report(Failure("internal", f"{type(error).__name__}: {error}", remedy), words)
    return 0


def _report(failure: Failure, words: list[str]) -> int:
    options = words[: words.index("--")] if "--" in words else words
    show_failure(failure, as_json="--json" in options)
    return FAILED


if __name__ == "__main__":
    sys.exit(run())
