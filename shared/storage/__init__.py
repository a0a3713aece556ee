"""What the ledger, tables and objects are made of."""
