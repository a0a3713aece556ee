"""Structured logs: events with fields, ids instead of objects; never audio, text, tokens or presigned URLs."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import structlog


def configure_logging(level: str = "INFO", *, json: bool = True) -> None:
    """Send structlog and the standard library's logs to stderr, one line an event."""
    logging.basicConfig(stream=sys.stderr, level=level, format="%(message)s", force=True)
    # Local variables stay out of tracebacks: they may hold audio, text or tokens.
    frames = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
    tracebacks = structlog.processors.ExceptionRenderer(frames) if json else structlog.processors.format_exc_info
    renderer = structlog.processors.JSONRenderer() if json else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            tracebacks,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose every event says which part of Earmark it comes from."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger(component=name)
    return log


@contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Every line that this thread or task writes meanwhile has these fields, whichever component it comes from."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield
