"""`earmark up`, `down` and `doctor`: the stack of one machine."""

import re
from types import ModuleType
from typing import Annotated

import typer

from services.launcher.cli.discovery import local_stack
from services.launcher.cli.failure import FAILED, Failure
from services.launcher.cli.options import AsJson, DataDir
from services.launcher.cli.output import print_document, say, show_fields, show_rows, tell

Detach = Annotated[bool, typer.Option("--detach", help="Return when it is ready.", show_default=False)]


def up(*, data_dir: DataDir = None, detach: Detach = False, as_json: AsJson = False) -> None:
    """Start the stack of this machine: servers, services, web page."""
    launcher = stack_code()
    state = launcher.up(data_dir, on_progress=tell)
    if as_json:
        print_document(state.public_view())
    else:
        # On a screen, without passwords: they lie in run/stack.json, and --json prints them for scripts.
        shown = {name: _without_password(str(value)) for name, value in state.public_view().items()}
        show_fields(shown, as_json=False)
        say(f"\nOpen {page_address(state.url, state.token)}")
    if not detach:
        tell("Press Ctrl-C to stop.")
        launcher.foreground(state)


def _without_password(url: str) -> str:
    return re.sub(r"(?<=:)[^:/@]+(?=@)", "...", url)


def down(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Stop the stack of this machine; what it keeps stays."""
    launcher = stack_code()
    if data_dir is None and (found := local_stack()):
        data_dir = found.data_dir
    stopped = launcher.down(data_dir)
    if as_json:
        print_document({"stopped": stopped})
    else:
        say("Stopped." if stopped else "No stack was running.")


def doctor(*, data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """Look for what keeps a stack from working, and name the command that mends it."""
    stack_code()
    from services.launcher.stack.doctor import examine

    findings = examine(data_dir)
    healthy = all(finding.ok for finding in findings)
    rows = [{"name": f.name, "ok": f.ok, "detail": f.detail, "remedy": f.remedy} for f in findings]
    if as_json:
        print_document({"healthy": healthy, "findings": rows})
    else:
        show_rows(rows, as_json=False)
    if not healthy:
        raise typer.Exit(FAILED)


def page_address(url: str, token: str) -> str:
    """The web page with the token in it: the page keeps it in a cookie and takes it out of the address."""
    return f"{url}/?token={token}"


def stack_code() -> ModuleType:
    """The stack's code: half a second to import, and only there with the extra `local`."""
    try:
        from services.launcher import stack
    except ModuleNotFoundError as error:
        remedy = "Install it: pip install 'earmark[local]'"
        raise Failure("missing_package", f"Python has no module {error.name!r} here.", remedy) from error
    return stack
