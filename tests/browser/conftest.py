"""A real Chromium. Where there is none these tests are deselected, except in CI, where that is a failure."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.browsed import HOSTILE, NAME, PATIENCE_MS, forget
from tests.support.stack import FullStack, until

_HERE = Path(__file__).parent
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_collection_modifyitems(config, items):
    if _CHROMIUM or os.environ.get("CI"):
        return
    mine = [item for item in items if _HERE in item.path.parents]
    if mine:
        config.hook.pytest_deselected(items=mine)
        items[:] = [item for item in items if item not in mine]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for the session: playwright's event loop would run on in this thread, and no other could."""
    assert _CHROMIUM, "CI needs Chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def clustered(full_stack: FullStack, demo_audio: Path, tmp_path_factory: pytest.TempPathFactory) -> FullStack:
    """A collection with the demo's conversations and a file that is no audio."""
    recordings = sorted(demo_audio.glob("*.flac"))
    for recording in recordings:
        full_stack.put(recording, f"{NAME}/{recording.name}")
    broken = tmp_path_factory.mktemp("broken") / "broken.wav"
    broken.write_text("not audio")
    full_stack.put(broken, f"{NAME}/{HOSTILE}")
    full_stack.settled(NAME, len(recordings) + 1)
    with full_stack.api() as api:
        request_id = api.post(f"/v1/collections/{NAME}/clusterings", json={}).json()["request_id"]
        until(lambda: api.get(f"/v1/clusterings/{request_id}").json()["state"] == "done", timeout_s=60)
    return full_stack


@pytest.fixture
def page(chromium: Browser, clustered: FullStack) -> Iterator[Page]:
    """The page as `earmark up` opens it; no complaint of the browser goes unnoticed, no word that was said stays."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if _is_complaint(message) else None)
    page.goto(f"{clustered.url}/?token={clustered.token}#{NAME}")
    expect(page.locator("#clusters .card").first).to_be_visible(timeout=PATIENCE_MS)
    yield page
    context.close()
    forget(clustered)
    assert complaints == []


def _is_complaint(message: ConsoleMessage) -> bool:
    """Broken policies and scripts; an answer that refuses a request is reported too, but it is no fault."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")
