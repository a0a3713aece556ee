"""The command `earmark`: one module per command group, all of them clients of the HTTP API and nothing else."""
