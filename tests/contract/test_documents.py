"""What the documents promise is there: linked pages, commands with their options, make targets, settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from services.launcher.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")] + list((ROOT / "docs").rglob("*.md"))
)
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")
BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:earmark|make) [a-z][^`]*)`")
# Read elsewhere than in shared/settings.py, whose variables docs/settings.md lists.
OTHER_VARIABLES = {
    "EARMARK_DATA_DIR",
    "EARMARK_URL",
    "EARMARK_TOKEN",
    "EARMARK_TRACEBACK",
    "EARMARK_STACK_OF",
    "EARMARK_HISTORIES",
    "EARMARK_BENCH_PLOTS",
    "EARMARK_BAD_INPUT",
    "EARMARK_FUZZ_S",
}


def commands() -> Iterator[list[str]]:
    """The words of every `earmark` and `make` command, in blocks of shell and in running text."""
    for page in PAGES:
        text = page.read_text()
        lines = [line for block in BLOCK.finditer(text) for line in block[1].splitlines()]
        for line in lines + INLINE.findall(text):
            words = shlex.split(line, comments=True) if line.startswith(("earmark ", "make ")) else []
            if len(words) > 1 and not words[1].startswith(("[", "...")):
                yield words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path):
    targets = [link[1] for link in LINK.finditer(page.read_text()) if "://" not in link[1]]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_earmark_command_exists_with_its_options():
    wrong = []
    for words in commands():
        if words[0] != "earmark":
            continue
        command, rest = typer.main.get_command(app), words[1:]
        while rest and rest[0] in getattr(command, "commands", ()):  # a group's
            command, rest = command.commands[rest[0]], rest[1:]
        known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        options = {word for word in rest if word.startswith("-")} - {"--json"}
        unfinished = hasattr(command, "commands") and not command.invoke_without_command
        if unfinished or options - known:
            wrong.append(" ".join(words))
    assert wrong == []


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {word for words in commands() if words[0] == "make" for word in words[1:2]}
    assert named <= targets
    assert {"demo", "test", "check", "bench", "up", "down"} <= targets


def test_every_variable_is_a_setting():
    settings = set(re.findall(r"^\| `(EARMARK_\w+)` \|", (ROOT / "docs" / "settings.md").read_text(), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"EARMARK_[A-Z0-9_]+[A-Z0-9]", page.read_text())}
    assert named - settings - OTHER_VARIABLES == set()


def test_decisions_are_numbered_one_by_one_and_fit_on_a_screen():
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{n:04d}" for n in range(1, len(decisions) + 1)]
    for path in decisions:
        text = path.read_text()
        assert text.startswith(f"# {path.name[:4]} "), path.name
        assert re.findall(r"^## (\w+)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], path.name
        assert len(text.splitlines()) <= 60, path.name
