"""The page on a real stack: a person looks, listens and names a voice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from tests.support.stack import FullStack, until

pytestmark = pytest.mark.browser

NAME = "browsed"
HOSTILE = "<img src=x onerror=alert(1)>.wav"
PATIENCE_MS = 30_000


@pytest.fixture(scope="module")
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
    """The page as `earmark up` opens it; no complaint of the browser goes unnoticed."""
    context = chromium.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if is_complaint(message) else None)
    page.goto(f"{clustered.url}/?token={clustered.token}#{NAME}")
    expect(page.locator("#clusters .card").first).to_be_visible(timeout=PATIENCE_MS)
    yield page
    context.close()
    assert complaints == []


def is_complaint(message: ConsoleMessage) -> bool:
    """Broken policies and scripts; an answer that refuses a request is reported too, but it is no fault."""
    return message.type == "error" and not message.text.startswith("Failed to load resource")


def test_the_address_keeps_no_token(page: Page, clustered: FullStack) -> None:
    assert clustered.token not in page.url
    assert clustered.token not in page.evaluate("document.cookie")


def test_recordings_and_rejected_files_are_shown(page: Page, demo_audio: Path) -> None:
    for recording in demo_audio.glob("*.flac"):
        expect(page.locator(".recording", has_text=recording.name)).to_contain_text("ready")
    rejected = page.locator("#rejected li")
    expect(rejected).to_contain_text(HOSTILE)  # as text, not as an image
    expect(rejected).to_contain_text("not audio")


def test_a_name_given_to_a_voice_appears_on_its_segments(page: Page) -> None:
    card = page.locator("#clusters .card").first
    card.get_by_role("textbox").or_(card.get_by_role("combobox")).fill("Ada Lovelace")
    card.get_by_role("button", name="Name").click()
    expect(card.locator("h3")).to_contain_text("Ada Lovelace", timeout=PATIENCE_MS)
    recording = page.locator(".recording", has=page.locator(".chip", has_text="Ada Lovelace")).first
    recording.locator("summary").click()
    expect(recording.locator(".segment .speaker", has_text="Ada Lovelace").first).to_be_visible(timeout=PATIENCE_MS)


def test_the_page_hears_of_what_others_do(page: Page, clustered: FullStack) -> None:
    expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE_MS)
    with clustered.api() as api:
        cluster_id = api.get(f"/v1/collections/{NAME}/clusters").json()["items"][-1]["cluster_id"]
        api.post("/v1/labels", json={"cluster_id": cluster_id, "speaker": "Grace Hopper"}).raise_for_status()
    expect(page.locator("#clusters .card h3", has_text="Grace Hopper")).to_be_visible(timeout=PATIENCE_MS)


def test_a_segment_plays(page: Page) -> None:
    page.locator("#clusters .card .play").first.click()
    until(lambda: page.evaluate("document.getElementById('audio').duration > 0.2"))
    assert page.evaluate("document.getElementById('audio').error") is None


def test_a_name_that_is_refused_is_explained(page: Page) -> None:
    field = page.locator("#clusters .card input").first
    field.fill("UNKNOWN")
    field.press("Enter")
    expect(page.locator("#notice")).to_contain_text("cannot name a speaker", timeout=PATIENCE_MS)
    expect(field).to_have_value("UNKNOWN")  # what was typed is not lost


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    assert {"skip", "collection", "cluster-now", "play"} <= reached
    assert page.evaluate("document.activeElement.matches(':focus-visible') || document.activeElement === document.body")


@pytest.mark.parametrize("width", [400, 768, 1600])
def test_nothing_sticks_out_at_any_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.locator(".recording summary").first.click()
    expect(page.locator(".segment").first).to_be_visible(timeout=PATIENCE_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_a_token_there_is_a_way_in(chromium: Browser, clustered: FullStack) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(clustered.url)
    page.get_by_label("Token").fill(clustered.token)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#collection")).to_be_visible()
    context.close()
