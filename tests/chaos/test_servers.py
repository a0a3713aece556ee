"""Valkey and Postgres are killed, and the network between them and us fails."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from time import monotonic, sleep
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
import redis

from services.launcher import stack
from tests.chaos import faults
from tests.chaos.conftest import QUICK, Clips
from tests.chaos.loads import putting
from tests.chaos.observing import Observer, Outcome
from tests.chaos.scale import scaled
from tests.support.stack import FullStack, open_folder, until
from tests.support.tcp_proxy import TcpProxy, Trouble

Report = Callable[[Outcome], Outcome]
TROUBLES: tuple[Trouble, ...] = ("half-open", "reset", "latency", "throttle")
RESUMES_S = 15.0  # as promised: from Postgres' return until work is done again
HEALS_S = 30.0  # as promised: from a network's return until everything flows


def test_valkey_is_killed_and_emptied(mortal: FullStack, observer: Observer, clips: Clips, report: Report) -> None:
    n, kills, flushes = scaled(4000, 250), scaled(10, 2), scaled(3, 1)
    with putting(mortal, "valkey", clips(n)):
        for fault in range(kills + flushes):
            sleep(1.0)
            observer.fault()
            if fault % 4 == 2:
                with suppress(redis.ConnectionError):
                    faults.valkey(mortal).flushall()
            else:
                faults.kill_program(mortal.data_dir, "valkey")
    observer.wait("valkey", n)
    outcome = report(observer.outcome("Valkey killed or emptied", "valkey", n))
    assert (outcome.lost, outcome.doubled) == (0, 0)


def test_postgres_is_killed(mortal: FullStack, observer: Observer, clips: Clips, report: Report) -> None:
    n, kills = scaled(2000, 200), scaled(5, 1)
    before, n_starts = programs(mortal), faults.starts(mortal.data_dir, "postgres")
    resumed_s = []
    with putting(mortal, "postgres", clips(n)):
        for _ in range(kills):
            sleep(2.0)
            observer.fault()
            faults.kill_program(mortal.data_dir, "postgres")
            until(lambda: answers(mortal), timeout_s=60)
            came_back = monotonic()
            done = finished(mortal)
            until(lambda done=done: finished(mortal) > done, timeout_s=60)
            resumed_s.append(monotonic() - came_back)
    observer.wait("postgres", n)
    outcome = observer.outcome("Postgres killed; next work done after its return", "postgres", n)
    outcome = report(replace(outcome, recoveries_s=resumed_s))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert max(resumed_s) < RESUMES_S, resumed_s
    assert programs(mortal) == before, "something crashed"
    assert faults.starts(mortal.data_dir, "postgres") == n_starts + kills, "Postgres could not be started at once"


def programs(target: FullStack) -> dict[str, int]:
    """Process ids of all but Postgres."""
    return {p.name: p.pid for p in stack.processes(target.data_dir) if p.name != "postgres"}


def answers(target: FullStack) -> bool:
    try:
        return bool(target.sql("SELECT 1"))
    except psycopg.Error:
        return False


def finished(target: FullStack) -> int:
    ((n,),) = target.sql("SELECT count(*) FROM observed.done")
    return n


@dataclass(frozen=True)
class Far:
    """A stack whose services reach their servers through proxies."""

    stack: FullStack
    links: dict[str, TcpProxy]


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with open_folder() as near, open_folder() as away:
        servers = stack.up(near, services=())
        urls = {"postgres": servers.database_url, "valkey": servers.redis_url, "s3": servers.s3_endpoint}
        links = {name: TcpProxy(urlsplit(url).port or 0) for name, url in urls.items()}
        through = {name: rerouted(url, links[name].port) for name, url in urls.items()}
        given = {
            "EARMARK_DATABASE__URL": through["postgres"],
            "EARMARK_REDIS__URL": through["valkey"],
            "EARMARK_S3__ENDPOINT": through["s3"],
            "EARMARK_S3__ACCESS_KEY": servers.s3_access_key,
            "EARMARK_S3__SECRET_KEY": servers.s3_secret_key,
        }
        try:
            state = stack.up(away, extra_env={**QUICK, **given})
            direct = {
                "database_url": servers.database_url,
                "redis_url": servers.redis_url,
                "s3_endpoint": servers.s3_endpoint,
            }
            yield Far(FullStack(state.model_copy(update=direct)), links)  # tests go by the good road
        finally:
            stack.down(away)
            for link in links.values():
                link.close()
            stack.down(near)


def rerouted(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{port}")))


@pytest.mark.parametrize("server", ["postgres", "valkey", "s3"])
def test_the_network_fails(far: Far, server: str, clips: Clips, report: Report) -> None:
    """Each trouble lasts some seconds; 30 s after the last one at most, everything flows again."""
    rounds, lasts_s = scaled(2, 1), scaled(8, 2)
    observer = Observer(far.stack)
    each = scaled(100, 25)
    recoveries_s = []
    name = f"net-{server}"
    far.stack.collection(name, segmenter="whole", encoders=["spectral"])
    files = clips(each * rounds * len(TROUBLES))
    for turn, trouble in enumerate(TROUBLES * rounds):
        with far.links[server].troubled(trouble):
            observer.fault()
            for clip in files[turn * each : (turn + 1) * each]:
                far.stack.put(clip, f"{name}/{clip.parent.name}/{clip.name}")
            sleep(lasts_s)
        healed = monotonic()
        observer.wait(name, (turn + 1) * each, timeout_s=60)
        recoveries_s.append(monotonic() - healed)
    outcome = observer.outcome(f"network to {server}: {', '.join(TROUBLES)}", name, len(files))
    outcome = report(replace(outcome, recoveries_s=recoveries_s))
    assert (outcome.lost, outcome.doubled) == (0, 0)
    assert max(recoveries_s) < HEALS_S, recoveries_s
