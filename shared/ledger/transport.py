"""kombu's transport over Redis, which would end a worker at every element or broadcast that is no sound message."""

from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty
from typing import Any, Final

from kombu.transport import redis, virtual

from shared.telemetry import logger

log = logger("worker")

_OF_TASKS: Final = frozenset(("lang", "task", "id", "root_id", "argsrepr", "kwargsrepr"))  # the relay's, if not null
_OF_OTHERS: Final = frozenset(("ticket", "hostname"))  # answers to remote control, events
_HEADERS: Final = _OF_TASKS | _OF_OTHERS


class Misshapen(Exception):  # private to the transport: nobody waits for the message
    """What came is JSON, and no message of the kind that is expected."""


class Message(virtual.Message):
    """A message, if the envelope is one, made of the parts that we know: what else there is, nobody reads or keeps.

    Celery takes more from the headers (times, limits, stamps, a clock, compression), and dies of some of it.
    """

    def __init__(self, payload: Any, channel: Any = None, **options: Any) -> None:
        match payload:
            case {
                "body": str() as body,
                "content-type": str() as content_type,
                "content-encoding": str() as content_encoding,
                "headers": dict() as headers,
                "properties": {
                    "body_encoding": str() as body_encoding,
                    "delivery_tag": str() as tag,
                    "delivery_info": {"exchange": str() as exchange, "routing_key": str() as routing_key},
                },
            }:
                known = {
                    "body": body,
                    "content-type": content_type,
                    "content-encoding": content_encoding,
                    "headers": {n: v for n, v in headers.items() if n in _HEADERS and isinstance(v, str)},
                    "properties": {
                        "body_encoding": body_encoding,
                        "delivery_tag": tag,
                        "delivery_info": {"exchange": exchange, "routing_key": routing_key},
                    },
                }
            case _:
                raise Misshapen
        super().__init__(known, channel, **options)


class QoS(redis.QoS):
    """Notes what must be acknowledged, which only a task's message must: remote control and events are not noted.

    What is refused here is gone. A worker that dies of it later gives it back, and the next one dies of it, too.
    """

    def append(self, message: Any, delivery_tag: str) -> None:
        """Note a message that was taken out of a queue, unless it is no task's."""
        if not {"task", "id"} <= message.headers.keys():
            raise Misshapen
        super().append(message, delivery_tag)


class Channel(redis.Channel):
    """Throws away what is no message, says so, and goes on."""

    Message = Message
    QoS = QoS

    def _brpop_read(self, **options: Any) -> Any:  # from a queue
        with self._sifting():
            return super()._brpop_read(**options)

    def _receive_one(self, c: Any) -> Any:  # what was published: remote control, events
        with self._sifting():
            return super()._receive_one(c)

    @contextmanager
    def _sifting(self) -> Iterator[None]:
        """Celery connects anew after errors of the connection; all others are the fault of what came over it."""
        try:
            yield
        except (Empty, *self.connection_errors, *self.connection.channel_errors):
            raise
        except Exception as error:  # of JSON, of kombu's types within it, of codecs: no list of them would be whole
            log.warning("message_unreadable", error=type(error).__name__)
            raise Empty from error


class Transport(redis.Transport):
    """Redis, with such channels."""

    Channel = Channel


NAME: Final = f"{__name__}:Transport"
