"""Families of models: each module is one library's way with its checkpoints; torch loads only in `*_torch` modules."""
