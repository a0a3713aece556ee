"""What really happened in a run: every claim, delivery done and segment written, noted by triggers in Postgres."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from time import time

import psycopg

from tests.support.stack import FullStack, until

_TRIGGERS = """
    CREATE SCHEMA IF NOT EXISTS observed;
    CREATE TABLE IF NOT EXISTS observed.claim (
        event_id uuid, subscription text, at double precision DEFAULT extract(epoch FROM clock_timestamp()));
    CREATE TABLE IF NOT EXISTS observed.done (LIKE observed.claim INCLUDING DEFAULTS);
    CREATE OR REPLACE FUNCTION observed.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        DECLARE noted delivery := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
        BEGIN
            EXECUTE format('INSERT INTO observed.%I (event_id, subscription) VALUES ($1, $2)', TG_ARGV[0])
                USING noted.event_id, noted.subscription;
            RETURN NULL;
        END $$;
    CREATE TABLE IF NOT EXISTS observed.segment (segment_id uuid, recording_id uuid);
    CREATE OR REPLACE FUNCTION observed.note_segment() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
        BEGIN
            INSERT INTO observed.segment VALUES (NEW.segment_id, NEW.recording_id);
            RETURN NULL;
        END $$;
    CREATE OR REPLACE TRIGGER observed_segment AFTER INSERT ON segment FOR EACH ROW
        EXECUTE FUNCTION observed.note_segment();
    CREATE OR REPLACE TRIGGER observed_claim AFTER UPDATE OF fence ON delivery FOR EACH ROW
        WHEN (NEW.fence > OLD.fence) EXECUTE FUNCTION observed.note('claim');
    CREATE OR REPLACE TRIGGER observed_done AFTER DELETE ON delivery FOR EACH ROW
        EXECUTE FUNCTION observed.note('done');
"""

_MISSING = """
    SELECT count(*) FROM stored_object o LEFT JOIN recording r USING (recording_id)
    WHERE o.collection = %s AND (r.state IS DISTINCT FROM 'ready' OR NOT EXISTS (
        SELECT FROM segment s JOIN embedding e USING (segment_id) WHERE s.recording_id = r.recording_id))
"""
# With the segmenter `whole` a recording has one segment, and each of these facts is told of it once.
_DOUBLED = """
    SELECT coalesce(sum(n - 1), 0) FROM (
        SELECT count(*) AS n FROM event
        WHERE type = ANY(%s) AND data->>'collection' = %s AND data->>'recording_id' IS NOT NULL
        GROUP BY type, data->>'recording_id'
        UNION ALL SELECT count(*) FROM segment s JOIN recording r USING (recording_id) WHERE r.collection = %s
        GROUP BY s.recording_id
    ) AS told
"""
_ONCE = [
    f"io.earmark.{name}.v1"
    for name in ("recording.registered", "segments.created", "segments.embedded", "recording.embedded")
]
_CLAIMS = "SELECT count(*), count(DISTINCT (event_id, subscription)) FROM observed.claim"
# Deliveries that somebody had claimed when the fault came, and that had to be claimed again.
_RECOVERED = """
    WITH hit AS (
        SELECT c.event_id, c.subscription FROM observed.claim c LEFT JOIN observed.done d USING (event_id, subscription)
        GROUP BY 1, 2 HAVING min(c.at) < %(at)s AND coalesce(max(d.at), 'infinity') > %(at)s AND max(c.at) > %(at)s
    ) SELECT max(d.at) - %(at)s FROM hit JOIN observed.done d USING (event_id, subscription)
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table of docs/reliability.md."""

    fault: str
    n: int
    faults: int
    lost: int
    doubled: int
    claims: int = 0  # of deliveries
    repeats: int = 0  # claims of a delivery that had been claimed before
    recoveries_s: Sequence[float] = ()  # from each fault until all that it had interrupted was done
    note: str = ""

    def row(self) -> str:
        """As markdown."""
        repeated = f"{self.repeats} of {self.claims}" if self.claims else "-"
        times = sorted(self.recoveries_s)
        recovery = f"{median(times):.1f} / {times[-1]:.1f}" if times else "-"
        cells = (self.fault, self.n, self.faults, self.lost, self.doubled, repeated, recovery, self.note)
        return "| " + " | ".join(str(cell) for cell in cells) + " |"


HEAD = """| fault | N | faults | lost | doubled | repeated claims | recovery s, median / worst | |
|---|---|---|---|---|---|---|---|"""


@dataclass(slots=True)
class Observer:
    """Watches one stack from before the first fault on."""

    stack: FullStack
    faults_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        with psycopg.connect(self.stack.state.database_url, autocommit=True) as connection:
            connection.execute(_TRIGGERS)
            connection.execute("TRUNCATE observed.claim, observed.done, observed.segment")

    def fault(self) -> None:
        """A fault comes now."""
        self.faults_at.append(time())

    def wait(self, collection: str, n: int, timeout_s: float = 600) -> None:
        """Until `n` objects of a collection are ready and nothing is left to do; servers may be away meanwhile.

        What is dead never will be done: then it is an error at once.
        """

        def ready() -> bool:
            try:
                ((n_ready, n_open, dead),) = self.stack.sql(
                    """SELECT (SELECT count(*) FROM stored_object JOIN recording r USING (recording_id)
                               WHERE r.collection = %s AND r.state = 'ready'),
                              (SELECT count(*) FROM delivery),
                              (SELECT min(last_error) FROM delivery WHERE state = 'dead')""",
                    collection,
                )
            except psycopg.Error:
                return False
            assert dead is None, dead
            return n_ready >= n and n_open == 0

        until(ready, timeout_s, every_s=0.25)

    def outcome(self, fault: str, collection: str, n: int, note: str = "") -> Outcome:
        """What came of `n` objects put into a collection."""
        ((n_incomplete,),) = self.stack.sql(_MISSING, collection)
        ((n_known,),) = self.stack.sql("SELECT count(*) FROM stored_object WHERE collection = %s", collection)
        ((doubled,),) = self.stack.sql(_DOUBLED, _ONCE, collection, collection)
        ((claims, deliveries),) = self.stack.sql(_CLAIMS)
        return Outcome(
            fault,
            n,
            len(self.faults_at),
            lost=n - n_known + n_incomplete,
            doubled=int(doubled),
            claims=claims,
            repeats=claims - deliveries,
            recoveries_s=[s for at in self.faults_at if (s := self._recovery_s(at)) is not None],
            note=note,
        )

    def _recovery_s(self, at: float) -> float | None:
        with psycopg.connect(self.stack.state.database_url) as connection:
            ((seconds,),) = connection.execute(_RECOVERED, {"at": at}).fetchall()
        return None if seconds is None else float(seconds)
