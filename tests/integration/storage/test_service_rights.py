"""What the services' roles and keys are good for, on the real servers."""

import io
from collections.abc import Callable

import psycopg
import pytest
import sqlalchemy as sa
from minio import Minio
from minio.error import S3Error
from pydantic import SecretStr

from services.launcher.stack.identities import key_of, secret_of
from services.launcher.stack.layout import Layout
from services.launcher.stack.servers.postgres import Postgres
from services.launcher.stack.state import Keepsake
from shared.settings import Settings
from shared.storage import encoders, roles
from shared.storage.database import Database
from shared.storage.roles import RIGHTS, SERVICES, Service
from tests.support.stack import Servers, s3_client


@pytest.fixture
def kept(servers: Servers, settings: Settings) -> Keepsake:
    found = Keepsake.read(Layout(servers.state.data_dir))
    assert found is not None
    return found


@pytest.fixture
def postgres(servers: Servers, kept: Keepsake) -> Postgres:
    return Postgres(Layout(servers.state.data_dir), kept, None)


@pytest.fixture
def as_(postgres: Postgres) -> Callable[[Service], psycopg.Connection]:
    return lambda service: psycopg.connect(postgres.url_of(service), autocommit=True)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_reads_its_tables_and_no_others(as_: Callable, service: Service, database: Database) -> None:
    own = {*RIGHTS[service].writes.split(), *RIGHTS[service].reads.split()}
    with as_(service) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        for (table,) in tables:
            if table in own:
                connection.execute(f'SELECT FROM "{table}" LIMIT 1')
            else:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f'SELECT FROM "{table}" LIMIT 1')


@pytest.mark.parametrize(
    ("service", "statement"),
    [
        ("relay", "SELECT * FROM assignment"),
        ("relay", "UPDATE collection SET segmenter = 'x'"),
        ("ingest", "SELECT * FROM token"),
        ("ingest", "INSERT INTO encoder (name) VALUES ('x')"),
        ("embedder", "DELETE FROM assignment"),
        ("clusterer", "SELECT * FROM audit_entry"),
        ("console", "ALTER TABLE audit_entry DISABLE TRIGGER ALL"),
        ("console", "TRUNCATE audit_entry"),
        ("console", "CREATE TABLE mine (x int)"),
        ("console", "SELECT make_embedding_partition(77)"),
        ("embedder", "SELECT drop_embedding_partition(1)"),
        ("watch", "DROP TABLE collection"),
    ],
)
def test_what_a_role_may_not(as_: Callable, database: Database, service: Service, statement: str) -> None:
    with as_(service) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_embedders_announce_encoders_with_a_partition(
    as_: Callable, postgres: Postgres, settings: Settings, database: Database
) -> None:
    address = SecretStr(postgres.url_of("embedder"))
    theirs = Database(settings.database.model_copy(update={"url": address}))
    with theirs.begin() as tx:
        made = encoders.announce_encoder(tx, "mine", "mine@1", 4, {"revision": "1"})
    theirs.close()
    partition = f"embedding_{made.encoder_id}"
    for service in ("embedder", "clusterer", "console"):
        with as_(service) as connection:
            connection.execute(f"DELETE FROM {partition}")
    with as_("relay") as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(f"SELECT FROM {partition}")


PUT_AUDIO, PUT_RECORDINGS, PUT_FRAMES = "audio/c/a.wav", "derived/recordings/a", "derived/frames/a"


@pytest.mark.parametrize(
    ("service", "may_put", "may_list"),
    [
        ("watch", set(), {"audio"}),
        ("ingest", {PUT_AUDIO, PUT_RECORDINGS}, {"audio", "derived"}),
        ("embedder", {PUT_FRAMES}, {"derived"}),
        ("reconciler", {PUT_RECORDINGS, PUT_FRAMES}, {"derived"}),
        ("console", {PUT_AUDIO}, set()),
        ("clusterer", set(), set()),
        ("relay", set(), set()),
    ],
)
def test_a_service_reaches_its_part_of_the_store(
    servers: Servers, kept: Keepsake, service: Service, may_put: set[str], may_list: set[str]
) -> None:
    client = _client(servers, kept, service)
    for place in (PUT_AUDIO, PUT_RECORDINGS, PUT_FRAMES):
        bucket, _, key = place.partition("/")

        def put(bucket: str = bucket, key: str = key) -> None:
            client.put_object(bucket, key, io.BytesIO(b"x"), 1)

        assert _allowed(put) == (place in may_put), place
    for bucket in ("audio", "derived"):

        def look(bucket: str = bucket) -> None:
            list(client.list_objects(bucket, recursive=True))

        assert _allowed(look) == (bucket in may_list), bucket


@pytest.mark.parametrize("service", ["embedder", "clusterer", "relay", "reconciler"])
def test_what_strangers_put_is_not_for_every_service(servers: Servers, kept: Keepsake, service: Service) -> None:
    s3_client(servers.state).put_object("audio", "c/theirs.wav", io.BytesIO(b"x"), 1)
    client = _client(servers, kept, service)
    assert not _allowed(lambda: client.get_object("audio", "c/theirs.wav").close())


def _client(servers: Servers, kept: Keepsake, service: Service) -> Minio:
    return Minio(
        servers.state.s3_endpoint.removeprefix("http://"),
        access_key=key_of(service),
        secret_key=secret_of(kept.s3_secret_key, service),
        secure=False,
        region="us-east-1",
    )


def _allowed(call: Callable[[], None]) -> bool:
    try:
        call()
    except S3Error as error:
        return error.code not in {"AccessDenied", "InvalidAccessKeyId"}
    return True


def test_a_superuser_makes_the_roles_on_a_server_of_ones_own(postgres: Postgres, settings: Settings) -> None:
    address = postgres._url("postgres", postgres.kept.superuser_password, "earmark")
    theirs = Database(settings.database.model_copy(update={"url": SecretStr(address)}))
    privilege = sa.text("SELECT has_table_privilege('earmark_relay', :table, 'SELECT')")
    with theirs.begin() as tx:
        tx.execute(sa.text("DROP OWNED BY earmark_relay"))
        tx.execute(sa.text("DROP ROLE earmark_relay"))
        assert roles.create(tx) == ["earmark_relay"]
        roles.grant(tx)
        assert tx.execute(privilege, {"table": "delivery"}).scalar_one() is True
        assert tx.execute(privilege, {"table": "assignment"}).scalar_one() is False
        tx.rollback()
    theirs.close()
