"""Models that turn clips of speech into vectors. Importing anything here loads no torch."""
