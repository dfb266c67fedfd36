"""An operator at work: doubts settled with their evidence in view, orphans and ghosts, drift, and the money stop."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.person import Enter, Person
from tests.browser.stack import Stack

MARKUP = "<img src=x onerror=alert(1)>'\""


def doubtful(stack: Stack) -> dict[str, Any]:
    """A purchase whose answer was lost on the way, before anything was bought."""
    stack.teli("faults", fault="reset", times=1, params={"step": "received", "operation": "create"}, match={})
    answer = stack.tenant.post(
        "/v1/voice/phone-numbers/create",
        json={"area_code": "313", "user_id": stack.ready["user_id"], "nickname": MARKUP},
        headers={"Prefer": "respond-async", "Idempotency-Key": uuid4().hex},
    )
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    waits_for(lambda: any(one["id"] == found["operation_id"] for one in listed(stack, "doubts")))
    return found


@pytest.fixture(autouse=True)
def settled(stack: Stack) -> Iterator[None]:
    """What a test leaves in doubt would hold up its user's next purchase."""
    yield
    for one in listed(stack, "doubts"):
        decision = {"decision": "refused", "reason": "the test is over"}
        stack.operator.post(f"/v1/admin/doubts/{one['id']}/resolve", json=decision)


def listed(stack: Stack, name: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = stack.operator.get(f"/v1/admin/{name}").json()["items"]
    return items


def waits_for(holds: Any, within: float = 30) -> None:
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.2)


def of(person: Person, item: str) -> Locator:
    return person.page.locator(f'[id="{item}"]')


def decides(person: Person, within: Locator, decision: str, reason: str) -> None:
    within.get_by_label(decision).check()
    within.get_by_label("Reason").fill(reason)
    within.get_by_role("button", name="Decide").click()


def test_a_doubt_is_settled_with_what_was_sent_heard_and_listed_side_by_side(enter: Enter, stack: Stack):
    doubt = doubtful(stack)["operation_id"]
    person = enter("operator")
    person.goes("/console/doubts")
    one = of(person, doubt)
    for heading in ("What we sent", "What we heard", "What the listing shows"):
        expect(one.get_by_role("heading", name=heading)).to_be_visible()
    expect(one.get_by_text(MARKUP)).to_be_visible()
    expect(one.get_by_text("The connection broke", exact=False).first).to_be_visible()
    expect(one.get_by_text(f"Demo user {stack.ready['user_id']}")).to_be_visible()
    person.assert_sound_everywhere("/console/doubts")
    person.assert_sound_everywhere(f"/console/doubts/{doubt}")

    person.goes("/console/doubts")
    with person.page.expect_navigation():
        decides(person, of(person, doubt), "It bought nothing", "Teli's dashboard shows no purchase")

    expect(person.page.get_by_text("Decided.")).to_be_visible()
    expect(of(person, doubt)).to_have_count(0)
    assert stack.tenant.get(f"/v1/operations/{doubt}").json()["state"] == "failed"
    person.goes(f"/console/doubts/{doubt}")
    expect(person.page.get_by_text("Decided: it bought nothing")).to_be_visible()


def test_a_doubt_is_settled_by_a_number_that_appeared_since(enter: Enter, stack: Stack):
    doubt = doubtful(stack)["operation_id"]
    [number] = bought_by_hand(stack)
    waits_for(lambda: any(one["candidates"] for one in listed(stack, "doubts") if one["id"] == doubt))
    person = enter("operator")
    person.assert_sound_everywhere("/console/doubts")
    person.goes(f"/console/doubts/{doubt}")

    person.page.get_by_label("The number that it bought").select_option(number)
    with person.page.expect_navigation():
        decides(person, person.page.locator("main"), "It bought a number", "the carrier says so")

    expect(person.page.get_by_text("Decided: it bought")).to_be_visible()
    assert number in {held["phone_number"] for held in stack.tenant.get("/v1/numbers").json()["items"]}


def bought_by_hand(stack: Stack) -> list[str]:
    """A number that somebody bought in Teli's dashboard, for the demo's user."""
    whose = {"organization_id": stack.ready["organization_id"], "user_id": stack.ready["user_id"]}
    bought: list[str] = stack.teli("dashboard/buy", area_code="313", nickname=MARKUP, count=1, **whose)["phone_numbers"]
    return bought


def test_of_two_who_decide_the_same_doubt_the_second_is_told_what_was_decided(enter: Enter, stack: Stack):
    doubt = doubtful(stack)["operation_id"]
    first, second = enter("operator"), enter("operator")
    first.goes("/console/doubts")
    second.goes(f"/console/doubts/{doubt}")
    with first.page.expect_navigation():
        decides(first, of(first, doubt), "It bought nothing", "seen in the dashboard")

    decides(second, second.page.locator("main"), "It bought nothing", "nothing to be seen")

    expect(second.page.get_by_role("alert")).to_contain_text("resolved meanwhile: refused")
    expect(second.page.get_by_label("Reason")).to_have_value("nothing to be seen")
    second.assert_page_is_sound()


def test_an_orphan_is_adopted_by_a_tenant(enter: Enter, stack: Stack):
    [number] = bought_by_hand(stack)
    waits_for(lambda: any(one["phone_number"] == number for one in listed(stack, "orphans")))
    [orphan] = [one["id"] for one in listed(stack, "orphans") if one["phone_number"] == number]
    person = enter("operator")
    person.assert_sound_everywhere("/console/doubts?list=orphans")
    person.goes("/console/doubts?list=orphans")
    one = of(person, orphan)
    expect(one.get_by_text(MARKUP)).to_be_visible()

    decides(person, one, "It is a tenant's from now on", "bought by hand for them")
    expect(one.locator(".wrong")).to_have_text("is required: this orphan names none")
    one.get_by_role("textbox", name="Tenant").fill(stack.ready["tenant_id"])
    with person.page.expect_navigation():
        one.get_by_role("button", name="Decide").click()

    assert number in {held["phone_number"] for held in stack.tenant.get("/v1/numbers").json()["items"]}
    expect(of(person, orphan)).to_have_count(0)


def test_where_nothing_is_to_be_decided_the_lists_say_that_all_is_well(enter: Enter, stack: Stack):
    person = enter("operator")
    for path in ("/console/doubts?list=ghosts", "/console/drift"):
        person.goes(path)
        expect(person.page.get_by_text("All is well")).to_be_visible()
        person.assert_sound_everywhere(path)


def test_whoever_audits_sees_the_evidence_and_decides_nothing(enter: Enter, stack: Stack):
    doubt = doubtful(stack)["operation_id"]
    person = enter("auditor")

    person.goes(f"/console/doubts/{doubt}")

    expect(person.page.get_by_role("heading", name="What we heard")).to_be_visible()
    expect(person.page.get_by_role("button", name="Decide")).to_have_count(0)


@pytest.fixture
def resumed(stack: Stack) -> Iterator[None]:
    yield
    stack.operator.post("/v1/admin/resume", json={"scope": "global", "reason": "the test is over"})


@pytest.mark.usefixtures("resumed")
def test_purchases_are_stopped_and_go_on_again(enter: Enter, stack: Stack):
    person = enter("operator")
    person.goes("/console/upstream")
    person.page.get_by_text("Stop purchases").first.click()
    stopping = person.page.locator('form[data-api="POST /v1/admin/stop"]')
    stopping.get_by_label("Reason").fill(MARKUP)
    stopping.get_by_role("button", name="Stop purchases").click()
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Go on").click()

    expect(person.page.get_by_role("cell", name=MARKUP)).to_be_visible()
    refused = stack.tenant.post(
        "/v1/voice/phone-numbers/create", json={"area_code": "313", "user_id": stack.ready["user_id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (503, "purchases_stopped")
    person.assert_sound_everywhere("/console/upstream")
    person.page.get_by_label("Why they may go on").fill("it was a drill")
    with person.page.expect_navigation():
        person.page.get_by_role("button", name="Resume").click()

    expect(person.page.get_by_text("Nothing is stopped")).to_be_visible()
    assert stack.buys()["state"] == "active"


def test_an_administrator_sees_the_accounts_and_an_operator_none(enter: Enter):
    administrator, operator = enter("admin"), enter("operator")
    administrator.assert_sound_everywhere("/console/upstream")
    expect(administrator.page.get_by_role("heading", name="Accounts")).to_be_visible()
    operator.goes("/console/upstream")
    expect(operator.page.get_by_role("heading", name="Accounts")).to_have_count(0)


def test_an_account_that_rests_is_told_where_people_look_first(enter: Enter, stack: Stack):
    changes(
        stack,
        "INSERT INTO account_flow (account_id, rests_until, opened) SELECT id, now() + interval '1 hour', 1"
        " FROM accounts ON CONFLICT (account_id) DO UPDATE SET rests_until = excluded.rests_until",
    )
    try:
        person = enter("admin")
        person.assert_sound_everywhere("/console")
        expect(person.page.get_by_text("Teli fails again and again")).to_be_visible()
        expect(person.page.locator(".card", has_text="Teli, account default")).to_contain_text("resting")
        person.assert_sound_everywhere("/console/upstream")
        expect(person.page.get_by_role("cell", name="resting")).to_be_visible()
    finally:
        changes(stack, "UPDATE account_flow SET rests_until = NULL, opened = 0")


def changes(stack: Stack, statement: str) -> None:
    """What no call of the API does. In a thread of its own, for the browser has this one's event loop."""

    async def execute() -> None:
        connection = await asyncpg.connect(stack.ready["database_url"])
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(execute())).result()


def test_who_leaves_or_logs_out_follows_an_order_no_longer(enter: Enter, stack: Stack):
    stack.teli("faults", fault="hold", times=1, params={"step": "received", "operation": "create"}, match={})
    placed = stack.tenant.post(
        "/v1/orders", json={"quantity": 1, "user_id": stack.ready["user_id"], "area_codes": ["313"]}
    ).json()
    person = enter("admin")
    person.goes(f"/console/orders/{placed['order_id']}")
    beside = person.new_page()
    beside.goto("/console")
    try:
        beside.locator("details.who summary").click()
        beside.get_by_role("button", name="Log out").click()
        person.page.wait_for_url(re.compile("/authorize"), timeout=15_000)
    finally:
        httpx.delete(f"{stack.ready['teli_control_url']}/faults", timeout=30)
        stack.teli("holds/release")
