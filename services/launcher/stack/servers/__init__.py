"""The three embedded servers: how each is prepared, run, asked whether it is ready, and furnished."""
