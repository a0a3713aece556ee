"""What Celery imports in the parent of its workers loads no heavy library and opens nothing; a task is one line."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TASK_MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.glob("services/*/tasks.py")
)
HEAVY = ("torch", "onnxruntime", "sklearn", "soundfile", "av", "soxr", "scipy", "librosa")

# Python reports what it opens to an audit hook; libpq connects in C, so the sockets are counted at the end too.
WATCHED = """
import importlib, json, os, sys

opened = []

def watch(event, arguments):
    if event == "socket.connect":
        opened.append(f"connection to {arguments[1]}")
    elif event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        opened.append(f"{arguments[0]} for writing")

sys.dont_write_bytecode = True
sys.addaudithook(watch)
importlib.import_module(sys.argv[1])

standing = []
for number in os.listdir("/proc/self/fd"):
    try:
        standing.append(os.readlink(f"/proc/self/fd/{number}"))
    except FileNotFoundError:  # of the listing itself
        continue
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps({"opened": opened, "sockets": [s for s in standing if s.startswith("socket:")], "heavy": heavy}))
"""

# A machine that only ingests has no torch, and need not have the rest before the first task.
BLOCKED = """
import importlib, json, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

blocked = set(json.loads(sys.argv[2]))
sys.meta_path.insert(0, Missing())
module = importlib.import_module(sys.argv[1])
print(json.dumps(sorted(name for name in module.app.tasks if not name.startswith("celery."))))
"""


def run(script: str, module: str, names: tuple[str, ...]):
    command = [sys.executable, "-W", "error", "-c", script, module, json.dumps(names)]
    # With its input from nowhere and its output in pipes, no socket is inherited.
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_each_worker_service_has_its_tasks():
    assert TASK_MODULES == ["services.clusterer.tasks", "services.embedder.tasks", "services.ingest.tasks"]


@pytest.mark.parametrize("module", TASK_MODULES)
def test_importing_tasks_loads_no_heavy_library_and_opens_nothing(module: str):
    assert run(WATCHED, module, HEAVY) == {"opened": [], "sockets": [], "heavy": []}


def test_ingest_tasks_can_be_imported_where_torch_is_not_installed():
    names = ["ingest.erase", "ingest.register", "ingest.render", "ingest.segment", "ingest.unpack"]
    assert run(BLOCKED, "services.ingest.tasks", ("torch", "torchaudio")) == names


@pytest.mark.parametrize("module", TASK_MODULES)
def test_tasks_can_be_imported_where_no_model_library_is_installed(module: str):
    assert run(BLOCKED, module, ("torch", "onnxruntime", "sklearn")) != []


@pytest.mark.parametrize("module", TASK_MODULES)
def test_a_task_is_one_line_under_its_docstring(module: str):
    tree = ast.parse((ROOT / Path(*module.split("."))).with_suffix(".py").read_text())
    tasks = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert tasks
    for task in tasks:
        assert [ast.unparse(d.func) for d in task.decorator_list if isinstance(d, ast.Call)] == ["consumes"], task.name
        _, *body = task.body
        assert ast.get_docstring(task), task.name
        assert [node.lineno == node.end_lineno for node in body] == [True], task.name


def test_every_subscription_has_its_task():
    from shared.ledger.routes import SUBSCRIPTIONS

    found = {name for module in TASK_MODULES for name in run(BLOCKED, module, ())}
    assert found == {subscription.name for subscription in SUBSCRIPTIONS}
