"""Who waits for whom in Postgres."""

from typing import Final

WAITING: Final = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
"""A row for each transaction that waits for another's lock."""
