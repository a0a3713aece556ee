"""Turn a handler into a Celery task that claims its deliveries, works, and commits everything at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import cache
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import UUID

from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded

from shared import events
from shared.errors import EarmarkError, PermanentError, TransientError
from shared.events import Event
from shared.ledger import claims as ledger_claims
from shared.ledger import measuring
from shared.ledger.claims import Claim, Failure
from shared.ledger.outbox import Announcement, announce, publish
from shared.ledger.strategy import STRATEGY
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database, DatabaseUnavailable, Transaction
from shared.telemetry import bound, logger

log = logger("ledger")


class FenceLost(TransientError):
    """Another worker took the delivery over while this one was frozen; what this one did was not committed."""

    code = "fence_lost"


@dataclass(frozen=True, slots=True, eq=False)
class Delivered:
    """One event as a handler receives it; equal to itself only, so that it can key what a handler makes of it."""

    event: Event
    claim: Claim


@dataclass(slots=True)
class Commit:
    """What a handler writes in the transaction that ends its work."""

    tx: Transaction
    announcements: list[Announcement] = field(default_factory=list)
    deferred: dict[UUID, Failure] = field(default_factory=dict)

    def publish(self, event: Event, cause: Delivered, event_id: UUID | None = None) -> None:
        """Announce an event that follows from `cause`; a content-derived id makes it exist once."""
        self.announcements.append(announce(event, event_id=event_id, cause=cause.claim.as_cause()))

    def defer(self, delivered: Delivered, error: EarmarkError) -> None:
        """Try this one again later, while its batch mates are done."""
        self.deferred[delivered.claim.event_id] = _failure_of(error, alone=True)


class Work:
    """A batch of deliveries of one subscription, leased for as long as this object is entered."""

    def __init__(self, database: Database, delivered: Sequence[Delivered], settings: LedgerSettings) -> None:
        self.database = database
        self._settings = settings
        self._open = {d.claim.event_id: d for d in delivered}
        self._stop = threading.Event()
        context = copy_context()  # the thread's log lines name the message, too
        self._keeper = threading.Thread(target=context.run, args=(self._keep_leases,), name="leases", daemon=True)

    @property
    def delivered(self) -> tuple[Delivered, ...]:
        """What is not committed yet, in the order in which the events were announced."""
        return tuple(self._open.values())

    @contextmanager
    def commit(self, delivered: Sequence[Delivered] | None = None) -> Iterator[Commit]:
        """The one transaction in which effects are written, events announced and deliveries deleted.

        Raises FenceLost, with nothing written, when another worker has taken one of the deliveries over.
        """
        done = self.delivered if delivered is None else tuple(delivered)
        with self.database.begin() as tx:
            commit = Commit(tx)
            yield commit
            publish(tx, commit.announcements)
            finished = [d.claim for d in done if d.claim.event_id not in commit.deferred]
            if ledger_claims.finish(tx, finished) != len(finished):
                measuring.taken_over(finished)
                raise FenceLost
            deferred = {d.claim: commit.deferred[d.claim.event_id] for d in done if d.claim.event_id in commit.deferred}
            states = [ledger_claims.release(tx, [claim], why, self._settings) for claim, why in deferred.items()]
        measuring.done(finished)
        measuring.released(list(deferred), [state for one in states for state in one])
        for d in done:
            self._open.pop(d.claim.event_id, None)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._keeper.join()

    def _keep_leases(self) -> None:
        while not self._stop.wait(self._settings.lease_s / 3):
            try:
                with self.database.begin() as tx:
                    ledger_claims.renew(tx, [d.claim for d in self.delivered], self._settings.lease_s)
            except Exception as error:  # noqa: BLE001  # whatever it was: the fence decides in the end, the work goes on
                log.warning("lease_not_renewed", error=type(error).__name__)


Handler = Callable[[Work], None]


def consumes(app: Celery, subscription: str) -> Callable[[Handler], Handler]:
    """Register a handler as the Celery task of one subscription; the task's name is the subscription's."""

    def register(handler: Handler) -> Handler:
        def task(message_id: str, event_ids: list[str]) -> None:
            settings = Settings().ledger
            run(handler, subscription, message_id, [UUID(e) for e in event_ids], process_database(), settings)

        app.task(task, name=subscription, shared=False, Strategy=STRATEGY)
        return handler

    return register


@cache
def process_database() -> Database:
    """The pool of this worker process, built at its first task, after the fork.

    It does not ping: a connection that died is noticed by the claim, which is tried once more.
    """
    return Database(Settings().database, ping=False)


def run(
    handler: Handler,
    subscription: str,
    message_id: str,
    event_ids: Sequence[UUID],
    database: Database,
    settings: LedgerSettings,
) -> None:
    """Claim, work, and hand back what could not be done. Only a database that is away escapes, as a log line."""
    with bound(subscription=subscription, message_id=message_id):
        try:
            claims = _claim(database, subscription, event_ids, settings.lease_s)
            if claims:
                with measuring.claimed(claims):
                    _work_on(claims, handler, database, settings)
            else:
                measuring.nothing_left(subscription)
        except TransientError as error:  # the lease runs out and the reconciler hands the deliveries on
            log.warning("work_abandoned", code=error.code)


def _work_on(claims: Sequence[Claim], handler: Handler, database: Database, settings: LedgerSettings) -> None:
    began = monotonic()
    delivered = _parse(database, claims, settings)
    with Work(database, delivered, settings) as work:
        failure = _attempt(handler, work)
        _settle(work, failure, settings)
    log.info(
        "work_done" if failure is None else "work_failed",
        n_events=len(claims),
        code=failure.code if failure else None,
        took_s=round(monotonic() - began, 3),
    )


def _claim(database: Database, subscription: str, event_ids: Sequence[UUID], lease_s: float) -> list[Claim]:
    try:
        with database.begin() as tx:
            return ledger_claims.claim(tx, subscription, event_ids, lease_s)
    except DatabaseUnavailable:  # Postgres was restarted since the last message: the pool has been renewed by now
        with database.begin() as tx:
            return ledger_claims.claim(tx, subscription, event_ids, lease_s)


def _parse(database: Database, claims: Sequence[Claim], settings: LedgerSettings) -> list[Delivered]:
    delivered = []
    for claim in claims:
        try:
            delivered.append(Delivered(events.parse(claim.type, claim.data), claim))
        except (events.UnknownEvent, ValueError) as error:
            failure = _unreadable(error)
            with database.begin() as tx:
                measuring.released([claim], ledger_claims.release(tx, [claim], failure, settings))
    return delivered


def _unreadable(error: events.UnknownEvent | ValueError) -> Failure:
    """An event of a newer version waits for a worker of that version; one of another shape is nobody's to read."""
    if isinstance(error, events.UnknownEvent):
        return Failure(error.code, str(error), blameless=True)
    return Failure("unreadable_event", str(error), hopeless=True)


def _attempt(handler: Handler, work: Work) -> Failure | None:
    if not work.delivered:
        return None
    measuring.packed([d.claim for d in work.delivered], [d.event for d in work.delivered])
    try:
        handler(work)
    except SoftTimeLimitExceeded:
        return Failure("time_limit", "The work took longer than a task may.")
    except EarmarkError as error:
        log.warning("handler_failed", code=error.code, error=str(error))
        return _failure_of(error, alone=len(work.delivered) == 1)
    except Exception as error:  # poison of any kind is isolated, counted and buried with its reason
        log.exception("handler_raised")
        return Failure(type(error).__name__, f"{type(error).__name__}: {error}")
    if work.delivered:
        return Failure("not_committed", "The handler returned without committing these deliveries.")
    return None


def _settle(work: Work, failure: Failure | None, settings: LedgerSettings) -> None:
    if failure is None:
        return
    claims = [d.claim for d in work.delivered]
    with work.database.begin() as tx:
        states = ledger_claims.release(tx, claims, failure, settings)
    measuring.released(claims, states)


def _failure_of(error: EarmarkError, *, alone: bool) -> Failure:
    """Transient: nobody's fault. Permanent: given up at once when it is known whose fault it is."""
    blameless = isinstance(error, TransientError)
    return Failure(error.code, str(error), blameless=blameless, hopeless=alone and isinstance(error, PermanentError))
