"""Clusters of voices from unit vectors: pure functions on arrays, no SQL and no queue."""
