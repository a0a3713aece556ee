"""The page on a real stack: what one sees, hears and reaches."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.browsed import HOSTILE, NAME, PATIENCE_MS, name, segments, suggest, voices
from tests.support.stack import FullStack, until

pytestmark = pytest.mark.browser

VIEWS = ["voices", "next", "segments", "recordings", "speakers", "log"]


def show(page: Page, view: str) -> None:
    page.locator(f"#to-{view}").click()
    expect(page.locator(f"#view-{view}")).to_be_visible()


def test_the_address_keeps_no_token(page: Page, clustered: FullStack) -> None:
    assert clustered.token not in page.url
    assert clustered.token not in page.evaluate("document.cookie")


def test_recordings_and_rejected_files_are_shown(page: Page, demo_audio: Path) -> None:
    show(page, "recordings")
    for recording in demo_audio.glob("*.flac"):
        expect(page.locator(".recording", has_text=recording.name)).to_contain_text("ready", timeout=PATIENCE_MS)
    rejected = page.locator("#rejected li")
    expect(rejected).to_contain_text(HOSTILE)  # as text, not as an image
    expect(rejected).to_contain_text("not audio")


def test_a_recording_is_a_line_coloured_by_speaker(page: Page, clustered: FullStack) -> None:
    with clustered.api() as api:
        first = voices(api)[0]["cluster_id"]
        other = next(row for row in segments(api) if row["cluster_id"] != first)
    name(clustered, "Ada Lovelace", cluster_id=first)
    suggest(clustered, other["segment_id"], "Ada Lovelace")
    show(page, "recordings")
    line = page.locator(".recording", has_text=other["object_key"].removeprefix(f"{NAME}/")).get_by_role("slider")
    expect(line.locator("path.c-none")).to_have_count(1, timeout=PATIENCE_MS)  # whoever has no name yet
    expect(line.locator("path.hatched")).to_have_count(1)
    line.focus()
    page.keyboard.press("End")
    assert line.get_attribute("aria-valuenow") == line.get_attribute("aria-valuemax")


def test_the_page_hears_of_what_others_do(page: Page, clustered: FullStack) -> None:
    expect(page.locator("#live")).to_have_text("live", timeout=PATIENCE_MS)
    with clustered.api() as api:
        cluster_id = voices(api)[-1]["cluster_id"]
        api.post("/v1/labels", json={"cluster_id": cluster_id, "speaker": "Grace Hopper"}).raise_for_status()
    expect(page.locator("#clusters .card h3", has_text="Grace Hopper")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("#progress-text")).to_have_text(re.compile("^[1-9][0-9]? % of "), timeout=PATIENCE_MS)


def test_examples_of_a_voice_play_one_after_the_other_with_one_key(page: Page) -> None:
    card = page.locator("#clusters .card").first
    card.locator("input").focus()
    page.keyboard.press("Space")
    play = card.locator(".play")
    expect(play).to_have_attribute("data-step", "1/3")
    until(lambda: page.evaluate("document.getElementById('audio').duration > 0.2"))
    assert page.evaluate("document.getElementById('audio').error") is None
    page.evaluate("audio = document.getElementById('audio'); audio.currentTime = audio.duration")
    expect(play).to_have_attribute("data-step", "2/3")
    page.keyboard.press("Space")
    expect(play).to_have_attribute("aria-pressed", "false")
    expect(card.locator("input")).to_have_value("")


def test_a_name_that_is_refused_is_explained(page: Page) -> None:
    field = page.locator("#clusters .card input").first
    field.fill("UNKNOWN")
    field.press("Enter")
    expect(page.locator("#notice")).to_contain_text("cannot name a speaker", timeout=PATIENCE_MS)
    expect(page.locator("#notice .remedy")).to_contain_text("leave the segment without a name")
    expect(field).to_have_value("UNKNOWN")  # what was typed is not lost


def tabbed(page: Page, n_times: int) -> set[str]:
    """What has the focus while one goes on from where one is."""
    reached = set()
    for _ in range(n_times):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
    return reached


def test_everything_can_be_reached_by_keyboard(page: Page) -> None:
    assert {"skip", "collection", "to-next", "cluster-now", "play", "members"} <= tabbed(page, 40)
    show(page, "recordings")
    assert "pause-collection" in tabbed(page, 10)
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("#view-log")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()


@pytest.mark.parametrize("width", [360, 768, 1600])
def test_nothing_sticks_out_at_any_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for view in VIEWS:
        show(page, view)
        page.wait_for_timeout(150)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_of_ten_thousand_segments_only_those_in_sight_are_drawn(page: Page, clustered: FullStack) -> None:
    with clustered.api() as api:
        row = segments(api)[0]
    many = [
        {**row, "segment_id": f"00000000-0000-0000-0000-{n:012}", "start_s": n, "end_s": n + 1} for n in range(10_000)
    ]

    def answer(route: Route) -> None:
        after = int(route.request.url.partition("after=")[2] or 0)
        limit = int(route.request.url.partition("limit=")[2].partition("&")[0])
        end = after + limit
        items = many[after:end]
        route.fulfill(body=json.dumps({"items": items, "next": str(end) if end < len(many) else None}))

    page.route("**/v1/collections/*/segments*", answer)
    show(page, "segments")
    last = page.locator('.segment[aria-posinset="10000"]')
    for _ in range(100):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        if last.count():
            break
        page.wait_for_timeout(100)
    expect(last).to_contain_text("2:46:39.0")
    assert page.locator(".segment").count() < 60


def test_without_a_token_there_is_a_way_in(chromium: Browser, clustered: FullStack) -> None:
    context = chromium.new_context()
    page = context.new_page()
    page.goto(clustered.url)
    page.get_by_label("Token").fill(clustered.token)
    page.get_by_role("button", name="Open").click()
    expect(page.locator("#collection")).to_be_visible()
    context.close()
