import pytest

from services.launcher.stack import processors, services
from services.launcher.stack.errors import UnknownService
from services.launcher.stack.layout import Layout
from services.launcher.stack.programs import Program

PORTS = {"flower": 5555}


def program(layout: Layout, name: str, **env: str) -> Program:
    (found,) = services.programs_for((name,), layout, PORTS, env)
    return found


def test_all_services_are_meant_when_none_is_named() -> None:
    assert services.checked(None) == services.SERVICES


def test_the_servers_alone_are_no_service() -> None:
    assert services.checked(()) == ()


def test_an_unknown_service_is_refused() -> None:
    with pytest.raises(UnknownService, match="embeder"):
        services.checked(("relay", "embeder"))


@pytest.mark.parametrize("name", ["ingest", "embedder", "clusterer"])
def test_a_worker_hears_all_queues_of_its_service(layout: Layout, name: str) -> None:
    command = program(layout, name).command
    more = {"ingest": ["ingest.later"], "embedder": ["embedder.later"], "clusterer": ["clusterer.people"]}[name]
    assert f"--queues={','.join([name, f'{name}.isolated', *more])}" in command
    assert f"services.{name}.tasks" in command
    assert "--task-events" in command


@pytest.mark.parametrize("name", ["ingest", "embedder", "clusterer"])
def test_a_worker_computes_with_one_thread(layout: Layout, name: str) -> None:
    environment = program(layout, name).environment
    assert (
        environment["OMP_NUM_THREADS"] == environment["OPENBLAS_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "1"
    )


def test_a_worker_has_time_to_end_its_task(layout: Layout) -> None:
    ingest = program(layout, "ingest")
    assert (ingest.stop_signal, ingest.stop_wait_s) == ("TERM", 60)


def test_there_is_one_clusterer_process(layout: Layout) -> None:
    assert "--concurrency=1" in program(layout, "clusterer").command


def test_the_number_of_processes_can_be_set(layout: Layout) -> None:
    assert "--concurrency=5" in program(layout, "ingest", EARMARK_STACK__INGEST_PROCESSES="5").command
    embedder = program(layout, "embedder", EARMARK_STACK__EMBEDDER_PROCESSES="3", EARMARK_EMBEDDER__DEVICE="cpu")
    assert "--concurrency=3" in embedder.command


def test_embedders_on_a_cpu_are_capped(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "cores", lambda: 64)
    assert services.Sizes.of({}).embedders == 4
    assert services.Sizes.of({"EARMARK_STACK__EMBEDDER_PROCESSES_CAP": "32"}).embedders == 32


def test_each_gpu_has_a_worker_with_one_process(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_torch_has_cuda", lambda: True)
    programs = services.programs_for(("embedder",), layout, PORTS, {"CUDA_VISIBLE_DEVICES": "2,3"})
    assert [found.name for found in programs] == ["embedder-gpu0", "embedder-gpu1"]
    assert [found.environment["CUDA_VISIBLE_DEVICES"] for found in programs] == ["2", "3"]
    assert all("--concurrency=1" in found.command for found in programs)


def test_the_cpu_is_used_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_torch_has_cuda", lambda: True)
    assert processors.gpus({"CUDA_VISIBLE_DEVICES": "0,1", "EARMARK_EMBEDDER__DEVICE": "cpu"}) == ()


def test_there_is_at_least_one_core() -> None:
    assert processors.cores() >= 1


def test_flower_listens_on_loopback_only(layout: Layout) -> None:
    command = program(layout, "flower").command
    assert "--address=127.0.0.1" in command
    assert "--port=5555" in command
