"""An administrator buys: one, many, and never twice; and sees how far it is while it runs."""

import re
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from service.cli.provision import ORGANIZATION, TENANT, USER
from tests.browser.person import Enter, Person
from tests.browser.stack import Stack

MARKUP = "<img src=x onerror=alert(1)>'\""


def bought(stack: Stack) -> int:
    """How many numbers were ever bought at Teli."""
    counts = httpx.get(f"{stack.ready['teli_control_url']}/counts", timeout=30).json()
    return int(counts["bought"])


def asks_what_it_costs(person: Person, quantity: int, codes: str = "313", **more: str) -> None:
    # Other tests may have made more of each to choose from.
    whose = {"tenant_id": TENANT, "organization_id": ORGANIZATION, "user_id": USER}
    person.goes(f"/console/buy?{urlencode(whose)}")
    expect(person.page).to_have_url(re.compile(r"/console/buy\?key=[0-9a-f-]{36}"))
    person.page.get_by_label("How many").fill(str(quantity))
    person.page.get_by_label("Area codes").fill(codes)
    for label, text in more.items():
        person.page.get_by_label(label, exact=True).fill(text)
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="What it costs").click()


def is_over(person: Person, state: str = "completed") -> None:
    expect(person.page.locator("#progress > p .state")).to_have_text(state, timeout=30_000)
    expect(person.page.locator("[data-events]")).to_have_count(0, timeout=10_000)


def test_one_number_is_bought_once_its_price_and_what_the_quota_leaves_were_shown(enter: Enter, stack: Stack):
    person, before = enter("admin"), bought(stack)
    asks_what_it_costs(person, 1, Nickname=MARKUP, Tags="desk\nfront office")
    assert bought(stack) == before
    expect(person.page.get_by_text("1.00 USD", exact=True).first).to_be_visible()
    expect(person.page.get_by_role("cell", name="numbers held of the tenant")).to_be_visible()
    person.assert_sound_everywhere(person.page.url)

    with person.page.expect_navigation(url=re.compile(r"/console/orders/")):
        person.page.get_by_role("button", name="Buy 1 number for 1.00 USD").click()
    is_over(person)

    assert bought(stack) == before + 1
    expect(person.page.get_by_text(MARKUP)).to_be_visible()
    listed = stack.tenant.get("/v1/numbers", params={"tag": "front office"}).json()["items"]
    assert [(one["nickname"], one["tags"]) for one in listed] == [(MARKUP, ["desk", "front office"])]
    person.assert_sound_everywhere(person.page.url)


def test_ten_are_bought_while_somebody_watches(enter: Enter, stack: Stack):
    person, before = enter("admin"), bought(stack)
    stack.teli("faults", fault="hold", times=10, params={"step": "received", "operation": "create"}, match={})
    asks_what_it_costs(person, 10, "313 248", Nickname="Sales {area_code}-{n:03}")
    with person.page.expect_navigation(url=re.compile(r"/console/orders/")):
        person.page.get_by_role("button", name="Buy 10 numbers").click()

    expect(person.page.locator("#progress > p .state")).to_have_text("running", timeout=20_000)
    expect(person.page.locator("progress")).to_have_attribute("value", "0")
    httpx.delete(f"{stack.ready['teli_control_url']}/faults", timeout=30)
    stack.teli("holds/release")
    is_over(person)

    expect(person.page.locator("progress")).to_have_attribute("value", "10")
    expect(person.page.locator("#progress tbody tr")).to_have_count(10)
    assert bought(stack) == before + 10
    person.goes("/console/orders?state=completed")
    expect(person.page.get_by_role("link", name="10 new numbers").first).to_be_visible()
    person.assert_sound_everywhere("/console/orders")


def test_a_double_click_and_the_back_button_buy_once_and_lead_to_the_same_order(enter: Enter, stack: Stack):
    person, before = enter("admin"), bought(stack)
    asks_what_it_costs(person, 2)
    pressed_at = person.page.url
    with person.page.expect_navigation(url=re.compile(r"/console/orders/")):
        person.page.get_by_role("button", name="Buy 2 numbers").dblclick()
    first = person.page.url
    is_over(person)

    person.page.go_back()
    with person.page.expect_navigation(url=re.compile(r"/console/orders/")):
        person.page.get_by_role("button", name="Buy 2 numbers").click()

    assert person.page.url == first
    assert bought(stack) == before + 2
    # Another administrator, who was sent the address of the page that buys.
    key = parse_qs(urlsplit(pressed_at).query)["key"][0]
    body = {
        "tenant_id": stack.ready["tenant_id"], "organization_id": stack.ready["organization_id"],
        "user_id": stack.ready["user_id"], "quantity": 2, "area_codes": ["313"],
    }  # fmt: skip
    theirs = stack.admin.post("/v1/orders", json=body, headers={"Idempotency-Key": key})
    assert first.endswith(theirs.json()["order_id"])
    assert bought(stack) == before + 2


def test_coming_back_to_order_something_else_by_the_same_page_buys_nothing(enter: Enter, stack: Stack):
    person = enter("admin")
    asks_what_it_costs(person, 1)
    with person.page.expect_navigation(url=re.compile(r"/console/orders/")):
        person.page.get_by_role("button", name="Buy 1 number").click()
    is_over(person)
    before = bought(stack)

    person.page.go_back()
    person.page.get_by_label("How many").fill("3")
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="What it costs").click()
    person.page.get_by_role("button", name="Buy 3 numbers").click()

    expect(person.page.locator("form[data-api]").get_by_role("alert")).to_be_visible()
    assert bought(stack) == before


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"quantity": 0}, "greater than or equal to 1|must be 1 or more|at least 1"),
        ({"codes": "800"}, "toll-free"),
        ({"Nickname": "Sales {nothing}"}, "nothing"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_what_was_typed_stays(
    enter: Enter, fields: dict[str, Any], told: str
):
    person = enter("admin")
    given: dict[str, Any] = {"quantity": 5, "codes": "313", **fields}
    asks_what_it_costs(person, given.pop("quantity"), given.pop("codes"), **given)

    expect(person.page.locator("form .wrong")).to_have_text(re.compile(told))
    if "quantity" not in fields:
        expect(person.page.get_by_label("How many")).to_have_value("5")
    expect(person.page.get_by_role("button", name=re.compile("^Buy"))).to_have_count(0)
    person.assert_page_is_sound()


def test_an_area_code_is_found_by_the_name_of_its_place(enter: Enter):
    person = enter("admin")
    asks_what_it_costs(person, 1, "Detroit")

    with person.page.expect_navigation():
        person.page.get_by_role("link", name="313").click()

    expect(person.page.get_by_label("Area codes")).to_have_value("313")
    expect(person.page.get_by_role("button", name="Buy 1 number")).to_be_visible()


def test_whoever_says_nothing_of_what_is_wanted_is_told_what_is_missing(enter: Enter):
    person = enter("admin")

    person.page.goto("/console/buy?key=k&show=cost&tenant_id=nobody")

    expect(person.page.get_by_role("heading", level=1)).to_have_text("Buy numbers")
    expect(person.page.get_by_role("alert")).to_be_visible()


def test_buying_is_an_administrators_alone(enter: Enter):
    person = enter("auditor")

    answer = person.page.goto("/console/buy")

    assert answer is not None
    assert answer.status == 403


def test_orders_can_be_read_with_scripts_off(enter: Enter, stack: Stack):
    placed = stack.tenant.post(
        "/v1/orders", json={"quantity": 1, "user_id": stack.ready["user_id"], "area_codes": ["313"]}
    ).json()
    person = enter(None, java_script_enabled=False).logs_in("auditor")

    person.page.goto(f"/console/orders/{placed['order_id']}")

    expect(person.page.get_by_role("heading", level=1)).to_have_text("1 new number")
    expect(person.page.get_by_role("button", name="Cancel the order")).to_have_count(0)


def test_a_change_of_many_is_undone_once_it_was_shown_what_that_changes(enter: Enter, stack: Stack):
    number = stack.buys(nickname="before")
    change = {"action": "preview", "selection": {"ids": [number["id"]]}, "change": {"set": {"cost_center": "east"}}}
    shown = stack.admin.post("/v1/numbers/bulk", json=change).json()
    stack.admin.post("/v1/numbers/bulk", json={"action": "apply", "token": shown["token"]})
    person = enter("admin")
    person.goes(f"/console/orders/{shown['order_id']}")
    is_over(person)

    with person.page.expect_navigation(url=re.compile("token=")):
        person.page.get_by_role("button", name="Undo it").click()
    person.assert_page_is_sound()
    with person.page.expect_navigation(url=re.compile(r"/console/orders/[0-9a-f-]+$")):
        person.page.get_by_role("button", name="Do it").click()
    is_over(person)

    assert stack.tenant.get(f"/v1/numbers/{number['id']}").json()["cost_center"] is None


def test_an_order_is_cancelled_while_it_waits(enter: Enter, stack: Stack):
    stack.teli("faults", fault="hold", times=200, params={"step": "received", "operation": "create"}, match={})
    try:
        placed = stack.tenant.post(
            "/v1/orders", json={"quantity": 200, "user_id": stack.ready["user_id"], "area_codes": ["313"]}
        ).json()
        person = enter("admin")
        person.goes(f"/console/orders/{placed['order_id']}")
        person.page.get_by_role("button", name="Cancel the order").click()
        with person.page.expect_navigation():
            person.page.get_by_role("button", name="Go on").click()
        expect(person.page.get_by_text("Cancelled: nothing more is begun.")).to_be_visible()
    finally:
        httpx.delete(f"{stack.ready['teli_control_url']}/faults", timeout=30)
        stack.teli("holds/release")
    is_over(person, "cancelled")
    assert stack.tenant.get(f"/v1/orders/{placed['order_id']}").json()["counts"]["cancelled"] > 0
