"""The door to Postgres: transactions whose failures have names, and binary COPY on the same connection."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from shared.errors import TransientError
from shared.settings import DatabaseSettings

Transaction = Connection
"""An open transaction; storage functions take one and never commit it."""


class DatabaseUnavailable(TransientError):
    """Postgres did not answer; the work is tried again when it does."""

    code = "database_unavailable"


class GoneMeanwhile(TransientError):
    """What this refers to was removed at the same moment, as by a split or an erasure: look again, and try again."""

    code = "gone_meanwhile"


class Transactions(Protocol):
    """What most of its users need of a database."""

    def begin(self) -> AbstractContextManager[Transaction]:
        """One transaction: committed on a clean exit, rolled back otherwise."""


class Database:
    """A pool of connections to one Postgres. Opens nothing until the first transaction."""

    def __init__(self, settings: DatabaseSettings, *, ping: bool = True) -> None:
        """`ping` looks whether a pooled connection still lives before each transaction, for a round trip."""
        self._url = with_driver(settings.url.get_secret_value())
        self._engine = sa.create_engine(
            self._url,
            hide_parameters=True,  # names and texts stay out of logs and dead letters
            pool_size=settings.pool_size,
            max_overflow=4,
            pool_pre_ping=ping,
            connect_args={
                "connect_timeout": settings.connect_timeout_s,
                # A half-open connection is noticed within half a minute instead of hanging a worker for ever.
                "keepalives_idle": 10,
                "keepalives_interval": 5,
                "keepalives_count": 3,
                "tcp_user_timeout": 30_000,
                "prepare_threshold": 3,
            },
        )

    @contextmanager
    def begin(self) -> Iterator[Transaction]:
        """One transaction: committed on a clean exit, rolled back otherwise.

        Raises DatabaseUnavailable when the server is away or the transaction must be tried again, GoneMeanwhile when
        another transaction has removed what this one refers to.
        """
        try:
            with self._engine.begin() as tx:
                try:
                    yield tx
                except BaseException:
                    _abandon_if_busy(tx)
                    raise
        except sa.exc.DBAPIError as error:
            if error.connection_invalidated or isinstance(error.orig, _RETRYABLE):
                raise DatabaseUnavailable(str(error.orig).strip().split("\n", 1)[0]) from error
            if isinstance(error.orig, psycopg.errors.ForeignKeyViolation):
                raise GoneMeanwhile("Something was removed meanwhile.") from error
            raise
        except (psycopg.OperationalError, sa.exc.TimeoutError) as error:
            raise DatabaseUnavailable(str(error).strip().split("\n", 1)[0]) from error

    def listen(self, channel: str) -> psycopg.Connection[Any]:
        """An autocommit connection of its own that hears NOTIFY on one channel; the caller closes it."""
        try:
            connection = psycopg.connect(
                self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False),
                autocommit=True,
                connect_timeout=5,
            )
            connection.execute(psycopg.sql.SQL("LISTEN {}").format(psycopg.sql.Identifier(channel)))
        except psycopg.OperationalError as error:
            raise DatabaseUnavailable(str(error).strip().split("\n", 1)[0]) from error
        return connection

    def close(self) -> None:
        """Close every pooled connection."""
        self._engine.dispose()


def _abandon_if_busy(tx: Transaction) -> None:
    """Close a connection that was interrupted in the middle of a statement, by a time limit say.

    It cannot roll back any more; trying to would hide what interrupted it behind an error of the connection.
    """
    if not tx.invalidated and driver(tx).info.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
        tx.invalidate()


def driver(tx: Transaction) -> psycopg.Connection[Any]:
    """The psycopg connection under a transaction, for what SQLAlchemy does not speak: binary COPY."""
    connection: psycopg.Connection[Any] | None = tx.connection.driver_connection
    assert connection is not None
    return connection


def notify(tx: Transaction, channel: str, payload: str = "") -> None:
    """Ring the doorbell of a channel when this transaction commits; the payload is a hint, 7999 bytes at most."""
    tx.execute(sa.text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


_RETRYABLE = (
    psycopg.OperationalError,
    psycopg.errors.SerializationFailure,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.AdminShutdown,
    psycopg.errors.CrashShutdown,
    psycopg.errors.CannotConnectNow,
)


def with_driver(url: str) -> str:
    """The URL with the driver that Earmark uses, when it names none."""
    parsed = sa.engine.make_url(url)
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    return parsed.render_as_string(hide_password=False)
