"""What a worker takes for a message: Celery believes whoever can write to Redis, and would die of a misshapen one."""

from collections.abc import Callable
from typing import Any, Final

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

STRATEGY: Final = "shared.ledger.strategy:careful"  # what a task names as its own


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's strategy, for messages of the relay's shape; all others are logged and thrown away.

    The transport has left nothing in their headers at which Celery could fail. If it fails all the same, its pool does,
    and the worker had better end than throw away whatever comes.
    """
    handle: Callable[..., Any] = default(task, app, consumer, **options)

    def received(message: Any, *arguments: Any, **named: Any) -> Any:
        if not _is_ours(message):
            raise InvalidTaskError("The message is not one that the relay sends.")
        return handle(message, *arguments, **named)

    return received


def _is_ours(message: Any) -> bool:
    """Arguments by place, and nothing that is to follow: no answer, no other task."""
    match message.payload:  # decoded here; Celery throws away what cannot be
        case [[str(), [*event_ids]], dict() as named, dict() as following]:
            return all(isinstance(e, str) for e in event_ids) and not named and not any(following.values())
        case _:
            return False
