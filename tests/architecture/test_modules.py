"""Every module is small enough to be read at once, and says what it owns."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for top in ("shared", "services", "demo", "benchmarks")
    for path in sorted(ROOT.glob(f"{top}/**/*.py"))
    if "migrations" not in path.parts
}
LONGEST = 300


def test_no_module_has_more_than_300_lines():
    lengths = {name: len(text.splitlines()) for name, text in MODULES.items()}
    assert {name for name, n_lines in lengths.items() if n_lines > LONGEST} == set()


def test_every_module_opens_with_what_it_owns():
    assert [name for name, text in MODULES.items() if not ast.get_docstring(ast.parse(text))] == []
