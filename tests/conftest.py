"""Real servers for whoever asks: started by the tests on free loopback ports, stopped after them."""

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import structlog

from shared.settings import Settings
from shared.storage.database import Database
from tests.support.stack import FullStack, Servers, open_folder, running_servers, running_stack


def pytest_configure() -> None:
    """Our logs go to stderr, as in production: services that run in a test's process must not mix with its stdout."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Postgres with the tables, Valkey and an S3 server; no process of Earmark."""
    with open_folder() as folder:
        yield from running_servers(folder)


@pytest.fixture
def settings(servers: Servers) -> Settings:
    """The settings of the servers, which are empty: no row, no key, no object of another test."""
    servers.empty()
    return servers.settings


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The emptied Postgres."""
    database = Database(settings.database)
    yield database
    database.close()


@pytest.fixture(scope="session")
def full_stack() -> Iterator[FullStack]:
    """Everything that `earmark up` starts."""
    with open_folder() as folder:
        yield from running_stack(folder)


@pytest.fixture(scope="session")
def demo_audio() -> Path:
    """The conversations that the demo ships."""
    return Path(__file__).parent.parent / "demo" / "audio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test has failed: a machine like that can run them all."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"Skipped: {report.longrepr}"
    return report
