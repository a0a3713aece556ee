"""Vectors as the API delivers them: an array, its index and the encoder."""

import io
import json
from typing import Any

import numpy as np

ENCODER = {"name": "tiny", "space": "tiny_1", "dimension": 3, "dtype": "float32", "spec": {"revision": "1"}}


def row(key: str, n: int = 0, **more: Any) -> dict[str, Any]:
    """A line of the index."""
    return {"segment_id": f"{key}-{n}", "object_key": key, "start_s": float(n), "end_s": n + 1.0, **more}


def facts(n_vectors: int, **more: Any) -> dict[str, Any]:
    """What encoder.json says of an export of so many."""
    counts = {"segments": n_vectors, "without_vector": 0, "to_backfill": 0}
    return {**ENCODER, "collection": "talk", "subset": None, **counts, **more}


def delivered(index: list[dict[str, Any]], vectors: np.ndarray | None = None, **more: Any) -> dict[str, bytes]:
    """The files of an export, by name; `more` is said in encoder.json."""
    rows = np.random.default_rng(5).normal(size=(len(index), 3)).astype(np.float32) if vectors is None else vectors
    array = io.BytesIO()
    np.save(array, rows)
    lines = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in index)
    return {
        "embeddings.npy": array.getvalue(),
        "index.jsonl": lines.encode(),
        "encoder.json": json.dumps(facts(len(index), **more)).encode(),
    }
