"""Every module is small enough to be read at once, and says what it owns."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    path
    for top in ("shared", "services", "demo", "benchmarks")
    for path in ROOT.glob(f"{top}/**/*.py")
    if "migrations" not in path.parts
)
LONGEST = 300
LONGER = {"shared/storage/tables.py"}  # a list of tables, which refer to each other: nobody reads it as prose


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", [p for p in MODULES if name(p) not in LONGER], ids=name)
def test_a_module_has_300_lines_at_most(path: Path):
    assert len(path.read_text().splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_opens_with_what_it_owns(path: Path):
    assert ast.get_docstring(ast.parse(path.read_text()))


def test_the_exceptions_are_still_needed():
    assert all(len((ROOT / longer).read_text().splitlines()) > LONGEST for longer in LONGER)


def test_no_module_inherits_from_a_class_of_ours_but_errors_models_and_protocols():
    """Protocols and functions instead of base classes."""
    allowed = {
        # the trees of events, errors and API models
        "Event", "EarmarkError", "TransientError", "PermanentError", "RejectedInput", "InvalidRequest", "NotFound",
        "Conflict", "StackError", "Unauthenticated", "Forbidden", "Asked", "Shown",
    }  # fmt: skip
    ours = {node.name: node for path in MODULES for node in ast.walk(_tree(path)) if isinstance(node, ast.ClassDef)}
    parents = {(cls.name, ast.unparse(base).partition("[")[0]) for cls in ours.values() for base in cls.bases}
    found = {(child, parent) for child, parent in parents if parent in ours and parent not in allowed}
    assert found == set()


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())
