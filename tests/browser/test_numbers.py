"""Among the numbers: searched, filtered, exported, changed one by one and many at once, given back and restored."""

import re
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.person import NAMES, Enter, Person
from tests.browser.stack import Stack

MARKUP = "<img src=x onerror=alert(1)>'\""


def number_of(stack: Stack, number_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.admin.get(f"/v1/numbers/{number_id}").json()
    return found


def panel(page: Page, summary: str) -> Locator:
    """A part of the page that its summary opens."""
    found = page.locator("details").filter(has=page.get_by_text(summary, exact=True))
    found.locator("summary").click()
    return found


def rows(page: Page) -> Locator:
    return page.locator("tbody tr")


def ended(stack: Stack, order_id: str) -> dict[str, Any]:
    """The order, once it is over."""
    for _ in range(300):
        order: dict[str, Any] = stack.admin.get(f"/v1/orders/{order_id}").json()
        if order["ended_at"]:
            return order
        time.sleep(0.1)
    raise AssertionError(order)


def order_in(person: Person) -> str:
    return person.page.url.rsplit("/", 1)[1]


def test_numbers_are_found_by_words_and_by_filters_that_are_chips_in_the_address(enter: Enter, stack: Stack):
    word = f"find{uuid4().hex[:8]}"
    one = stack.buys("313", nickname=f"{word} one", tags=["seen"])
    stack.buys("415", nickname=f"{word} two")
    person = enter("operator")
    page = person.goes("/console/numbers")

    page.keyboard.press("/")
    page.keyboard.type(word)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    page.get_by_role("textbox", name="Tags").fill("seen")
    person.sends(page.locator("search form"), "Filter")

    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text(one["phone_number"][-4:])
    expect(page).to_have_url(re.compile(rf"\?q={word}&tag=seen$"))
    expect(page.locator(".tools")).to_contain_text("1 number")
    with page.expect_navigation():
        page.get_by_role("link", name="Tags: seen").click()
    expect(rows(page)).to_have_count(2)
    person.assert_sound_everywhere(f"/console/numbers?q={word}&state=active")


def test_a_filter_that_is_wrong_is_told_beside_its_field_and_nothing_is_lost(enter: Enter):
    person = enter("auditor")

    person.page.goto("/console/numbers?q=ab&area_code=1&created_after=2026-01-01&sort=released_at")

    page = person.page
    expect(page.get_by_label("Words")).to_have_value("ab")
    expect(page.get_by_label("Words")).to_have_accessible_description(re.compile("3 characters at least"))
    expect(page.get_by_role("textbox", name="Area code")).to_have_accessible_description(re.compile("three digits"))
    expect(page.get_by_label("Bought since")).to_have_value("2026-01-01")
    expect(page.locator(".fault")).to_contain_text("is an order of released numbers alone")
    person.assert_page_is_sound()


def test_where_nothing_matches_the_filters_are_cleared_by_one_click(enter: Enter):
    person = enter("admin")
    page = person.goes(f"/console/numbers?tag={uuid4().hex}")
    person.assert_page_is_sound()

    with page.expect_navigation():
        page.get_by_role("link", name="Clear the filters").click()

    expect(page).to_have_url(re.compile("/console/numbers$"))


def test_columns_are_chosen_and_stay_in_the_address(enter: Enter, stack: Stack):
    number = stack.buys("212", cost_center="theatre")
    person = enter("admin")
    page = person.goes("/console/numbers?cost_center=theatre&sort=-acquired_at")

    view = panel(page, "View")
    view.get_by_label("Tags").uncheck()
    view.get_by_label("Id").check()
    person.sends(view, "Show")
    with page.expect_navigation():
        page.get_by_role("link", name="Nickname").click()

    headings = page.get_by_role("columnheader").all_inner_texts()
    assert "Id" in headings
    assert "Tags" not in headings
    expect(page.get_by_role("columnheader", name="Nickname")).to_have_attribute("aria-sort", "ascending")
    expect(rows(page).first).to_contain_text(number["id"])
    expect(page.get_by_role("link", name="Cost centre: theatre")).to_be_visible()


@pytest.mark.parametrize("form", ["CSV", "NDJSON", "Parquet"])
def test_what_the_filters_mean_is_downloaded_whole(enter: Enter, stack: Stack, form: str, tmp_path: Path):
    tag = uuid4().hex
    number = stack.buys("313", tags=[tag])
    person = enter("auditor")
    page = person.goes(f"/console/numbers?tag={tag}")

    export = panel(page, "Export")
    with page.expect_download() as download:
        export.get_by_role("link", name=form).click()

    assert re.fullmatch(rf"numbers-\d{{8}}T\d{{6}}Z\.{form.lower()}", download.value.suggested_filename)
    download.value.save_as(tmp_path / "file")
    content = (tmp_path / "file").read_bytes()
    assert number["id"].encode() in content or form == "Parquet"
    assert content.startswith({"CSV": b"id,", "NDJSON": b'{"id"', "Parquet": b"PAR1"}[form])


def test_numbers_are_chosen_by_keyboard_and_tagged_once_their_preview_was_seen(enter: Enter, stack: Stack):
    center = uuid4().hex
    numbers = [stack.buys("313", cost_center=center, nickname=MARKUP)["id"] for _ in range(3)]
    person = enter("admin")
    page = person.goes(f"/console/numbers?cost_center={center}")

    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.locator("[data-chosen]")).to_contain_text("2 chosen")
    person.assert_page_is_sound()
    with page.expect_navigation():
        page.get_by_role("button", name="Change…").click()
    person.assert_page_is_sound()
    page.get_by_label("Add tags").fill(f"a, b\n{MARKUP}")
    with page.expect_navigation():
        page.get_by_role("button", name="Preview the change").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Change 2 numbers?")
    expect(rows(page).first).to_contain_text(MARKUP)
    assert number_of(stack, numbers[0])["tags"] == []
    order_id = order_in(person)
    person.assert_sound_everywhere(f"/console/numbers/bulk/{order_id}")
    with page.expect_navigation():
        page.get_by_role("button", name="Change 2 numbers").click()
    expect(page).to_have_url(re.compile(f"/console/orders/{order_id}$"))
    assert ended(stack, order_id)["state"] == "completed"
    assert [number_of(stack, one)["tags"] for one in numbers] == [["a, b", MARKUP], ["a, b", MARKUP], []]

    # The order's page loads itself anew once it is over.
    beside = person.new_page()
    beside.goto(f"/console/numbers/bulk/{order_id}")
    expect(beside.locator(".note")).to_contain_text("is not done twice")


def test_all_that_match_are_released_once_that_is_confirmed(enter: Enter, stack: Stack):
    center = uuid4().hex
    numbers = [stack.buys("313", cost_center=center)["id"] for _ in range(2)]
    kept = stack.buys("313", cost_center=center, tags=["kept"])["id"]
    stack.admin.patch(f"/v1/numbers/{kept}", json={"cost_center": "elsewhere"})
    person = enter("admin")
    page = person.goes(f"/console/numbers?cost_center={center}")

    with page.expect_navigation():
        page.get_by_role("link", name="Change all that match…").click()
    panel(page, "Release them")
    with page.expect_navigation():
        page.get_by_role("button", name="Preview the release").click()
    expect(page.locator(".cards")).to_contain_text("A month costs less by")
    page.get_by_role("button", name="Release 2 numbers").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Go on").click()

    assert ended(stack, order_in(person))["state"] == "completed"
    assert [number_of(stack, one)["state"] for one in numbers] == ["released", "released"]
    assert number_of(stack, kept)["state"] == "active"


def test_a_preview_of_nothing_says_why_and_is_thrown_away(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="As it is")
    person = enter("admin")
    page = person.goes(f"/console/numbers/bulk?ids={number['id']},{uuid4()}")

    page.get_by_role("button", name="Preview the change").click()
    expect(page.locator("form .fault").first).to_be_visible()
    page.get_by_label("Nickname").first.fill("As it is")
    with page.expect_navigation():
        page.get_by_role("button", name="Preview the change").click()

    expect(page.locator("main")).to_contain_text("It is so already.")
    expect(page.locator("main")).to_contain_text("There is no such number")
    person.assert_page_is_sound()
    with page.expect_navigation():
        page.get_by_role("button", name="Leave all as it is").click()
    expect(page.locator("#said")).to_have_text("Nothing was changed.")


def test_a_nickname_full_of_markup_is_text_wherever_it_shows(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="Harmless", tags=["old"], cost_center="kept")
    person = enter("admin")
    page = person.goes(f"/console/numbers/{number['phone_number']}")

    editing = panel(page, "Change it")
    editing.get_by_label("Nickname").fill(MARKUP)
    editing.get_by_label("Tags").fill(f"two words\n{MARKUP}")
    person.sends(editing, "Change")

    expect(page.locator("#said")).to_have_text("It was changed.")
    told = number_of(stack, number["id"])
    assert (told["nickname"], told["tags"], told["cost_center"]) == (MARKUP, ["two words", MARKUP], "kept")
    expect(page.locator("main > p strong")).to_have_text(MARKUP)
    changed = page.locator(".timeline li").first
    expect(changed.locator("del").filter(has_text="Harmless")).to_be_visible()
    expect(changed.locator("ins").filter(has_text=re.compile(f"^{re.escape(MARKUP)}$"))).to_be_visible()
    person.assert_sound_everywhere(f"/console/numbers/{number['id']}")
    with page.expect_navigation():
        page.get_by_role("link", name=MARKUP).click()
    expect(rows(page).filter(has_text=MARKUP).first).to_be_visible()
    person.assert_page_is_sound()


def test_who_changes_what_another_changed_first_is_told_and_loses_nothing(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="Before")
    person = enter("admin")
    page = person.goes(f"/console/numbers/{number['id']}")
    stack.admin.patch(f"/v1/numbers/{number['id']}", json={"nickname": "Of another"})

    editing = panel(page, "Change it")
    editing.get_by_label("Cost centre").fill("mine")
    editing.get_by_role("button", name="Change", exact=True).click()

    expect(editing.locator(".fault")).to_contain_text("Somebody changed this since the page was loaded")
    expect(editing.get_by_label("Cost centre")).to_have_value("mine")
    assert number_of(stack, number["id"])["cost_center"] is None
    person.assert_page_is_sound()
    person.sends(editing, "Send mine all the same")
    told = number_of(stack, number["id"])
    assert (told["nickname"], told["cost_center"]) == ("Of another", "mine")


def test_a_fault_stands_beside_its_field(enter: Enter, stack: Stack):
    number = stack.buys("313")
    person = enter("admin")
    page = person.goes(f"/console/numbers/{number['id']}")

    editing = panel(page, "Change it")
    editing.get_by_label("Holder").fill("nobody")
    editing.get_by_role("button", name="Change", exact=True).click()

    expect(editing.get_by_label("Holder")).to_have_accessible_description(re.compile("is no user"))
    expect(editing.get_by_label("Holder")).to_have_value("nobody")


def test_a_number_is_released_into_its_grace_and_restored(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="Second thoughts")
    person = enter("admin")
    page = person.goes(f"/console/numbers/{number['id']}")

    releasing = panel(page, "Release it")
    expect(releasing).to_contain_text("The next charge, 1.00 USD")
    releasing.get_by_label("Reason").fill(MARKUP)
    person.sends(releasing, "Release")
    expect(page.get_by_role("heading", level=1)).to_contain_text("release scheduled")
    expect(page.locator(".note")).to_contain_text(MARKUP)
    person.assert_sound_everywhere(f"/console/numbers/{number['id']}")
    page.get_by_label("Reason").fill("It is on the brochure")
    person.sends(page.locator(".note form"), "Restore")

    expect(page.locator("#said")).to_have_text("It was restored, and is kept.")
    assert number_of(stack, number["id"])["state"] == "active"
    expect(page.locator(".timeline li").first).to_contain_text("It is on the brochure")


def test_a_filter_is_saved_applied_and_deleted(enter: Enter, stack: Stack):
    tag, name = uuid4().hex, f"{MARKUP} {uuid4().hex[:6]}"
    stack.buys("313", tags=[tag])
    person = enter("operator")
    page = person.goes(f"/console/numbers?tag={tag}&idle_days=1&sort=-acquired_at")

    saving = panel(page, "Saved filters")
    saving.get_by_label("Save these filters as").fill(name)
    person.sends(saving, "Save")
    expect(page.locator("#said")).to_have_text("The filter was saved.")
    person.goes("/console/numbers")
    saved = panel(page, "Saved filters")
    person.assert_page_is_sound()
    with page.expect_navigation():
        saved.get_by_role("link", name=name).click()
    expect(page.get_by_role("link", name=f"Tags: {tag}")).to_be_visible()
    expect(page.get_by_role("link", name="Days of silence: 1")).to_be_visible()

    panel(page, "Saved filters").get_by_role("button", name=f"Delete {name}").click()
    with page.expect_navigation():
        page.get_by_role("button", name="Go on").click()
    assert name not in [one["name"] for one in stack.operator.get("/v1/filters").json()["items"]]


def test_a_session_that_ended_in_mid_form_loses_nothing_that_was_typed(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="Before")
    person = enter("admin")
    page = person.goes(f"/console/numbers/{number['id']}")
    editing = panel(page, "Change it")
    editing.get_by_label("Nickname").fill("Typed before the end")
    beside = person.new_page()
    beside.goto("/console")
    beside.locator("details.who summary").click()
    with beside.expect_navigation():
        beside.get_by_role("button", name="Log out").click()

    editing.get_by_role("button", name="Change", exact=True).click()
    expect(editing.locator(".fault")).to_contain_text("Your session is over")
    with person.context.expect_page() as opened:
        editing.get_by_role("link", name="Log in again in another tab").click()
    opened.value.get_by_role("link", name=NAMES["admin"], exact=True).click()
    expect(opened.value.get_by_role("heading", level=1)).to_have_text("You are logged in")
    person.sends(editing, "Change")

    assert number_of(stack, number["id"])["nickname"] == "Typed before the end"


def test_idle_numbers_tell_what_could_be_judged_and_lead_to_a_release(enter: Enter):
    person = enter("admin")
    page = person.goes("/console/numbers/idle?days=2")

    expect(page.locator(".cards")).to_contain_text("Could be judged")
    expect(page.locator(".empty")).to_contain_text("silent for 2 days")
    person.assert_sound_everywhere("/console/numbers/idle")


@pytest.mark.parametrize("role", ["operator", "auditor", "organization-admin"])
def test_who_may_only_read_sees_numbers_and_no_way_to_change_them(enter: Enter, stack: Stack, role: str):
    number = stack.buys("313", nickname="To be read")
    person = enter(role)

    page = person.goes("/console/numbers?state=active")
    expect(page.get_by_role("checkbox", name="Choose all of this page")).to_have_count(0)
    page = person.goes(f"/console/numbers/{number['id']}")

    expect(page.get_by_text("Release it")).to_have_count(0)
    expect(page.get_by_text("Change it")).to_have_count(0)
    person.assert_page_is_sound()


def test_numbers_can_be_read_with_scripts_off(enter: Enter, stack: Stack):
    number = stack.buys("313", nickname="Without scripts")
    person = enter(None, java_script_enabled=False).logs_in("admin")
    page = person.goes("/console/numbers?nickname=without")

    with page.expect_navigation():
        rows(page).get_by_role("link").first.click()

    expect(page.get_by_role("heading", level=1)).to_contain_text(number["phone_number"][-4:])
    expect(page.get_by_role("button", name="Change", exact=True)).to_be_hidden()
