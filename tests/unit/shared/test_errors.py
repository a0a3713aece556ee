"""Every error has a code that stays and a docstring that helps; this looks at all of them."""

import importlib
import pkgutil
from collections import defaultdict

import pytest

import services
import shared
from shared.errors import EarmarkError, PermanentError, RejectedInput, TransientError


def _below(cls: type[EarmarkError]) -> set[type[EarmarkError]]:
    return {cls}.union(*map(_below, cls.__subclasses__()))


def _all_errors() -> list[type[EarmarkError]]:
    for package in (shared, services):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".migrations." not in module.name:
                importlib.import_module(module.name)
    ours = {cls for cls in _below(EarmarkError) if cls.__module__.startswith(("shared", "services"))}
    return sorted(ours, key=lambda cls: (cls.__module__, cls.__name__))


@pytest.fixture(scope="module")
def errors() -> list[type[EarmarkError]]:
    return _all_errors()


def test_the_tree_has_two_branches(errors: list[type[EarmarkError]]):
    # A stack that cannot start is met by a person alone: no worker decides whether to try it again. A rendition that
    # fails is the file's fault or the machine's, nobody knows: attempts count, as of errors that have no name.
    undecided = {e.__module__ for e in errors if not issubclass(e, TransientError | PermanentError)}
    assert undecided == {"shared.errors", "services.launcher.stack.errors", "services.ingest.rendering"}
    assert not [e for e in errors if issubclass(e, TransientError) and issubclass(e, PermanentError)]


def test_every_error_says_what_helps(errors: list[type[EarmarkError]]):
    silent = [e.__qualname__ for e in errors if "__doc__" not in vars(e) or len(e.remedy().split()) < 4]
    assert silent == []
    unfinished = [e.__qualname__ for e in errors if not e.remedy().endswith((".", "`."))]
    assert unfinished == []


def test_every_error_has_a_code_of_its_own(errors: list[type[EarmarkError]]):
    assert [e.__qualname__ for e in errors if "code" not in vars(e)] == []
    names = defaultdict(set)
    for error in errors:
        names[error.code].add(error.__name__)
    assert {code: found for code, found in names.items() if len(found) > 1} == {}
    assert [code for code in names if code != code.lower() or " " in code] == []


def test_a_remedy_is_one_line_and_the_first_paragraph_alone():
    class Odd(RejectedInput):
        """The file is odd;
        make it even.

        And more for whoever reads the source.
        """

        code = "odd"

    assert Odd.remedy() == "The file is odd; make it even."
    assert Odd("It has 3 bytes.").sentence() == "It has 3 bytes. The file is odd; make it even."
    assert Odd().sentence() == str(Odd()) == "The file is odd; make it even."
    assert str(Odd("It has 3 bytes.")) == "It has 3 bytes."
