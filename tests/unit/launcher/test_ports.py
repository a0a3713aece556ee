import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from services.launcher.stack import ports

pytestmark = pytest.mark.enable_socket


@contextmanager
def taken(port: int) -> Iterator[None]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((ports.LOOPBACK, port))
        server.listen()
        yield


def test_every_purpose_gets_a_port_of_its_own(rng: random.Random) -> None:
    assigned = ports.assign({}, ports.PURPOSES, rng)
    assert set(assigned) == set(ports.PURPOSES)
    both = [port + offset for port in assigned.values() for offset in (0, ports.GRPC_OFFSET)]
    assert len(set(both)) == 2 * len(ports.PURPOSES)


def test_ports_lie_below_the_ephemeral_range(rng: random.Random) -> None:
    assert all(port + ports.GRPC_OFFSET < 32_768 for port in ports.assign({}, ports.PURPOSES, rng).values())


def test_kept_ports_are_kept(rng: random.Random) -> None:
    first = ports.assign({}, ports.PURPOSES, rng)
    assert ports.assign(first, ports.PURPOSES, rng) == first


def test_what_nobody_asks_for_stays_and_is_given_to_nobody_else(rng: random.Random) -> None:
    state = rng.getstate()
    first = ports.assign({}, ("metrics",), rng)
    rng.setstate(state)  # so that the same one is drawn first
    second = ports.assign(first, ("s3",), rng)
    assert second["metrics"] == first["metrics"] != second["s3"]


def test_only_the_port_that_somebody_took_is_replaced(rng: random.Random) -> None:
    first = ports.assign({}, ("s3", "console"), rng)
    with taken(first["s3"]):
        second = ports.assign(first, ("s3", "console"), rng)
    assert second["s3"] != first["s3"]
    assert second["console"] == first["console"]


def test_a_port_whose_grpc_twin_is_taken_is_replaced(rng: random.Random) -> None:
    first = ports.assign({}, ("filer",), rng)
    with taken(first["filer"] + ports.GRPC_OFFSET):
        assert ports.assign(first, ("filer",), rng) != first


def test_a_listener_on_all_interfaces_takes_the_port(rng: random.Random) -> None:
    port = ports.assign({}, ("one",), rng)["one"]
    with socket.socket() as server:
        server.bind(("0.0.0.0", port))
        server.listen()
        assert not ports.is_free(port)
