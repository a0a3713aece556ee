from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from services.launcher.stack.layout import Layout
from services.launcher.stack.programs import Program
from services.launcher.stack.supervisor_conf import render

SERVER = Program(
    "postgres", "servers", ("/bin/postgres", "-c", "log_line_prefix=%m [%p] "), Path("/"), stop_signal="INT"
)
SERVICE = Program(
    "ingest", "services", ("/a folder/python", "--hostname=ingest@%h", "it's"), Path("/"), {"OMP_NUM_THREADS": "1"}
)


@pytest.fixture
def parsed(layout: Layout) -> ServerOptions:
    """What supervisord makes of our text."""
    layout.supervisor_file.write_text(render(layout, [SERVER, SERVICE], as_root=False))
    options = ServerOptions()
    options.configfile = str(layout.supervisor_file)
    options.process_config(do_usage=False)
    return options


def test_commands_arrive_as_they_were(parsed: ServerOptions) -> None:
    import shlex

    commands = {
        config.name: tuple(shlex.split(config.command))
        for group in parsed.process_group_configs
        for config in group.process_configs
    }
    assert commands == {"postgres": SERVER.command, "ingest": SERVICE.command}


def test_services_stop_before_servers(parsed: ServerOptions) -> None:
    priorities = {group.name: group.priority for group in parsed.process_group_configs}
    assert priorities["services"] > priorities["servers"]


def test_servers_start_by_themselves_and_services_when_told(parsed: ServerOptions) -> None:
    starts = {c.name: c.autostart for group in parsed.process_group_configs for c in group.process_configs}
    assert starts == {"postgres": True, "ingest": False}


def test_whatever_dies_is_started_again_and_whoever_is_killed_takes_its_children_along(parsed: ServerOptions) -> None:
    for group in parsed.process_group_configs:
        for config in group.process_configs:
            assert config.autorestart is not False
            assert config.startretries >= 1000
            assert config.killasgroup
            assert not config.stopasgroup


def test_each_program_has_its_own_log_and_environment(parsed: ServerOptions, layout: Layout) -> None:
    (ingest,) = next(g for g in parsed.process_group_configs if g.name == "services").process_configs
    assert ingest.stdout_logfile == str(layout.log_file("ingest"))
    assert ingest.redirect_stderr
    assert ingest.stdout_logfile_maxbytes > 0
    assert ingest.environment == {"OMP_NUM_THREADS": "1"}
