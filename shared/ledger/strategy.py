"""What a worker takes for a message: Celery believes whoever can write to Redis, and would die of a misshapen one."""

from collections.abc import Callable
from typing import Any, Final

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

STRATEGY: Final = "shared.ledger.strategy:careful"  # what a task names as its own


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's strategy, for messages of the relay's shape; all others are logged and thrown away."""
    handle: Callable[..., Any] = default(task, app, consumer, **options)

    def received(message: Any, *arguments: Any, **named: Any) -> Any:
        if not _is_ours(message):
            raise InvalidTaskError("The message is not one that the relay sends.")
        return handle(message, *arguments, **named)

    return received


def _is_ours(message: Any) -> bool:
    """Arguments by place, and nothing that would have the worker keep the message: no time to come, no way back."""
    match message.payload:  # decoded here; Celery throws away what cannot be
        case [[str(), [*event_ids]], {}, {}]:
            headers = message.headers
            return all(isinstance(e, str) for e in event_ids) and not (headers.get("eta") or headers.get("expires"))
        case _:
            return False
