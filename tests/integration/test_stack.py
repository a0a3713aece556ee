"""The embedded servers: real ones, started, killed, stopped and started again."""

import io
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
import urllib3
from minio import Minio
from minio.error import MinioException

from services.launcher import stack
from services.launcher.stack import StackState, errors, family
from services.launcher.stack.layout import Layout
from tests.support.stack import until

HEALED_WITHIN_S = 30.0
SERVERS = ("postgres", "valkey", "seaweedfs")


@contextmanager
def data_dir() -> Iterator[Path]:
    # Not pytest's tmp_path: as root, that is closed to the user that Postgres runs as.
    path = Path(tempfile.mkdtemp(prefix="earmark-test-"))
    try:
        yield path
    finally:
        stack.down(path)
        shutil.rmtree(path)


@pytest.fixture(scope="module")
def running() -> Iterator[StackState]:
    with data_dir() as path:
        yield stack.up(path, services=())


@pytest.fixture
def fresh() -> Iterator[Path]:
    with data_dir() as path:
        yield path


class Postgres:
    """A row."""

    def __init__(self, state: StackState) -> None:
        self.url = state.database_url

    def write(self, key: str) -> None:
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS kept (key text)")
            connection.execute("INSERT INTO kept VALUES (%s)", [key])

    def holds(self, key: str) -> bool:
        with psycopg.connect(self.url, connect_timeout=5) as connection:
            return connection.execute("SELECT 1 FROM kept WHERE key = %s", [key]).fetchone() is not None


class Valkey:
    """A key."""

    def __init__(self, state: StackState) -> None:
        self.url = state.redis_url

    def write(self, key: str) -> None:
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            client.set(key, "kept")

    def holds(self, key: str) -> bool:
        with redis.Redis.from_url(self.url, socket_timeout=5) as client:
            return client.get(key) == b"kept"


class SeaweedFS:
    """An object."""

    def __init__(self, state: StackState) -> None:
        self.state = state

    def write(self, key: str) -> None:
        with self.client() as client:
            client.put_object("audio", key, io.BytesIO(b"kept"), 4)

    def holds(self, key: str) -> bool:
        with self.client() as client:
            return client.stat_object("audio", key).size == 4

    @contextmanager
    def client(self) -> Iterator[Minio]:
        with urllib3.PoolManager(retries=False, timeout=5) as pool:
            address = self.state.s3_endpoint.removeprefix("http://")
            yield Minio(
                address,
                access_key=self.state.s3_access_key,
                secret_key=self.state.s3_secret_key,
                secure=False,
                region="us-east-1",
                http_client=pool,
            )


STORES = {"postgres": Postgres, "valkey": Valkey, "seaweedfs": SeaweedFS}


def soon(act: Callable[[], None]) -> None:
    """Try until it works."""
    deadline = time.monotonic() + HEALED_WITHIN_S
    while True:
        try:
            return act()
        except (psycopg.OperationalError, redis.RedisError, MinioException, urllib3.exceptions.HTTPError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def pid_of(state: StackState, name: str) -> int:
    (pid,) = [report.pid for report in stack.processes(state.data_dir) if report.name == name]
    return pid


def living(path: Path) -> list[psutil.Process]:
    """Every process with the data directory in its command line, environment or working directory."""
    return [process for process in psutil.process_iter() if str(path) in traces(process)]


def traces(process: psutil.Process) -> str:
    try:
        return " ".join((*process.cmdline(), *process.environ().values(), process.cwd()))
    except (psutil.Error, OSError):
        return ""


@contextmanager
def handled(number: signal.Signals, handler: Callable[..., None]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_it_is_found_while_it_runs(running: StackState) -> None:
    assert stack.running(running.data_dir) == running
    assert running.pid > 0


def test_its_secrets_are_for_its_owner_alone(running: StackState) -> None:
    layout = Layout(running.data_dir)
    for path in (layout.state_file, layout.keepsake_file, layout.token_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(running.data_dir.stat().st_mode) & 0o007 == 0
    assert layout.token_file.read_text() == running.token


def test_a_second_start_is_refused(running: StackState) -> None:
    with pytest.raises(errors.AlreadyRunning):
        stack.up(running.data_dir, services=())


def test_it_listens_on_loopback_only(running: StackState) -> None:
    addresses = {
        connection.laddr.ip
        for process in family.members(Layout(running.data_dir))
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses == {"127.0.0.1"}


def test_each_process_is_reported_with_what_it_uses(running: StackState) -> None:
    def settled() -> list[stack.ProcessReport] | None:
        found = stack.processes(running.data_dir)  # supervisord says STARTING for the first second
        return found if all(report.state == "RUNNING" for report in found) else None

    reports = {report.name: report for report in until(settled, timeout_s=10)}
    assert set(reports) == {"supervisord", *SERVERS}
    assert all(report.pid and report.rss_mib > 1 for report in reports.values())


def test_the_database_has_pgvector_and_belongs_to_an_ordinary_user(running: StackState) -> None:
    with psycopg.connect(running.database_url) as connection:
        assert connection.execute("SELECT '[1,0]'::vector <=> '[0,1]'::vector").fetchone() == (1.0,)
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)


def test_both_buckets_are_there(running: StackState) -> None:
    with SeaweedFS(running).client() as client:
        assert {bucket.name for bucket in client.list_buckets()} >= {"audio", "derived"}


def test_the_files_of_the_store_cannot_be_read_past_its_keys(running: StackState) -> None:
    SeaweedFS(running).write("private")
    with urllib3.PoolManager(retries=False) as pool:
        filer = f"http://127.0.0.1:{running.ports['filer']}/buckets/audio/private"
        assert pool.request("GET", filer).status == 401
        assert pool.request("PUT", filer, body=b"forged").status == 401


@pytest.mark.parametrize("name", SERVERS)
def test_a_killed_server_heals_and_has_lost_nothing(running: StackState, name: str) -> None:
    store = STORES[name](running)
    store.write("before")
    psutil.Process(pid_of(running, name)).kill()
    soon(lambda: store.write("after"))
    assert store.holds("before")


def test_a_program_can_be_restarted(running: StackState) -> None:
    before = pid_of(running, "valkey")
    stack.restart_program(running.data_dir, "valkey")
    assert pid_of(running, "valkey") not in {0, before}
    with pytest.raises(errors.UnknownService, match="valkye"):
        stack.restart_program(running.data_dir, "valkye")


def test_given_servers_are_used_instead_of_embedded_ones(running: StackState, fresh: Path) -> None:
    given = {
        "EARMARK_DATABASE__URL": running.database_url,
        "EARMARK_REDIS__URL": running.redis_url,
        "EARMARK_S3__ENDPOINT": running.s3_endpoint,
        "EARMARK_S3__ACCESS_KEY": running.s3_access_key,
        "EARMARK_S3__SECRET_KEY": running.s3_secret_key,
        "EARMARK_S3__DERIVED_BUCKET": "elsewhere",
    }
    state = stack.up(fresh, services=(), extra_env=given)
    assert (state.database_url, state.redis_url) == (running.database_url, running.redis_url)
    assert [report.name for report in stack.processes(fresh)] == ["supervisord"]
    with SeaweedFS(running).client() as client:
        assert client.bucket_exists("elsewhere")


def test_in_the_foreground_a_signal_stops_it(running: StackState, fresh: Path) -> None:
    given = {"EARMARK_DATABASE__URL": running.database_url, "EARMARK_REDIS__URL": running.redis_url}
    state = stack.up(fresh, services=(), extra_env=given)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    with handled(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGTERM)):
        stack.foreground(state)
    assert living(fresh) == []
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_in_the_foreground_it_notices_that_somebody_else_stopped_it(running: StackState, fresh: Path) -> None:
    given = {"EARMARK_DATABASE__URL": running.database_url, "EARMARK_REDIS__URL": running.redis_url}
    state = stack.up(fresh, services=(), extra_env=given)
    stack.down(fresh)
    stack.foreground(state)


def test_nothing_is_left_after_down_and_everything_is_back_after_up(fresh: Path) -> None:
    first = stack.up(fresh, services=())
    for store in STORES.values():
        store(first).write("kept")
    assert stack.down(fresh)
    assert living(fresh) == []
    assert stack.running(fresh) is None
    assert stack.processes(fresh) == []
    assert not stack.down(fresh)

    second = stack.up(fresh, services=())
    assert second.public_view() == first.public_view()
    assert all(store(second).holds("kept") for store in STORES.values())


def test_orphans_of_a_killed_supervisor_make_room_for_the_next_start(fresh: Path) -> None:
    first = stack.up(fresh, services=())
    psutil.Process(first.pid).kill()
    assert living(fresh)
    second = stack.up(fresh, services=())
    assert second.ports == first.ports
    psutil.Process(second.pid).kill()
    assert stack.down(fresh)
    assert living(fresh) == []


def test_a_server_that_cannot_start_is_named_and_nothing_is_left_running(fresh: Path) -> None:
    layout = Layout(fresh)
    layout.create()
    manifest = layout.valkey / "appendonlydir" / "appendonly.aof.manifest"
    manifest.parent.mkdir()
    manifest.write_text("not a manifest\n")
    with pytest.raises(errors.NotReady, match=r"(?s)valkey: .*Invalid AOF manifest") as caught:
        stack.up(fresh, services=())
    assert caught.value.code == "not_ready"
    assert living(fresh) == []
