"""The command `earmark`: its groups, its global options, and the one place where errors become words.

Heavy libraries load in the commands that need them, so that `--help` and completion are quick.
"""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from services.launcher.cli import (
    archives,
    audit,
    backfill,
    backup,
    clusters,
    collections,
    corpus,
    database,
    dead,
    embed,
    encoder_comparison,
    erasing,
    evaluate,
    events,
    export,
    flow,
    imports,
    ingest,
    labels,
    models,
    recordings,
    reviews,
    samples,
    speakers,
    splits,
    stack,
    status,
    suggest,
    switching,
    tokens,
    trace,
)
from services.launcher.cli.failure import FAILED, WRONG_USAGE, Failure
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
    backup.backup,
    backup.restore,
    status.status,
    flow.pause,
    flow.resume,
    ingest.ingest,
    archives.archives,
    recordings.segments,
    samples.sample,
    backfill.backfill,
    embed.embed,
    splits.split,
    clusters.cluster,
    clusters.clusters,
    labels.label,
    suggest.suggest_next,
    events.events,
    trace.trace,
    audit.audit,
    erasing.receipts,
):
    app.command("next" if command is suggest.suggest_next else None)(command)
models.encoders.command("compare")(encoder_comparison.compare)
collections.app.command("switch")(switching.switch)
for name, group in {
    "collections": collections.app,
    "subsets": samples.app,
    "labels": labels.app,
    "speakers": speakers.app,
    "recordings": recordings.app,
    "tombstones": erasing.tombstones,
    "review": reviews.app,
    "export": export.app,
    "import": imports.app,
    "corpus": corpus.app,
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
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    status = 0
    try:
        done = app(words, prog_name="earmark", standalone_mode=False)
        status = done if isinstance(done, int) else 0
    except SystemExit as stop:  # how typer ends by itself, whatever the outcome
        status = stop.code if isinstance(stop.code, int) else 0
    except TyperException as error:
        status = _wrong_usage(error, as_json=as_json)
    except typer.Abort:
        typer.echo("Aborted!", err=True)
        status = FAILED
    except Failure as failure:
        status = _report(failure, as_json=as_json)
    except EarmarkError as error:
        status = _report(Failure.of(error), as_json=as_json)
    except Exception as error:
        if os.environ.get("EARMARK_TRACEBACK"):
            raise
        remedy = "This is a mistake in Earmark; EARMARK_TRACEBACK=1 shows where."
        status = _report(Failure("internal", f"{type(error).__name__}: {error}", remedy), as_json=as_json)
    return status


def _report(failure: Failure, *, as_json: bool) -> int:
    show_failure(failure, as_json=as_json)
    return failure.exit_status


def _wrong_usage(error: TyperException, *, as_json: bool) -> int:
    error.message = error.message.replace("Value error, ", "")  # pydantic's, by which typer reads options
    if not as_json and (show := getattr(error, "show", None)):
        show()
        return WRONG_USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "earmark"
    failure = Failure("wrong_usage", error.format_message(), f"See `{command} --help`.")
    return _report(failure, as_json=as_json)


if __name__ == "__main__":
    sys.exit(run())
