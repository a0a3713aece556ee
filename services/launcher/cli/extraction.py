"""The way of `earmark embed`: import if need be, draw, have the sample embedded, write its files.

Every step may be done again: what is done already is found done.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from services.launcher.cli.arrivals import until_cut, until_registered
from services.launcher.cli.backfill import run_backfill
from services.launcher.cli.client import Client, Document, api_path
from services.launcher.cli.corpus import tell_problems
from services.launcher.cli.corpus_import import CorpusImport
from services.launcher.cli.delivery import download_folder, workshop_of, writable
from services.launcher.cli.extraction_config import DataConfig, check_excluded, encoder_for, read_config
from services.launcher.cli.failure import Failure
from services.launcher.cli.models import READING_WAIT_S, checked, refuse_failed, until_read
from services.launcher.cli.progress import CountBar, spinner
from services.launcher.cli.sample_files import frames_by
from services.launcher.cli.sample_folder import SampleFolder
from services.launcher.cli.samples import OF_EMBED, draw
from services.launcher.cli.troubles import reasons
from services.launcher.cli.vector_files import Vectors
from shared.corpora import sap
from shared.corpora.items import Problem, Tally

# One sample a recording; what is drawn is embedded by the encoder that was asked for, and all else by the cheapest.
_NEW_COLLECTION: Final[Mapping[str, object]] = MappingProxyType({"segmenter": "whole", "encoders": ["spectral"]})
_AS_THE_SCRIPTS: Final[Mapping[str, object]] = MappingProxyType(
    {"family": "whisper", "poolings": ["none"], "window": "padded", "frames": "float32"}
)
"""The frames of the last layer in a window of 30 s: 1500 of them."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to embed, and where the files go."""

    collection: str
    encoder: str
    wanted: Document  # as for `earmark sample`
    out: Path
    mapping: Path
    corpus: Path | None = None  # what was imported; None: the files are named by their keys
    overwrite: bool = False
    waits: bool = False  # for files that are still arriving
    deadline_s: float = float("inf")  # of the monotonic clock: how long it is waited, all in all

    def left_s(self) -> float:
        """How long it may still be waited."""
        return max(self.deadline_s - time.monotonic(), 0.0)

    def subset(self) -> str:
        """The name of its subset: one sample of one corpus, one name, however often it is asked for."""
        root = str(self.corpus.resolve()) if self.corpus else None
        wanted = json.dumps([self.wanted, root] if root else self.wanted, sort_keys=True, ensure_ascii=False)
        return f"{OF_EMBED}{sha256(wanted.encode()).hexdigest()[:12]}"


def by_config(
    api: Client,
    path: Path,
    mode: str | None,
    collection: str | None,
    encoder: str | None,
    timeout_s: float,
    *,
    partial: bool,
    waits: bool,
) -> Document:
    """Carry a config out, with one of its modes. Raises Failure."""
    config, data = read_config(path, mode)
    check_excluded(data)
    root = Path(data.dataset_root)
    named = encoder or config.encoder
    order = Order(
        collection or root.resolve().name,
        named or encoder_for(config.whisper_model),
        _wanted(data) | ({"partial": True} if partial else {}),
        config.out(),
        config.mapping(),
        root,
        config.overwrite,
        waits,
        deadline_s=time.monotonic() + timeout_s,
    )
    _make_ready(api, order, None if named else config.whisper_model)
    imported = _import(api, order, data.split)
    problems = imported["problems"] if imported else _problems_of(root, data.split)
    report = _carried_out(api, order)
    rejected = _n_rejected(api, order.collection, data.split)
    return {**report, "rejected": rejected, "imported": imported, "problems": problems}


def carry_out(api: Client, order: Order) -> Document:
    """Draw, embed and write what a collection holds; the report of it. Raises Failure."""
    _make_ready(api, order, None)
    return _carried_out(api, order)


def _problems_of(root: Path, split: str) -> dict[str, int]:
    """What the folder lacks now, for a run that imports nothing: its exit status is that of the one that did."""
    tally = Tally()
    with spinner("counting what is missing"):
        for entry in sap.read(root, split):
            if isinstance(entry, Problem):
                tally.add(entry)
    return tally.counts


def _n_rejected(api: Client, collection: str, split: str) -> int:
    """How many files of the split could not be used, in this import of it or in an earlier one."""
    rejected = api.rows(api_path("collections", collection, "objects"), state="rejected")
    return sum(row["object_key"].startswith(f"{collection}/{split}/") for row in rejected)


def _wanted(data: DataConfig) -> Document:
    return {
        "percent": data.percent,
        "max_samples": data.max_samples,
        "sampling": data.sampling,
        "by": "etiology" if data.sampling == "stratified" else None,
        "where": [f"split={data.split}"],
        "exclude": [f"etiology={etiology}" for etiology in data.excluded()],
        "seed": data.seed,
    }


def _import(api: Client, order: Order, split: str) -> Document | None:
    """Bring the split into the collection, if its sample has not been drawn yet; None if it has.

    Raises Failure `import_incomplete`: of a part of the corpus another sample would be drawn.
    """
    assert order.corpus is not None
    if not (order.corpus / split).is_dir():
        raise Failure("no_corpus", f"There is no folder {order.corpus / split}.", "See dataset_root in the config.")
    if not order.overwrite and _stands_already(api, order.collection, order.subset()):
        return None
    settings = {} if _stands_already(api, order.collection) else dict(_NEW_COLLECTION)
    with CountBar("import") as bar:
        entries = sap.read(order.corpus, split)
        imported = CorpusImport(api, order.collection, settings, bar).run(entries, order.left_s())
    if not imported.files:
        raise Failure(
            "no_corpus", f"{order.corpus / split} holds no contributor's recordings.", "See earmark corpus check."
        )
    if unfinished := imported.statuses.keys() & {"failed", "pending"}:
        counts = ", ".join(f"{imported.statuses[status]} {status}" for status in sorted(unfinished))
        known = [f"{outcome.object_key}: {outcome.reason}" for outcome in imported.troubled]
        known += reasons(imported.work) if imported.work else ()
        message = f"Not all files are there: {counts}. {' '.join(known)}".strip()
        raise Failure("import_incomplete", message, "Run the same command again.")
    tell_problems(imported.problems)
    return {"files": imported.files, "sent": imported.sent, **imported.statuses, "problems": imported.problems.counts}


def _stands_already(api: Client, collection: str, subset: str | None = None) -> bool:
    try:
        api.get(api_path("collections", collection, *(("subsets", subset) if subset else ())))
    except Failure as failure:
        if failure.code in {"unknown_collection", "unknown_subset"}:
            return False
        raise
    return True


def _make_ready(api: Client, order: Order, whisper_model: str | None) -> None:
    """See that there is such an encoder, before anything is done; what a Whisper is named after is added.

    Raises Failure with the reason why it cannot be had.
    """
    name, wait_s = order.encoder, min(order.left_s(), READING_WAIT_S)
    path = api_path("encoders", name)
    try:
        found = api.get(path)
    except Failure as failure:
        if failure.code != "unknown_encoder" or whisper_model is None:
            raise
        found = None
    if whisper_model and (found is None or (found["state"] == "failed" and found["model"] == whisper_model)):
        api.post(api_path("encoders"), {"name": name, "model": whisper_model, **_AS_THE_SCRIPTS})
    with spinner(f"reading {name}"):
        found = until_read(api, name, wait_s)
    refuse_failed([found])
    if found["state"] != "ready" and (failed := checked(api, name, wait_s)).get("code"):
        raise Failure(failed["code"], failed["reason"], f"To try it again: earmark encoders check {name}")


def _carried_out(api: Client, order: Order) -> Document:
    folder = SampleFolder(order.out, order.mapping, order.corpus, frames_by(api), overwrite=order.overwrite)
    with writable(order.out), workshop_of(order.out) as workshop:
        drawn = _subset(api, order)
        subset = until_cut(api, order.collection, drawn["name"], order.left_s())
        path = api_path("collections", order.collection, "backfills")
        request: Document = {"encoder": order.encoder, "subset": subset["name"]}
        done = run_backfill(api, api.post(path, request), order.left_s())
        chosen = {"encoder": order.encoder, "subset": subset["name"]}
        export = api_path("collections", order.collection, "export", "embeddings")
        with spinner("writing"):
            vectors = Vectors(download_folder(workshop, lambda file: api.download(export, file, chosen)))
            written = folder.write(vectors, workshop)
    return {
        "collection": order.collection,
        "subset": subset["name"],
        "encoder": order.encoder,
        "recordings": subset["n_recordings"],
        "samples": written.n_samples,
        "written": written.n_samples - written.n_kept,
        "kept": written.n_kept,
        "without_vector": done["without_voice"],
        "without_segment": subset["without_segment"],
        "several_segments": subset["several_segments"],
        "warnings": subset["warnings"],
        "output_dir": str(order.out),
        "mapping_path": str(order.mapping),
    }


def _subset(api: Client, order: Order) -> Document:
    if order.waits:
        until_registered(api, order.collection, order.wanted, order.left_s())
    with spinner("drawing"):
        if order.overwrite:
            try:
                api.delete(api_path("collections", order.collection, "subsets", order.subset()))
            except Failure as failure:
                if failure.code != "unknown_subset":
                    raise
        return draw(api, order.collection, order.subset(), order.wanted)
