"""Extraction configs over a corpus in SAP's shape, and the command that carries them out."""

import json
from pathlib import Path
from typing import Any

from tests.support.stack import FullStack

ETIOLOGIES = {"Parkinson's Disease": 12, "ALS": 10, "Cerebral Palsy": 7, "Down Syndrome": 4, "Stroke": 2}
N_WANTED = 17


def config_file(corpus: Path, out: Path, **changes: Any) -> Path:
    data = {
        "dataset_root": str(corpus),
        "split": "Train",
        "percent": 100,
        "sampling": "stratified",
        "seed": 42,
        "max_samples": N_WANTED,
        "modes": {"debug": {"percent": 10, "max_samples": None, "sampling": "random"}},
    }
    whole = {
        "data_config_path": "Config/dataloader_config.json",
        "data_mode": "default",
        "data_config_override": data,
        "output_dir": str(out),
        "mapping_path": str(out / "mapping.json"),
        "overwrite": False,
        "encoder": "ge2e",
    }
    path = out.with_suffix(".json")
    path.write_text(json.dumps(whole | changes))
    return path


def embed(stack: FullStack, *words: str | Path) -> dict[str, Any]:
    done = stack.earmark("embed", *map(str, words), "--json", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def train_keys(corpus: Path) -> dict[str, list[str]]:
    strata: dict[str, list[str]] = {etiology: [] for etiology in ETIOLOGIES}
    for path in (corpus / "Train").rglob("*.wav"):
        metadata = json.loads((path.parent / f"{path.parent.name}.json").read_text())
        strata[metadata["Etiology"]].append(path.relative_to(corpus).as_posix())
    return strata


def refused(stack: FullStack, *words: str | Path) -> tuple[int, str, str]:
    done = stack.earmark("embed", *map(str, words), "--json", check=False)
    error = json.loads(done.stdout)["error"]
    return done.returncode, error["code"], error["message"]
