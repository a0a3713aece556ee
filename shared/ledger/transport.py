"""kombu's transport over Redis, which would end a worker at every element of a queue that is no message."""

from json import JSONDecodeError
from queue import Empty
from typing import Any, Final

from kombu.transport import redis, virtual

from shared.telemetry import logger

log = logger("worker")


class Misshapen(Exception):  # private to the transport: nobody waits for the message
    """What lies in a queue is JSON, and no envelope of a message."""


_UNREADABLE: Final = (JSONDecodeError, UnicodeDecodeError, RecursionError, Misshapen)


class Message(virtual.Message):
    """A message, if the envelope is one."""

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        match payload:
            case {"properties": {"delivery_tag": str(), "delivery_info": dict()}, "headers": dict()}:
                pass
            case _:
                raise Misshapen
        try:
            super().__init__(payload, channel, **options)
        except (TypeError, ValueError, LookupError, AttributeError) as error:  # of a body that cannot be unpacked
            raise Misshapen from error


class Channel(redis.Channel):
    """Takes what is no message out of the queue, says so, and goes on."""

    Message = Message

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)
        except _UNREADABLE as error:
            log.warning("message_unreadable", error=type(error).__name__)
            raise Empty from error


class Transport(redis.Transport):
    """Redis, with such channels."""

    Channel = Channel


NAME: Final = f"{__name__}:Transport"
