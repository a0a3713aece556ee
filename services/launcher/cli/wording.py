"""Say what the API refused in the words of the command line: its options and arguments, not fields of requests."""

import re
from collections.abc import Sequence
from typing import Protocol

from services.launcher.cli.failure import Failure

_FIELD = re.compile(r"\b(?:body|query|path|header)\.(\w+)(?:\.\d+)*")
_WHOLE_BODY = re.compile(r"\bbody: ")
_SUFFIX = re.compile(r"(_ids?|_s|s)$")
_INVALID = "invalid_request"


class Parameter(Protocol):
    """An option or an argument of a command, as typer has it."""

    @property
    def name(self) -> str | None:
        """How the command's code calls it."""
        ...

    @property
    def opts(self) -> Sequence[str]:
        """How it is typed: `--segment`."""
        ...


def in_words(failure: Failure, parameters: Sequence[Parameter], command: str) -> Failure:
    """The same failure; of an invalid request, with what the caller has typed in place of `body.segment_ids.0`."""
    if failure.code != _INVALID:
        return failure
    message = _FIELD.sub(lambda field: _typed(field[1], parameters), _WHOLE_BODY.sub("", failure.message))
    remedy = f"See `{command} --help`." if "openapi" in failure.remedy else failure.remedy
    return Failure(failure.code, message, remedy, status=failure.status)


def _typed(field: str, parameters: Sequence[Parameter]) -> str:
    """`segment_ids` came with --segment, `speaker` perhaps as SPEAKER; a field that is neither goes by its name."""
    names = (field, _SUFFIX.sub("", field))
    for parameter in parameters:
        if parameter.name in names or any(f"--{name}" in parameter.opts for name in names):
            options = [option for option in parameter.opts if option.startswith("--")]
            return options[0] if options else str(getattr(parameter, "metavar", None) or field).upper()
    return field
