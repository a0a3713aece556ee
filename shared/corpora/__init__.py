"""Corpora as researchers have them on disk: read lazily, checked, extracted. Knows no network and no database."""
