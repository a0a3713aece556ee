"""Free loopback ports, the same ones at every start as long as nobody else has taken them."""

import random
import socket
from collections.abc import Collection, Mapping

LOOPBACK = "127.0.0.1"

PURPOSES = ("postgres", "valkey", "s3", "filer", "master", "volume", "admin", "console", "watch", "flower")

GRPC_OFFSET = 10_000
"""SeaweedFS expects the gRPC port of each of its parts this far above its HTTP port, whatever its flags say."""

# Both halves of a pair below Linux's ephemeral range (32768 and up): there, some outgoing connection would sooner or
# later hold a kept port.
_LOWEST, _HIGHEST = 10_001, 22_000


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as probe:
        # As servers do: connections of the last run that linger in TIME_WAIT are no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def assign(kept: Mapping[str, int], purposes: Collection[str], rng: random.Random) -> dict[str, int]:
    """A port for each purpose: the kept one where it and its gRPC twin are free, a new one elsewhere; no port twice.

    What is kept for other purposes stays as it is.
    """
    ports = dict(kept)
    for purpose in purposes:
        port = ports.pop(purpose, None)
        while port is None or not _pair_is_free(port, ports.values()):
            port = rng.randrange(_LOWEST, _HIGHEST)
        ports[purpose] = port
    return ports


def _pair_is_free(port: int, taken: Collection[int]) -> bool:
    pair = {port, port + GRPC_OFFSET}
    pairs_taken = {other + offset for other in taken for offset in (0, GRPC_OFFSET)}
    return not pair & pairs_taken and all(map(is_free, pair))
