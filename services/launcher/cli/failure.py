"""The one way in which a command fails: a code, what happened, and what helps."""

from typing import Self

from shared.errors import EarmarkError

FAILED = 1
WRONG_USAGE = 2
REJECTED_INPUTS = 3
_USAGE_CODES = frozenset({"wrong_usage", "invalid_request", "bad_condition", "unknown_split"})
ADDRESS_REMEDY = "Check --url and EARMARK_URL; without them, the stack that runs on this machine is asked."


class Failure(Exception):
    """A command that cannot go on; `run` prints it as one line and leaves with its exit status.

    Not an EarmarkError: the code and the remedy of most come from the API, word for word.
    """

    def __init__(
        self,
        code: str,
        message: str,
        remedy: str = "",
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.status = status
        """The HTTP status it came with, if it came over HTTP."""
        self.retry_after_s = retry_after_s
        """When to ask again, if it is only for now that nothing was done."""

    @classmethod
    def of(cls, error: EarmarkError) -> Self:
        """The same, of an error that was raised in this process."""
        return cls(error.code, error.detail or error.remedy(), error.remedy() if error.detail else "")

    @property
    def exit_status(self) -> int:
        """Options of which only the API or the corpus can tell that they are wrong are wrong usage all the same."""
        return WRONG_USAGE if self.code in _USAGE_CODES else FAILED

    def document(self) -> dict[str, dict[str, str]]:
        """As --json prints it, and as the API puts it."""
        return {"error": {"code": self.code, "message": self.message, "remedy": self.remedy}}


def no_stack() -> Failure:
    """Nobody is known who could answer."""
    return Failure("not_running", "No stack is running.", "Start one: earmark up")


def nobody_at(url: str) -> Failure:
    """Nobody listens at an address of this machine."""
    return Failure("not_running", f"Nothing runs at {url}.", f"Start a stack: earmark up. {ADDRESS_REMEDY}")
