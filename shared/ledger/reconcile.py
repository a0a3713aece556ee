"""Hand on what was dropped: leases that ran out, messages that Redis never delivered. Runs beside the relay.

Begins again with erasures that nobody finishes. Sweeps the derived bucket as well.
"""

import threading

import sqlalchemy as sa

from shared import metrics
from shared.events import ErasureBegun
from shared.ledger import load
from shared.ledger.outbox import PENDING_CHANNEL, announce, publish
from shared.ledger.process import loop, stop_on_signals
from shared.ledger.sweep import Sweep
from shared.settings import LedgerSettings, Settings
from shared.storage.database import Database, Transaction, notify
from shared.storage.objects import ObjectStore
from shared.telemetry import configure_logging, logger

log = logger("reconciler")

# A worker that died or froze: the claim counted, so poison that kills its worker is buried in the end.
_EXPIRED = sa.text("""
    UPDATE delivery SET
        state = CASE WHEN attempt >= :attempts_before_dead THEN 'dead' ELSE 'pending' END,
        not_before = clock_timestamp() + make_interval(secs => least(:cap_s, :base_s * 2 ^ least(20, attempt - 1))),
        lease_until = NULL, message_id = NULL,
        error_code = 'lease_expired', last_error = 'The worker died or froze while it held this delivery.'
    WHERE state = 'leased' AND lease_until < clock_timestamp()
""")
_UNDELIVERED = sa.text("""
    UPDATE delivery SET state = 'pending', lease_until = NULL, message_id = NULL
    WHERE state = 'queued' AND lease_until < clock_timestamp()
""")
_STALE_HEARTS = sa.text("DELETE FROM heartbeat WHERE seen_at < clock_timestamp() - interval '10 minutes'")
_OLD_RATES = sa.text("DELETE FROM drained WHERE at < statement_timestamp() - make_interval(secs => :kept_s)")


# Its delivery may have been dropped, or lost with a backup. By the event's subject, which is the receipt's id.
_STUCK_ERASURES = sa.text("""
    SELECT receipt_id FROM erasure
    WHERE left_over IS NOT NULL AND erased_at < clock_timestamp() - make_interval(secs => :after_s)
      AND NOT EXISTS (SELECT FROM event e JOIN delivery d USING (event_id)
                      WHERE e.subject = CAST(receipt_id AS text) AND e.subject <> ''
                        AND d.subscription = 'ingest.erase')
""")
STUCK_AFTER_S = 300.0


def reconcile(tx: Transaction, settings: LedgerSettings) -> int:
    """Make every dropped delivery pending again, or dead after its last attempt; returns how many."""
    expired = tx.execute(
        _EXPIRED,
        {
            "attempts_before_dead": settings.attempts_before_dead,
            "cap_s": settings.backoff_cap_s,
            "base_s": settings.backoff_base_s,
        },
    ).rowcount
    undelivered = tx.execute(_UNDELIVERED).rowcount
    _announce_stuck(tx)
    tx.execute(_STALE_HEARTS)
    tx.execute(_OLD_RATES, {"kept_s": load.REMEMBERED_S})
    if expired or undelivered:
        notify(tx, PENDING_CHANNEL)
        metrics.count("earmark_handed_on_total", expired, reason="lease_expired")
        metrics.count("earmark_handed_on_total", undelivered, reason="unclaimed")
        log.warning("handed_on", n_expired=expired, n_undelivered=undelivered)
    return expired + undelivered


def _announce_stuck(tx: Transaction) -> None:
    """Begin again with erasures that are not finished, and that nobody is asked to finish."""
    stuck = tx.execute(_STUCK_ERASURES, {"after_s": STUCK_AFTER_S}).scalars().all()
    publish(tx, [announce(ErasureBegun(receipt_id=receipt_id)) for receipt_id in stuck])
    for receipt_id in stuck:
        log.warning("erasure_begun_again", receipt_id=str(receipt_id))


def main() -> None:
    """Run one reconciler until SIGTERM."""
    settings = Settings()
    configure_logging(settings.log_level, json=settings.log_json)
    stop = stop_on_signals()
    database = Database(settings.database)
    sweep = Sweep(database, ObjectStore(settings.s3), settings.s3.derived_bucket, settings.ledger)

    def step(stop: threading.Event) -> None:
        with database.begin() as tx:
            reconcile(tx, settings.ledger)
        stop.wait(settings.ledger.reconcile_s)

    threading.Thread(target=sweep.go_on, args=(stop, settings.ledger.reconcile_s), name="sweep", daemon=True).start()
    loop("reconciler", settings, step, stop)


if __name__ == "__main__":
    main()
