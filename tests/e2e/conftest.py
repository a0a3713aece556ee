"""A stack and a corpus of their own for `earmark embed`: other tests count their recordings."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.corpora import sap_contributor
from tests.support.embed_runs import ETIOLOGIES, config_file, embed
from tests.support.stack import FullStack, open_folder, running_stack


@pytest.fixture(scope="session")
def embedding_stack() -> Iterator[FullStack]:
    """A stack of its own: other tests count its recordings."""
    with open_folder() as folder:
        yield from running_stack(folder)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train and Dev in SAP's shape, a missing WAV and a folder without JSON among them."""
    root = tmp_path_factory.mktemp("sap") / "extracted_data"
    hz = 200.0
    for split, share in (("Train", 1), ("Dev", 3)):
        for etiology, n_wavs in ETIOLOGIES.items():
            for part, n in enumerate((n_wavs // share // 2, n_wavs // share - n_wavs // share // 2)):
                if n:
                    sap_contributor(root / split, f"{split}-{etiology[:2]}-{part}", n, etiology, hz=hz)
                    hz += 200
    (root / "Train" / "SpeechAccessibility_2025-11-02_000").mkdir()
    next((root / "Dev").rglob("*.wav")).unlink()
    return root


@pytest.fixture(scope="session")
def embedded(
    embedding_stack: FullStack, corpus: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The config carried out once: where its files are, and what the command said."""
    out = tmp_path_factory.mktemp("embeddings") / "ge2e"
    return out, embed(embedding_stack, "--config", config_file(corpus, out))
