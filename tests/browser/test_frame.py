"""The frame of every page: who may enter, what is shown to whom, and that it holds without scripts."""

import re

import pytest
from playwright.sync_api import Route, expect

from tests.browser.person import Enter
from tests.browser.stack import Stack

ROOMS = {
    "admin": {"Numbers", "Buy", "Orders", "Doubts", "Tenants", "Keys", "Audit log"},
    "finance": {"Statements", "Invoices", "Disputes", "Prices", "Budgets"},
    "operator": {"Numbers", "Doubts", "Drift", "Upstream"},
    "auditor": {"Numbers", "Doubts", "Statements", "Tenants", "Audit log"},
}
CLOSED = {"admin": {"Statements"}, "finance": {"Numbers", "Tenants"}, "operator": {"Buy", "Tenants", "Statements"},
          "auditor": {"Buy"}}  # fmt: skip


@pytest.mark.parametrize("role", ROOMS)
def test_each_role_sees_its_own_rooms_only_and_the_overview_is_sound(enter: Enter, role: str):
    person = enter(role)

    rooms = set(person.page.get_by_role("navigation", name="Rooms").get_by_role("link").all_inner_texts())

    assert ROOMS[role] <= rooms
    assert not rooms & CLOSED[role]
    person.assert_sound_everywhere("/console")


def test_a_stranger_is_led_to_the_login_and_back_to_where_they_wanted_to_go(enter: Enter):
    person = enter(None).logs_in("admin", at="/console/numbers?area_code=313")

    expect(person.page).to_have_url(re.compile(r"/console/numbers\?area_code=313$"))


def test_who_logs_out_is_out_in_every_tab(enter: Enter):
    person = enter("admin")
    beside = person.new_page()
    beside.goto("/console")

    person.page.locator("details.who summary").click()
    person.sends(person.page.locator("details.who form"), "Log out")
    beside.reload()

    expect(beside.get_by_role("heading", name="Who are you today?")).to_be_visible()


def test_a_room_of_others_says_so_in_words(enter: Enter):
    person = enter("finance")

    answer = person.page.goto("/console/numbers")

    assert answer is not None
    assert answer.status == 403
    expect(person.page.get_by_role("heading", level=1)).to_have_text("This room is not yours")
    person.assert_page_is_sound()


def test_a_page_that_is_not_there_is_told_in_the_frame(enter: Enter):
    person = enter("admin")

    answer = person.page.goto("/console/nowhere")

    assert answer is not None
    assert answer.status == 404
    expect(person.page.get_by_role("heading", level=1)).to_have_text("Nothing is here")


def test_whoever_has_no_role_or_came_back_too_late_is_told_so_in_words_with_the_way_out(enter: Enter):
    person = enter(None)
    person.page.goto("/console")
    person.page.get_by_role("link", name="Norman, of no group").click()

    expect(person.page.get_by_role("heading", level=1)).to_have_text("No role")
    expect(person.page.locator(".fault")).to_contain_text("none of your groups has a role here")
    person.assert_page_is_sound()
    person.page.goto("/console/callback?state=x&code=x")
    expect(person.page.locator(".fault")).to_contain_text("This browser began no login")
    person.page.get_by_role("link", name="Log in again").click()
    expect(person.page.get_by_role("link", name="Norman, of no group")).to_be_visible()


def test_the_theme_that_was_chosen_stays(enter: Enter):
    person = enter("admin")
    person.page.locator("details.who summary").click()
    with person.page.expect_navigation():
        person.page.get_by_label("dark").check()

    person.goes("/console")

    assert person.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    person.assert_page_is_sound()


def test_pages_can_be_read_with_scripts_off(enter: Enter):
    person = enter(None, java_script_enabled=False).logs_in("admin")

    expect(person.page.get_by_role("heading", level=1)).to_have_text("Overview")
    expect(person.page.get_by_role("button", name="Log out")).to_be_hidden()
    person.page.get_by_role("link", name="day by day").click()
    expect(person.page.get_by_role("heading", level=1)).to_have_text("The last 30 days")
    person.page.locator("summary", has_text="As a table").first.click()
    expect(person.page.get_by_role("region", name="Numbers held")).to_be_visible()


def test_the_overview_is_there_before_what_is_counted_over_all_numbers(enter: Enter):
    person = enter("admin")
    held: list[Route] = []

    def holds(route: Route) -> None:
        held.append(route)

    person.page.route("**/console/activity", holds)

    with person.page.expect_request("**/console/activity"):
        person.page.goto("/console")
    expect(person.page.locator(".card", has_text="Numbers held")).to_be_visible()
    expect(person.page.get_by_role("link", name="day by day")).to_be_visible()
    held[0].continue_()

    expect(person.page.locator("#activity .plot canvas")).to_have_count(2)
    expect(person.page.locator("#limits")).to_contain_text("purchases per day")
    person.page.unroute("**/console/activity")
    person.assert_sound_everywhere("/console/activity")
    person.assert_sound_everywhere("/console/limits")


def test_what_the_overview_could_not_take_from_elsewhere_is_a_link_there(enter: Enter):
    person = enter("admin")
    person.page.route("**/console/activity", lambda route: route.fulfill(status=503, body="Away"))
    person.page.route("**/console/limits", lambda route: route.abort())

    with person.page.expect_event("requestfailed"):
        person.page.goto("/console")

    expect(person.page.get_by_role("link", name="day by day")).to_be_visible()
    expect(person.page.get_by_role("link", name="See how much of them is used")).to_be_visible()
    expect(person.page.locator("[aria-busy]")).to_have_count(0)
    person.wrong.clear()  # That a request broke off is told in the browser's console.


def test_no_page_may_be_framed_or_load_from_elsewhere(enter: Enter, stack: Stack):
    person = enter("admin")

    answer = person.page.goto("/console")

    assert answer is not None
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
