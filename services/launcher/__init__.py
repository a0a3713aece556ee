"""The `earmark` command and the servers of one machine."""
