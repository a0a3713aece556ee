"""Pauses and archives on the page: what rests is told and let go on, what is unpacked is followed to its end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.browsed import NAME, PATIENCE_MS
from tests.support.corpora import tar_of, wav
from tests.support.stack import FullStack

pytestmark = pytest.mark.browser

PACKED = "packed"
N_REFUSED = 60  # more than are shown at first
STAGE = "clusterer.compare_encoders"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def resting(page: Page, clustered: FullStack) -> Iterator[Page]:
    """The page, on which something may be left paused."""
    yield page
    for pause in pauses(clustered):
        told(clustered, "pauses/resume", **{pause["kind"]: pause["name"]})


def pauses(stack: FullStack) -> list[dict]:
    with stack.api() as api:
        return api.get("/v1/pauses").json()


def told(stack: FullStack, path: str, **body: object) -> dict:
    with stack.api() as api:
        return api.post(f"/v1/{path}", json=body).raise_for_status().json()


def open_packed(page: Page, stack: FullStack) -> None:
    """The page anew: it knows the collections that there were when it was opened."""
    page.goto("about:blank")
    page.goto(f"{stack.url}/#{PACKED}/recordings")


def test_a_collection_is_paused_and_resumed_by_keys(resting: Page, clustered: FullStack) -> None:
    page = resting
    page.locator("#to-recordings").click()
    toggle = page.get_by_role("button", name="Pause the collection")
    toggle.press("Enter")
    expect(page.get_by_role("button", name="Resume the collection")).to_be_focused()  # the same one
    assert [(pause["kind"], pause["name"]) for pause in pauses(clustered)] == [("collection", NAME)]
    page.locator("#to-voices").click()
    notice = page.locator("#pauses .pause")
    expect(notice).to_contain_text(f"Paused: {NAME}, since today")
    expect(notice).to_contain_text("by owner")
    notice.get_by_role("button", name=f"Resume {NAME}").press("Enter")
    expect(notice).to_have_count(0)
    expect(page.locator("#main")).to_be_focused()  # not nowhere: what was pressed is gone
    assert pauses(clustered) == []


def test_a_pause_that_was_a_slip_is_taken_back(resting: Page, clustered: FullStack) -> None:
    page = resting
    page.locator("#to-recordings").click()
    page.get_by_role("button", name="Pause the collection").click()
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.locator("#notice")).to_contain_text(f"{NAME} goes on.")
    assert pauses(clustered) == []


def test_whoever_may_only_read_hears_of_a_pause_and_has_no_button(
    resting: Page, chromium: Browser, clustered: FullStack
) -> None:
    token = told(clustered, "tokens", name="reader", scopes=["read"])["token"]
    context = chromium.new_context()
    reader = context.new_page()
    reader.goto(f"{clustered.url}/?token={token}#{NAME}/recordings")
    for page in (resting, reader):
        expect(page.locator("#live")).to_have_text("live")
    told(clustered, "pauses", stage=STAGE)
    for page, n_buttons in ((resting, 1), (reader, 0)):
        notice = page.locator("#pauses .pause")
        expect(notice).to_contain_text(f"Paused: {STAGE}, for all collections")
        expect(notice.get_by_role("button")).to_have_count(n_buttons)
    expect(reader.locator("#pause-collection")).to_be_hidden()
    told(clustered, "pauses/resume", stage=STAGE)
    for page in (resting, reader):
        expect(page.locator("#pauses .pause")).to_have_count(0)
    context.close()


def test_an_archive_is_followed_to_its_last_member(resting: Page, clustered: FullStack, tmp_path: Path) -> None:
    page = resting
    clustered.collection(PACKED, segmenter="whole")
    told(clustered, "pauses", stage="ingest.unpack")
    open_packed(page, clustered)
    expect(page.locator("#no-recordings")).to_be_visible()
    expect(page.locator("#archives")).to_be_hidden()

    outside = {f"../{n:02}.wav": b"sound" for n in range(N_REFUSED)}
    week = tmp_path / "week.tar"
    week.write_bytes(tar_of({"monday.wav": wav(), "notes.txt": b"left out", **outside}))
    clustered.put(week, f"{PACKED}/{week.name}")
    row = page.locator("#archive-rows tr", has_text=week.name)
    expect(row).to_contain_text("being unpacked")
    expect(page.locator("#pauses")).to_contain_text("Archives are not unpacked. 1 step of work held up.")
    page.get_by_role("button", name="Resume ingest.unpack").click()

    expect(row.locator(".badge")).to_have_text("unpacked")
    expect(row.locator(".count")).to_have_text(["1", "1", f"{N_REFUSED}, why?"])
    row.get_by_role("button", name=f"Refused members of {week.name}").press("Enter")
    members = page.locator("#archive-rows li")
    expect(members.first).to_contain_text("../00.wav")
    expect(members.first).to_contain_text("leads out of")
    assert members.count() < N_REFUSED
    page.get_by_role("button", name="More members").click()
    expect(members).to_have_count(N_REFUSED)
    expect(page.get_by_role("button", name="More members")).to_be_hidden()
    page.set_viewport_size({"width": 360, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    row.get_by_role("button").click()
    expect(members).to_have_count(0)


def test_an_archive_that_is_refused_says_why(resting: Page, clustered: FullStack, tmp_path: Path) -> None:
    page = resting
    clustered.collection(PACKED, segmenter="whole")
    broken = tmp_path / "broken.tar"
    broken.write_bytes(tar_of({"monday.wav": wav(), "tuesday.wav": wav(880)})[:-12_000])
    clustered.put(broken, f"{PACKED}/{broken.name}")
    open_packed(page, clustered)
    row = page.locator("#archive-rows tr", has_text=broken.name)
    expect(row.locator(".badge")).to_have_text("refused")
    expect(row).to_contain_text("breaks off")
