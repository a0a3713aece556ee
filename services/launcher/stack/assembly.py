"""Decide what one stack consists of: which servers are embedded and which are given, and who gets which settings."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from services.launcher.stack.account import open_path, postgres_account
from services.launcher.stack.family import MARKER
from services.launcher.stack.identities import STORE_RIGHTS, key_of, service_of
from services.launcher.stack.layout import Layout
from services.launcher.stack.ports import LOOPBACK
from services.launcher.stack.programs import Program
from services.launcher.stack.servers.postgres import Postgres
from services.launcher.stack.servers.seaweedfs import ACCESS_KEY, SeaweedFS
from services.launcher.stack.servers.valkey import Valkey
from services.launcher.stack.state import Keepsake, StackState
from shared.settings import S3Settings

DATABASE_URL = "EARMARK_DATABASE__URL"
REDIS_URL = "EARMARK_REDIS__URL"
S3_ENDPOINT = "EARMARK_S3__ENDPOINT"
S3_ACCESS_KEY = "EARMARK_S3__ACCESS_KEY"
S3_SECRET_KEY = "EARMARK_S3__SECRET_KEY"  # noqa: S105  # a variable's name
AUDIO_BUCKET = "EARMARK_S3__AUDIO_BUCKET"
DERIVED_BUCKET = "EARMARK_S3__DERIVED_BUCKET"

_NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing"

# Variables that would change what weed and Postgres, libpq included, do past the configuration that we write for them.
_WEED_PREFIXES = ("WEED_", "S3_")
_POSTGRES_PREFIX = "PG"


@dataclass(frozen=True, slots=True)
class Servers:
    """The embedded ones; None where the environment names an existing server instead."""

    postgres: Postgres | None
    valkey: Valkey | None
    seaweedfs: SeaweedFS | None

    def prepare(self) -> list[Program]:
        """Get each ready to be started."""
        return [server.prepare() for server in (self.postgres, self.valkey, self.seaweedfs) if server]


def with_own_identity(program: Program, servers: Servers) -> Program:
    """The program as the role and with the key of its service, where the server is embedded.

    What has no such role or key gets none: not everybody's.
    """
    service = service_of(program)
    own = dict(program.environment)
    if servers.postgres:
        own[DATABASE_URL] = servers.postgres.url_of(service) if service else _NOWHERE
    if servers.seaweedfs:
        has_key = service in STORE_RIGHTS
        own[S3_ACCESS_KEY] = key_of(service) if service and has_key else ""
        own[S3_SECRET_KEY] = servers.seaweedfs.secret_of(service) if service and has_key else ""
    return replace(program, environment=own)


def servers_for(layout: Layout, kept: Keepsake, env: Mapping[str, str]) -> Servers:
    """Embedded servers for all that the environment does not name.

    Raises Unreachable.
    """
    embeds_postgres = not env.get(DATABASE_URL)
    account = postgres_account() if embeds_postgres else None
    if account:
        open_path(layout.data_dir, account)
    return Servers(
        postgres=Postgres(layout, kept, account) if embeds_postgres else None,
        valkey=None if env.get(REDIS_URL) else Valkey(layout, kept),
        seaweedfs=None if env.get(S3_ENDPOINT) else SeaweedFS(layout, kept, *buckets_of(env)),
    )


def buckets_of(env: Mapping[str, str]) -> tuple[str, str]:
    """The names of the bucket of audio and of the one of what is derived."""
    defaults = S3Settings()
    return env.get(AUDIO_BUCKET, defaults.audio_bucket), env.get(DERIVED_BUCKET, defaults.derived_bucket)


def state_of(
    layout: Layout, kept: Keepsake, servers: Servers, env: Mapping[str, str], services: Collection[str]
) -> StackState:
    """Every address of the stack, embedded or given."""
    return StackState(
        url=f"http://{LOOPBACK}:{kept.ports['console']}",
        flower_url=f"http://{LOOPBACK}:{kept.ports['flower']}",
        s3_endpoint=servers.seaweedfs.endpoint if servers.seaweedfs else env[S3_ENDPOINT],
        s3_access_key=ACCESS_KEY if servers.seaweedfs else env.get(S3_ACCESS_KEY, ""),
        s3_secret_key=kept.s3_secret_key if servers.seaweedfs else env.get(S3_SECRET_KEY, ""),
        buckets=buckets_of(env),
        database_url=servers.postgres.url if servers.postgres else env[DATABASE_URL],
        redis_url=servers.valkey.url if servers.valkey else env[REDIS_URL],
        data_dir=layout.data_dir,
        token=kept.token,
        hint_token=kept.hint_token,
        ports=kept.ports,
        services=tuple(services),
    )


def settings_of(layout: Layout, state: StackState) -> dict[str, str]:
    """What shared/settings.py reads in every service of this stack."""
    return {
        DATABASE_URL: state.database_url,
        REDIS_URL: state.redis_url,
        S3_ENDPOINT: state.s3_endpoint,
        S3_ACCESS_KEY: state.s3_access_key,
        S3_SECRET_KEY: state.s3_secret_key,
        "EARMARK_INGEST__WATCH_HOST": LOOPBACK,
        "EARMARK_INGEST__WATCH_PORT": str(state.ports["watch"]),
        "EARMARK_INGEST__HINT_TOKEN": state.hint_token,
        "EARMARK_CONSOLE__HOST": LOOPBACK,
        "EARMARK_CONSOLE__PORT": str(state.ports["console"]),
        "EARMARK_CONSOLE__TOKEN_FILE": str(layout.token_file),
    }


def environment_of(layout: Layout, state: StackState, env: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of supervisord, which all its programs inherit.

    It goes this way, not through supervisord's configuration, because that cannot hold every value (quotes, for one).
    """
    ours = settings_of(layout, state) | {
        "EARMARK_LOG_JSON": "true",
        "PYTHONUNBUFFERED": "1",
        MARKER: str(layout.data_dir),
    }
    # A given database may be one that only PGPASSFILE or PGSSLROOTCERT opens.
    foreign = _WEED_PREFIXES if env.get(DATABASE_URL) else (*_WEED_PREFIXES, _POSTGRES_PREFIX)
    return {name: value for name, value in env.items() if not name.startswith(foreign)} | ours
