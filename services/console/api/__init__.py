"""The HTTP API: one module a resource, all of them under /v1 and under a token."""
