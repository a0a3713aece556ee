"""The text of supervisord's configuration, from Programs."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from services.launcher.stack.layout import Layout
from services.launcher.stack.programs import Group, Program

_GROUP_PRIORITY: Mapping[Group, int] = {"servers": 10, "services": 100}
"""supervisord stops the groups one after the other, the highest number first, and the programs of one all at once."""

_LOG_BYTES = "20MB"
_LOG_FILES = 3


def render(layout: Layout, programs: Sequence[Program], *, as_root: bool) -> str:
    """The whole configuration: supervisord itself, its socket, the programs and their two groups."""
    sections = [_supervisord(layout, as_root=as_root), *(_program(program, layout) for program in programs)]
    for group, priority in _GROUP_PRIORITY.items():
        if members := [program.name for program in programs if program.group == group]:
            sections.append(_section(f"group:{group}", {"programs": ",".join(members), "priority": priority}))
    return "\n".join(sections)


def _supervisord(layout: Layout, *, as_root: bool) -> str:
    main = {
        "logfile": _literal(layout.log_file("supervisord")),
        "logfile_maxbytes": _LOG_BYTES,
        "logfile_backups": _LOG_FILES,
        "pidfile": _literal(layout.run / "supervisord.pid"),
        "childlogdir": _literal(layout.log),
        "directory": _literal(layout.run),
        "umask": "077",
        "nocleanup": "true",
    }
    if as_root:
        main["user"] = "root"  # says that it is meant; without it supervisord warns
    socket = {"file": _literal(layout.socket("supervisor")), "chmod": "0600"}
    factory = {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
    return "\n".join(
        (
            _section("supervisord", main),
            _section("unix_http_server", socket),
            _section("rpcinterface:supervisor", factory),
            # For people: `supervisorctl -c <data_dir>/run/supervisord.conf`.
            _section("supervisorctl", {"serverurl": f"unix://{_literal(layout.socket('supervisor'))}"}),
        )
    )


def _program(program: Program, layout: Layout) -> str:
    options: dict[str, object] = {
        "command": _literal(shlex.join(program.command)),
        "directory": _literal(program.directory),
        "environment": ",".join(f'{name}="{_literal(value)}"' for name, value in program.environment.items()),
        # Servers start with supervisord; services when the servers answer and the tables are there.
        "autostart": "true" if program.group == "servers" else "false",
        "autorestart": "true",
        "startsecs": 1,
        "startretries": 1_000_000,  # whatever it was, the next try may find it mended
        "stopsignal": program.stop_signal,
        "stopwaitsecs": program.stop_wait_s,
        # A gentle stop is for the main process to pass on; what is killed is killed with all its children.
        "stopasgroup": "false",
        "killasgroup": "true",
        "redirect_stderr": "true",
        "stdout_logfile": _literal(layout.log_file(program.name)),
        "stdout_logfile_maxbytes": _LOG_BYTES,
        "stdout_logfile_backups": _LOG_FILES,
    }
    if program.user:
        options["user"] = program.user
    return _section(f"program:{program.name}", options)


def _section(title: str, options: Mapping[str, object]) -> str:
    return "\n".join((f"[{title}]", *_lines(options.items()), ""))


def _lines(options: Iterable[tuple[str, object]]) -> Iterable[str]:
    return (f"{name}={value}" for name, value in options if value != "")


def _literal(text: str | Path) -> str:
    """As it stands, in a file where % begins a substitution."""
    return str(text).replace("%", "%%")
