"""Counters that several processes share, and the page that Prometheus reads.

Each test counts in processes of its own: where values lie is decided once a process.
"""

import ast
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from shared import metrics
from shared.metrics import Sample
from tests.support.scraping import parsed

FORKED = """
import os, sys, json
from pathlib import Path
if sys.argv[2] == "library first":
    import prometheus_client
from shared import metrics

metrics.share(Path(sys.argv[1]))
for n in (1, 2):
    child = os.fork()
    if child == 0:
        metrics.count("earmark_deliveries_total", n, subscription="ingest.register", outcome="done")
        metrics.observe("earmark_decode_seconds", 0.2)
        os._exit(0)
    os.waitpid(child, 0)
print(json.dumps(metrics.exposition().decode()))
"""


@pytest.mark.parametrize("order", ["library first", "library later"])
def test_what_forked_processes_counted_before_they_died_is_added_up(tmp_path: Path, order: str) -> None:
    done = subprocess.run([sys.executable, "-c", FORKED, tmp_path, order], capture_output=True, text=True, check=True)
    found = parsed(json.loads(done.stdout))
    assert found["earmark_deliveries_total"] == {("done", "ingest.register"): 3}
    assert found["earmark_decode_seconds_count"] == {(): 2}
    assert found["earmark_decode_seconds_bucket"]["0.1",] == 0
    assert found["earmark_decode_seconds_bucket"]["0.5",] == 2


DYING = """
import os, sys
from pathlib import Path
from shared import metrics

metrics.share(Path(sys.argv[1]))
metrics.count("earmark_handed_on_total", 5, reason="unclaimed")
pages = []
for _ in range(2):
    for _ in range(3):
        child = os.fork()
        if child == 0:
            metrics.count("earmark_handed_on_total", reason="unclaimed")
            metrics.observe("earmark_decode_seconds", 0.2)
            os._exit(0)
        os.waitpid(child, 0)
    pages.append(metrics.exposition().decode())
    pages.append(metrics.exposition().decode())
print(pages, sorted(file.name.replace(str(os.getpid()), "own") for file in Path(sys.argv[1]).iterdir()), sep="\\n")
"""


def test_the_files_of_dead_processes_become_one_and_no_counter_falls(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", DYING, tmp_path], capture_output=True, text=True, check=True)
    pages, files = map(ast.literal_eval, done.stdout.splitlines())
    assert [parsed(page)["earmark_handed_on_total"]["unclaimed",] for page in pages] == [8, 8, 11, 11]
    assert [parsed(page)["earmark_decode_seconds_count"][()] for page in pages] == [3, 3, 6, 6]
    assert [parsed(page)["earmark_decode_seconds_bucket"]["0.5",] for page in pages] == [3, 3, 6, 6]
    assert {"counter_dead.db", "counter_own.db", "histogram_dead.db", "histogram_own.db"} >= set(files)


SERVED = """
import json, sys
from shared import metrics
from shared.settings import MetricsSettings

metrics.serve(MetricsSettings(port=int(sys.argv[1])))
metrics.put("earmark_redis_queue_messages", 7, queue="ingest")
print(json.dumps(metrics.exposition().decode()))
"""


def test_a_port_that_is_taken_stops_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run([sys.executable, "-c", SERVED, port], capture_output=True, text=True, check=True)
    *logged, page = done.stdout.splitlines()
    assert parsed(json.loads(page))["earmark_redis_queue_messages"] == {("ingest",): 7}
    assert "metrics_not_served" in "".join(logged)


def test_samples_stand_beside_what_was_counted_and_each_family_is_described_once() -> None:
    samples = [Sample("earmark_recordings", 3, ("ready",)), Sample("earmark_recordings", 4, ("rejected",))]
    text = metrics.exposition(samples).decode()
    assert parsed(text)["earmark_recordings"] == {("ready",): 3, ("rejected",): 4}
    described = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(described) == len(set(described))


def test_no_series_says_when_it_began() -> None:
    metrics.count("earmark_fences_lost_total", subscription="ingest.register")
    assert "_created" not in metrics.exposition().decode()
