"""One tree with two branches: what is worth trying again, and what is not.

Every error has a stable `code` that events, the API and the command line carry; the docstring of a class is its
remedy, shown to whoever meets it.
"""

from typing import ClassVar


class EarmarkError(Exception):
    """Something went wrong that Earmark has a name for."""

    code: ClassVar[str] = "error"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.remedy())
        self.detail = detail

    @classmethod
    def remedy(cls) -> str:
        """What a person can do about it: the first paragraph of the class's docstring."""
        return " ".join((cls.__doc__ or "").split("\n\n", 1)[0].split())

    def sentence(self) -> str:
        """What happened, then what helps, as one line."""
        return f"{self.detail} {self.remedy()}".strip() if self.detail else self.remedy()


class TransientError(EarmarkError):
    """A server did not answer or answered that it is busy; the ledger tries again with backoff."""

    code = "unavailable"


class PermanentError(EarmarkError):
    """Trying again cannot help."""

    code = "failed"


class RejectedInput(PermanentError):
    """The file cannot be used as a recording; the reason names what to change."""

    code = "rejected"


class InvalidRequest(PermanentError):
    """The request cannot be carried out as it was put; change it and send it again."""

    code = "invalid_request"


class NotFound(PermanentError):
    """Nothing stands under that name or id; list what there is and use one of those."""

    code = "not_found"


class Conflict(PermanentError):
    """The request contradicts what stands already."""

    code = "conflict"
