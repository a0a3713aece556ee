"""A console on real servers, and a collection as the workers would leave it."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import httpx
import pytest
import uvicorn

from services.console.app import create_app
from services.console.bootstrap import build
from services.console.deps import Console
from shared.settings import Settings
from shared.storage import collections
from tests.integration.console.seeding import Meetings, seed

OWNER_TOKEN = "token-of-the-owner"


@dataclass(frozen=True)
class Served:
    """A running console; `http` holds its owner's token."""

    url: str
    console: Console
    http: httpx.Client

    def as_(self, token: str | None) -> httpx.Client:
        """Somebody else."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30)

    def token(self, *scopes: str, **more: object) -> str:
        """A new token with these scopes."""
        made = self.http.post("/v1/tokens", json={"name": f"t {' '.join(scopes)}", "scopes": list(scopes), **more})
        assert made.status_code == 201, made.text
        return str(made.json()["token"])


@pytest.fixture
def served(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    with serving(settings, tmp_path) as served:
        yield served


@contextmanager
def serving(settings: Settings, tmp_path: Path) -> Iterator[Served]:
    """A console with these servers on a port of its own."""
    (tmp_path / "token").write_text(f"{OWNER_TOKEN}\n")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        own = {"port": port, "token_file": str(tmp_path / "token"), "stream_poll_s": 0.1}
        console = build(settings.model_copy(update={"console": settings.console.model_copy(update=own)}))
        server = uvicorn.Server(uvicorn.Config(create_app(console), log_config=None, timeout_graceful_shutdown=5))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            sleep(0.01)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {OWNER_TOKEN}"}, timeout=30) as http:
            yield Served(url, console, http)
        console.hub.close()
        server.should_exit = True
        thread.join(timeout=15)
        assert not thread.is_alive()


@pytest.fixture
def meetings(served: Served) -> Meetings:
    return seed(served.console.database, served.console.store, served.console.settings)


@pytest.fixture
def sap(served: Served) -> Served:
    """A console whose collection has a corpus in SAP's proportions."""
    from tests.integration.console.sampled import ATTRIBUTES, NAME, register  # which wants to know what Served is

    with served.console.database.begin() as tx:
        collections.create(tx, NAME, "whole", ("tiny",))
        register(tx, ATTRIBUTES)
    return served
