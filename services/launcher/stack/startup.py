"""Bring one stack up: servers, then tables, then services, each awaited."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import partial

from pydantic import SecretStr

from services.launcher.stack import assembly, control, readiness, services
from services.launcher.stack.assembly import Servers
from services.launcher.stack.errors import MigrationFailed, SchemaTooNew, StackError
from services.launcher.stack.files import write_private
from services.launcher.stack.layout import Layout
from services.launcher.stack.programs import Program
from services.launcher.stack.readiness import Missing
from services.launcher.stack.state import Keepsake, StackState
from services.launcher.stack.stopping import stop
from services.launcher.stack.supervisor_conf import render
from shared.errors import TransientError
from shared.settings import S3Settings
from shared.storage.objects import ObjectStore

Tell = Callable[[str], None]

_SERVERS_TIMEOUT_S = 60.0


def start(layout: Layout, names: tuple[str, ...], env: Mapping[str, str], tell: Tell) -> StackState:
    """Start servers and the services named, wait until all are ready, and write down where they are.

    Ends leftovers of an earlier run first; whatever goes wrong, leaves nothing running. Raises StackError.
    """
    if stop(layout):
        tell("Ended what an earlier run had left behind.")
    kept = Keepsake.of(layout, services.metrics_ports(names, layout, env), assembly.buckets_of(env))
    servers = assembly.servers_for(layout, kept, env)
    state = assembly.state_of(layout, kept, servers, env, names)
    environment = assembly.environment_of(layout, state, env)
    tell("Preparing the servers.")
    own = [assembly.with_own_identity(p, servers) for p in services.programs_for(names, layout, kept.ports, env)]
    programs = servers.prepare() + own
    write_private(layout.token_file, state.token)
    write_private(layout.supervisor_file, render(layout, programs, as_root=os.geteuid() == 0))
    try:
        state = _start_all(layout, servers, state, environment, programs, tell)
        state.save(layout)  # last: whoever finds it may use the stack
    except BaseException:
        stop(layout)
        raise
    return state


def _start_all(
    layout: Layout,
    servers: Servers,
    state: StackState,
    environment: Mapping[str, str],
    programs: list[Program],
    tell: Tell,
) -> StackState:
    tell("Starting the servers.")
    pid = _supervise(layout, environment)
    readiness.wait(layout, _server_parts(layout, servers, state, environment, tell), _SERVERS_TIMEOUT_S)
    if state.services:
        tell(f"Starting {', '.join(state.services)}.")
        with control.connect(layout) as supervisor:
            supervisor.start_group("services")
        parts = _service_parts(layout, state, programs)
        readiness.wait(layout, parts, services.Sizes.of(environment).ready_timeout_s)
    return state.model_copy(update={"pid": pid})


def _supervise(layout: Layout, environment: Mapping[str, str]) -> int:
    """Start a detached supervisord, which starts the servers; returns its process id."""
    command = (sys.executable, "-m", "supervisor.supervisord", "-c", str(layout.supervisor_file))
    # It returns as soon as it has read its configuration and gone into the background.
    done = subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # After a brace it may quote the whole environment, secrets included.
        said = (done.stderr or done.stdout).partition("{")[0].strip()
        raise StackError(f"supervisord did not start from {layout.supervisor_file}: {said}.")
    with control.connect(layout) as supervisor:
        return supervisor.pid()


def _server_parts(
    layout: Layout, servers: Servers, state: StackState, environment: Mapping[str, str], tell: Tell
) -> dict[str, Missing]:
    # Postgres is there first by a second; its tables are made while the store still starts.
    furnish = [servers.postgres.furnish] if servers.postgres else []
    migrate = [partial(_migrate, layout, environment, tell)] if state.services else []
    database = servers.postgres.missing if servers.postgres else _assumed_ready
    parts = {"postgres" if servers.postgres else "database": _ready_after(database, *furnish, *migrate)}
    if servers.valkey:
        parts["valkey"] = servers.valkey.missing
    parts["seaweedfs" if servers.seaweedfs else "object store"] = _has_buckets(state, environment)
    return parts


def _assumed_ready() -> str | None:
    return None  # a given database: if it is not there, the migrations say so


def _ready_after(missing: Missing, *steps: Callable[[], None]) -> Missing:
    """Ready once it lacks nothing and the steps have been taken."""

    def check() -> str | None:
        lack = missing()
        if lack is None:
            for step in steps:
                step()
        return lack

    return check


def _has_buckets(state: StackState, environment: Mapping[str, str]) -> Missing:
    """Makes the buckets, in the embedded store or the given one: that it can is the proof that it is ready."""
    named = {field: environment.get(f"EARMARK_S3__{field.upper()}") for field in ("audio_bucket", "derived_bucket")}
    named["region"] = environment.get("EARMARK_S3__REGION")
    settings = S3Settings(
        endpoint=state.s3_endpoint,
        access_key=SecretStr(state.s3_access_key),
        secret_key=SecretStr(state.s3_secret_key),
        timeout_s=5.0,
    ).model_copy(update={field: value for field, value in named.items() if value})
    store = ObjectStore(settings)

    def missing() -> str | None:
        try:
            store.ensure_buckets()
        except TransientError as error:
            return str(error)
        return None

    return missing


def _migrate(layout: Layout, environment: Mapping[str, str], tell: Tell) -> None:
    # In a process of its own: what it loads would stay in `earmark up` for as long as the stack runs.
    command = (sys.executable, "-m", "shared.storage.migrate")
    done = subprocess.run(command, env=environment, cwd=layout.run, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout or "{}")
    if done.returncode != 0:
        if said.get("code") == SchemaTooNew.code:
            raise SchemaTooNew(said["message"])
        raise MigrationFailed(f"{(done.stderr or done.stdout).strip()[-2000:]}\n")
    if said["before"] not in {None, said["now"]}:
        tell(f"Brought the tables forward, from revision {said['before']} to {said['now']}.")


def _service_parts(layout: Layout, state: StackState, programs: list[Program]) -> dict[str, Missing]:
    """By program: the console answers for the workers behind it, so that these need no question of their own."""
    parts = {
        program.name: readiness.stays_up(layout, program.name) for program in programs if program.group == "services"
    }
    if "flower" in parts:
        parts["flower"] = readiness.answers(f"{state.flower_url}/healthcheck")
    if "console" in parts:
        parts["console"] = readiness.answers(f"{state.url}/v1/health/ready")
    return parts
