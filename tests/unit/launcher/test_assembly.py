import stat
import tomllib
from pathlib import Path

import pytest

from services.launcher.stack import assembly
from services.launcher.stack.family import MARKER
from services.launcher.stack.layout import Layout
from services.launcher.stack.servers.seaweedfs import SeaweedFS
from services.launcher.stack.servers.valkey import Valkey
from services.launcher.stack.state import Keepsake, StackState
from shared.settings import Settings

GIVEN = {
    "EARMARK_DATABASE__URL": "postgresql://db.example/earmark",
    "EARMARK_REDIS__URL": "redis://redis.example/0",
    "EARMARK_S3__ENDPOINT": "https://s3.example",
    "EARMARK_S3__ACCESS_KEY": "AK",
    "EARMARK_S3__SECRET_KEY": "SK",
}


@pytest.fixture
def kept() -> Keepsake:
    purposes = ("postgres", "valkey", "s3", "filer", "master", "volume", "admin", "console", "watch", "flower")
    return Keepsake(ports={purpose: 10_000 + number for number, purpose in enumerate(purposes)})


def test_given_servers_are_used_and_no_embedded_one_is_started(layout: Layout, kept: Keepsake) -> None:
    servers = assembly.servers_for(layout, kept, GIVEN)
    assert servers.prepare() == []
    state = assembly.state_of(layout, kept, servers, GIVEN, ())
    assert state.database_url == GIVEN["EARMARK_DATABASE__URL"]
    assert state.redis_url == GIVEN["EARMARK_REDIS__URL"]
    assert (state.s3_endpoint, state.s3_access_key, state.s3_secret_key) == ("https://s3.example", "AK", "SK")


def test_services_read_from_the_environment_what_the_state_says(
    layout: Layout, state: StackState, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in assembly.environment_of(layout, state, {}).items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.database.url.get_secret_value() == state.database_url
    assert settings.redis.url.get_secret_value() == state.redis_url
    assert settings.s3.endpoint == state.s3_endpoint
    assert settings.s3.secret_key.get_secret_value() == state.s3_secret_key
    assert settings.console.port == state.ports["console"]
    assert settings.console.token_file == str(layout.token_file)
    assert settings.ingest.watch_port == state.ports["watch"]
    assert settings.ingest.hint_token.get_secret_value() == state.hint_token


def test_every_process_is_marked_with_its_data_directory(layout: Layout, state: StackState) -> None:
    assert assembly.environment_of(layout, state, {})[MARKER] == str(layout.data_dir)


def test_what_would_change_the_servers_from_outside_is_kept_out(layout: Layout, state: StackState) -> None:
    outside = {"PGOPTIONS": "-c x=y", "WEED_JWT_SIGNING_KEY": "k", "S3_BUCKET": "b", "HOME": "/home/x"}
    environment = assembly.environment_of(layout, state, outside)
    assert not set(environment) & {"PGOPTIONS", "WEED_JWT_SIGNING_KEY", "S3_BUCKET"}
    assert environment["HOME"] == "/home/x"


def test_a_given_database_keeps_its_variables(layout: Layout, state: StackState) -> None:
    environment = assembly.environment_of(layout, state, GIVEN | {"PGSSLROOTCERT": "/ca.pem"})
    assert environment["PGSSLROOTCERT"] == "/ca.pem"


def test_an_empty_address_names_no_server(layout: Layout, kept: Keepsake) -> None:
    assert assembly.servers_for(layout, kept, GIVEN | {"EARMARK_REDIS__URL": ""}).valkey


def test_the_store_reports_the_audio_bucket_to_the_watcher(layout: Layout, kept: Keepsake) -> None:
    program = SeaweedFS(layout, kept, "audio", "derived").prepare()
    webhook = tomllib.loads((program.directory / "notification.toml").read_text())["notification"]["webhook"]
    assert webhook["enabled"] is True
    assert webhook["endpoint"] == f"http://127.0.0.1:{kept.ports['watch']}/hints/seaweedfs"
    assert webhook["bearer_token"] == kept.hint_token
    assert webhook["path_prefixes"] == ["/buckets/audio/"]


def test_the_store_listens_on_loopback_and_reports_to_nobody_else(layout: Layout, kept: Keepsake) -> None:
    command = SeaweedFS(layout, kept, "audio", "derived").prepare().command
    assert {"-ip.bind=127.0.0.1", "-master.telemetry=false"} <= set(command)


def test_no_secret_is_in_a_command_line_or_an_open_file(layout: Layout, kept: Keepsake) -> None:
    secrets = [value for value in kept.model_dump().values() if isinstance(value, str)]
    for program in (SeaweedFS(layout, kept, "audio", "derived").prepare(), Valkey(layout, kept).prepare()):
        assert not any(secret in part for part in program.command for secret in secrets)
    written = [path for path in layout.run.rglob("*") if path.is_file()]
    assert len(written) == 4
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in written)


def test_valkey_keeps_what_it_is_told_and_refuses_rather_than_forgets(layout: Layout, kept: Keepsake) -> None:
    program = Valkey(layout, kept).prepare()
    lines = Path(program.command[1]).read_text().splitlines()
    assert {"appendonly yes", "appendfsync everysec", "maxmemory-policy noeviction", "bind 127.0.0.1"} <= set(lines)
