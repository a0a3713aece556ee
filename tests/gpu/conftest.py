"""Tests for a machine with a GPU: deselected where there is none, and run there from a bare checkout with torch."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # Earmark itself need not be installed there


def pytest_collection_modifyitems(config, items):
    mine = [item for item in items if item.get_closest_marker("gpu")]
    if mine and not _has_gpu():
        items[:] = [item for item in items if item not in mine]
        config.hook.pytest_deselected(items=mine)


def _has_gpu():
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()
