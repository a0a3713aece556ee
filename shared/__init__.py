"""What every service speaks: units, ids, events, the ledger and the storage."""
