"""Labelling on the page, on a real stack: what a person does reaches the log, and can be taken back."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.browsed import PATIENCE_MS, name, said, segments, suggest, voices
from tests.support.stack import FullStack, until

pytestmark = pytest.mark.browser

Rows = Callable[..., list[dict]]


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture
def rows(clustered: FullStack) -> Rows:
    """The segments as the API lists them."""

    def listed(**narrowed: object) -> list[dict]:
        with clustered.api() as api:
            return segments(api, **narrowed)

    return listed


def largest(stack: FullStack, place: int = 0) -> str:
    with stack.api() as api:
        return voices(api)[place]["cluster_id"]


def owners_words(stack: FullStack) -> list[str]:
    """What people did, in its order; rules have names of their own."""
    with stack.api() as api:
        return [entry["operation"] for entry in said(api) if entry["actor"] == "owner"]


def card(page: Page, cluster_id: str) -> Locator:
    return page.locator(f'#clusters [data-key="{cluster_id}"]')


def row(page: Page, segment_id: str) -> Locator:
    return page.locator(f'#segment-list [data-key="{segment_id}"]')


def show(page: Page, view: str) -> None:
    page.locator(f"#to-{view}").click()


def test_a_voice_is_named_with_a_letter_and_enter(page: Page, clustered: FullStack) -> None:
    name(clustered, "Ada Lovelace", cluster_id=largest(clustered))
    named, following = card(page, largest(clustered, 1)), card(page, largest(clustered, 2))
    expect(page.locator("#clusters h3", has_text="Ada Lovelace")).to_have_count(1)
    named.locator("input").focus()
    page.keyboard.type("a")
    expect(named.get_by_role("option", name="Ada Lovelace")).to_be_visible()  # names that come late open the list
    page.keyboard.press("Escape")
    page.keyboard.type("a")
    expect(named.locator("input")).to_have_value("Ada Lovelace")
    page.keyboard.press("Enter")
    expect(named.locator("h3")).to_contain_text("Ada Lovelace")
    expect(following.locator("input")).to_be_focused()  # on to the next one
    expect(page.locator("#notice")).to_contain_text("Ada Lovelace")


def test_names_that_come_while_one_types_are_offered(page: Page, clustered: FullStack) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/speakers", hold)
    name(clustered, "Wangari Maathai", cluster_id=largest(clustered))
    mine = card(page, largest(clustered, 1))
    typed = mine.locator("input")
    typed.focus()
    page.keyboard.type("w")
    expect(typed).to_have_value("w")
    until_held(page, held)
    for route in held:
        route.continue_()
    expect(mine.get_by_role("option", name="Wangari Maathai")).to_be_visible()
    expect(typed).to_have_value("w")


def until_held(page: Page, held: list[Route]) -> None:
    for _ in range(PATIENCE_MS // 20):
        if held:
            return
        page.wait_for_timeout(20)
    raise AssertionError("the page has not asked")


def test_what_was_typed_is_not_taken_for_a_longer_name(page: Page, clustered: FullStack) -> None:
    name(clustered, "Ada Lovelace", cluster_id=largest(clustered))
    expect(page.locator("#clusters h3", has_text="Ada Lovelace")).to_have_count(1)
    other = card(page, largest(clustered, 1))
    other.locator("input").focus()
    page.keyboard.type("Ada")
    page.keyboard.press("Delete")
    page.keyboard.press("Enter")
    expect(other.locator("h3")).to_have_text("Ada")


def test_a_label_is_taken_back_and_brought_again_by_keys(page: Page, clustered: FullStack) -> None:
    mine = card(page, largest(clustered))
    mine.locator("input").fill("Edith Clarke")
    page.keyboard.press("Enter")
    expect(mine.locator("h3")).to_contain_text("Edith Clarke")
    page.keyboard.press("Control+z")
    expect(mine.locator("h3")).to_contain_text("Unnamed")
    page.keyboard.press("Control+Shift+z")
    expect(mine.locator("h3")).to_contain_text("Edith Clarke")
    assert owners_words(clustered)[-3:] == ["assign", "undo", "undo"]


@pytest.fixture
def suggested(page: Page, clustered: FullStack, rows: Rows) -> str:
    """An unnamed segment that may be Ada Lovelace, as the page shows it among the suggestions."""
    name(clustered, "Ada Lovelace", cluster_id=largest(clustered))
    segment_id = rows(unnamed=True, cluster_id=largest(clustered, 1))[0]["segment_id"]
    suggest(clustered, segment_id, "Ada Lovelace")
    show(page, "segments")
    page.get_by_label("Show", exact=True).select_option("suggested")
    expect(row(page, segment_id).locator(".who")).to_contain_text("Ada Lovelace?")
    return segment_id


def test_a_suggestion_is_confirmed_in_place(page: Page, suggested: str, rows: Rows) -> None:
    row(page, suggested).locator(".name input").focus()
    page.keyboard.press("Enter")
    expect(row(page, suggested)).to_have_count(0)  # it is no suggestion any more
    mine = next(found for found in rows() if found["segment_id"] == suggested)
    assert (mine["speaker"], mine["assigned_by"]) == ("Ada Lovelace", "human")


def test_a_suggestion_is_rejected_in_place(page: Page, clustered: FullStack, suggested: str) -> None:
    row(page, suggested).get_by_role("button", name="Not Ada Lovelace").click()
    expect(page.locator("#notice")).to_contain_text("Not Ada Lovelace")
    with clustered.api() as api:
        why = until(lambda: api.get(f"/v1/segments/{suggested}/why").json())
        assert (why["rejected"], why["speaker"]) == (["Ada Lovelace"], None)


def test_a_reviewed_label_leaves_out_what_is_unticked(page: Page, rows: Rows, clustered: FullStack) -> None:
    cluster_id = largest(clustered)
    members = {found["segment_id"] for found in rows(cluster_id=cluster_id)}
    card(page, cluster_id).locator("input").fill("Hedy Lamarr")
    page.keyboard.press("Shift+Enter")
    changes = page.locator("#review-rows tr")
    expect(changes).to_have_count(len(members))
    assert rows(unnamed=True, cluster_id=cluster_id)  # nothing was said yet
    left = changes.nth(1).get_attribute("data-segment")
    changes.nth(1).get_by_role("checkbox").uncheck()
    page.get_by_role("button", name=f"Name {len(members) - 1} segments").click()
    expect(card(page, cluster_id).locator("h3")).to_contain_text("Hedy Lamarr")
    clustered.idle()
    assert {found["segment_id"] for found in rows(speaker="Hedy Lamarr")} == members - {left}


def test_a_review_that_is_left_changes_nothing(page: Page, clustered: FullStack) -> None:
    before = owners_words(clustered)
    mine = card(page, largest(clustered))
    mine.locator("input").fill("Hedy Lamarr")
    page.keyboard.press("Shift+Enter")
    expect(page.locator("#review-rows tr").first).to_be_visible()
    page.get_by_role("button", name="Leave it as it is").click()
    expect(page.locator("#review")).to_be_hidden()
    expect(mine.locator("input")).to_have_value("Hedy Lamarr")
    assert owners_words(clustered) == before


def test_two_speakers_become_one_and_part_again(page: Page, clustered: FullStack) -> None:
    name(clustered, "Grace Hopper", cluster_id=largest(clustered))
    name(clustered, "Amazing Grace", cluster_id=largest(clustered, 1))
    show(page, "speakers")
    stays = page.locator("#speaker-list > li", has=page.locator("h3", has_text="Grace Hopper"))
    stays.get_by_role("button", name="Merge…").click()
    page.keyboard.type("amazing")
    page.keyboard.press("Enter")
    expect(stays).to_contain_text("also Amazing Grace")
    expect(page.locator("#speaker-list > li")).to_have_count(1)
    page.locator("#notice").get_by_role("button", name="Undo").click()
    expect(page.locator("#speaker-list > li")).to_have_count(2)
    expect(stays).not_to_contain_text("also")


def test_a_speaker_is_renamed_and_called_as_before_again(page: Page, clustered: FullStack) -> None:
    name(clustered, "Ada Byron", cluster_id=largest(clustered))
    show(page, "speakers")
    names = page.locator("#speaker-list h3")
    page.get_by_role("button", name="Rename").click()
    page.keyboard.type("Countess")
    page.keyboard.press("Enter")
    expect(names).to_have_text(["Countess"])
    page.keyboard.press("Control+z")
    expect(names).to_have_text(["Ada Byron"])


def test_chosen_segments_of_a_speaker_go_to_another(page: Page, clustered: FullStack, rows: Rows) -> None:
    name(clustered, "Ada Lovelace", cluster_id=largest(clustered))
    show(page, "segments")
    page.get_by_label("Speaker", exact=True).select_option("Ada Lovelace")
    hers = rows(speaker="Ada Lovelace")
    expect(page.locator("#segments-facts")).to_have_text(f"{len(hers)} segments")  # the list is narrowed down by now
    chosen = [found["segment_id"] for found in hers[:2]]
    for segment_id in chosen:
        row(page, segment_id).get_by_role("checkbox").check()
    page.locator("#chosen input").fill("Mary Somerville")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("2 segments of Ada Lovelace went to Mary Somerville")
    assert {found["segment_id"] for found in rows(speaker="Mary Somerville")} >= set(chosen)


def test_the_queue_asks_about_the_largest_voice_and_goes_on(page: Page, clustered: FullStack, rows: Rows) -> None:
    show(page, "next")
    field = page.get_by_label("Who speaks in this segment")
    expect(field).to_be_focused()
    expect(page.locator("#question-why")).to_contain_text("segments of an unnamed")
    first = page.locator("#question-span").inner_text()
    page.keyboard.type("Katherine Johnson")
    page.keyboard.press("Enter")
    expect(page.locator("#question-span")).not_to_have_text(first)
    expect(page.locator("#session")).to_contain_text("1 answer in this visit")
    expect(page.locator("#digits button")).to_contain_text(["Katherine Johnson"])
    clustered.idle()
    assert len(rows(speaker="Katherine Johnson")) >= len(rows(cluster_id=largest(clustered)))
    second = page.locator("#question-span").inner_text()
    page.keyboard.press("ArrowRight")  # skip
    expect(page.locator("#question-span")).not_to_have_text(second)
    page.keyboard.press("1")
    expect(page.locator("#session")).to_contain_text("2 answers in this visit")


def test_a_name_explains_itself_and_its_reason_is_taken_back_there(
    page: Page, clustered: FullStack, rows: Rows
) -> None:
    cluster_id = largest(clustered)
    name(clustered, "Ada Lovelace", cluster_id=cluster_id)
    segment_id = rows(cluster_id=cluster_id)[0]["segment_id"]
    show(page, "segments")
    row(page, segment_id).locator(".name input").focus()
    page.keyboard.press("?")
    why = page.locator("#why")
    expect(why).to_contain_text("The voice has it because owner")
    why.get_by_role("button", name="Undo").first.click()
    expect(why.locator(".why-name")).to_contain_text("nobody yet")
    page.locator("#why-title").press("Escape")
    expect(why).to_be_hidden()
    expect(row(page, segment_id).locator(".name input")).to_be_focused()


def test_the_log_takes_back_and_brings_again(page: Page, clustered: FullStack, rows: Rows) -> None:
    name(clustered, "Ada Lovelace", cluster_id=largest(clustered))
    show(page, "log")
    entries = page.locator("#log-list > li")
    expect(entries.first).to_contain_text("Ada Lovelace")
    entries.first.get_by_role("button", name="Undo").click()
    expect(entries.first).to_contain_text("took back")
    expect(entries.nth(1)).to_contain_text("taken back")
    clustered.idle()
    assert not rows(speaker="Ada Lovelace")
    entries.first.get_by_role("button", name="Redo").click()
    expect(entries.first).to_contain_text("took back: took back")
    expect(entries.nth(1)).to_contain_text("taken back")
    clustered.idle()
    assert rows(speaker="Ada Lovelace")
