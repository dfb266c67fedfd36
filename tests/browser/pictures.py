"""`python -m tests.browser.pictures DIR`: every page of the console, filled as a working day fills it, as pictures.

Each page in light and dark, 1280 and 360 pixels wide, for a person to look at; those of the documentation are taken
from here too.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, expect, sync_playwright

from service.kit.clock import utc_now
from tests.browser.chromium import ARGUMENTS, chromium
from tests.browser.person import NARROW, WIDE, Person
from tests.browser.stack import Stack
from tests.cli.command import Running

THIS = utc_now().date().replace(day=1)
LAST = (THIS - timedelta(days=1)).replace(day=1)
BEFORE = (LAST - timedelta(days=1)).replace(day=1)
PATIENCE = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("into", type=Path)
    parser.add_argument("--only", default="", help="pages whose names have this in them")
    asked = parser.parse_args()
    asked.into.mkdir(parents=True, exist_ok=True)
    with stack_of_a_working_day() as (stack, pages), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for role in dict.fromkeys(role for role, _, _ in pages):
            mine = [(name, path) for of, name, path in pages if of == role and asked.only in name]
            if mine:
                _take(browser, stack, role, mine, asked.into)
        browser.close()


def _take(browser: Browser, stack: Stack, role: str, pages: list[tuple[str, str]], into: Path) -> None:
    person = Person(browser, stack.base_url).logs_in(role)
    for name, path in pages:
        for theme in ("light", "dark"):
            person.page.emulate_media(color_scheme=theme)
            for width, size in (("wide", WIDE), ("narrow", NARROW)):
                person.page.set_viewport_size(size)
                person.page.goto(path)
                expect(person.page.locator("[aria-busy=true]")).to_have_count(0)
                person.page.screenshot(path=into / f"{name}-{theme}-{width}.png", full_page=True)
        print(f"{name}: {path}", flush=True)
    person.context.close()


@contextmanager
def stack_of_a_working_day() -> Iterator[tuple[Stack, list[tuple[str, str, str]]]]:
    """With the pages that there are: by whom each is looked at, its name and its address."""
    with tempfile.TemporaryDirectory() as folder:
        running = Running(
            Path(folder), "up", "--json", "--port", "0", "--data", Path(folder) / "data",
            NUMBERGATE_RESOLVE_INTERVAL="1", NUMBERGATE_SWEEP_INTERVAL="2",
            # What needs a person is found within seconds.
            NUMBERGATE_UPSTREAM_TIMEOUT="10", NUMBERGATE_SETTLING_WINDOW="12",
        )  # fmt: skip
        try:
            stack = Stack(running.line())
            yield stack, _filled(stack)
        finally:
            running.end()


def _filled(stack: Stack) -> list[tuple[str, str, str]]:
    ready = stack.ready
    tenant, organization, user = ready["tenant_id"], ready["organization_id"], ready["user_id"]
    with stack.admin as admin, stack.finance as finance, stack.operator as operator, stack.tenant as caller:
        # Months past, which are what the ledger knows of numbers that were bought before.
        _of(finance.post("/v1/billing/prices", json={"since": f"{BEFORE}", "setup": 1_000_000, "monthly": 2_990_000}))
        whose = {"user_id": user, "organization_id": organization}
        old = stack.teli("dashboard/buy", area_code="248", count=6, **whose)["phone_numbers"]
        rows = ["phone_number,nickname,tags,cost_center,acquired_at"] + [
            f"{number},Sales {place},sales,{['east', 'west'][place % 2]},{BEFORE}" for place, number in enumerate(old)
        ]
        _until(lambda: _imports(admin, tenant, rows))
        _until(lambda: _numbers(finance) == len(old))
        _of(finance.post(f"/v1/billing/periods/{BEFORE:%Y-%m}/close"))
        _of(admin.put(f"/v1/admin/organizations/{organization}", json={"name": "Northwind Telephony"}))
        _of(admin.put(f"/v1/admin/organizations/{organization}/users/{user}", json={"name": "Front desk"}))
        _of(admin.put(f"/v1/admin/tenants/{tenant}", json={"name": "Dialler"}))
        billing = {"name": "Billing service", "organization_ids": [organization]}
        _of(admin.put("/v1/admin/tenants/billing", json=billing))
        _of(admin.put(f"/v1/admin/tenants/{tenant}/quotas", json={"numbers_held": 50, "purchases_per_day": 40,
                                                                   "spend_per_month": 60_000_000}))  # fmt: skip
        _of(admin.post("/v1/admin/tenants/billing/keys", json={"name": "nightly job", "scopes": ["numbers:read"]}))
        numbers = [
            stack.buys(code, nickname=f"{what} {place}", tags=tags, cost_center=center)
            for place, (code, what, tags, center) in enumerate(
                4 * [("313", "Support", ["support", "day"], "south"), ("415", "Sales", ["sales"], "west"),
                     ("212", "Reminders", [], None), ("313", "Recruiting", ["hr"], "east")]
            )
        ]  # fmt: skip
        hooks = admin.post(
            f"/v1/webhook-endpoints?tenant_id={tenant}", json={"url": f"{stack.base_url}/nobody-listens"}
        )
        endpoint = _of(hooks)["id"]
        _of(admin.post("/v1/filters", json={"name": "Sales in the west", "filters": {"tag": "sales"}}))
        order = _of(caller.post("/v1/orders", json={"quantity": 5, "area_codes": ["313", "248"], "user_id": user,
                                                     "nickname": "Campaign {n:02}"}))["order_id"]  # fmt: skip
        change = {"action": "preview", "selection": {"tag": "support"}, "change": {"set": {"cost_center": "north"}}}
        preview = _of(admin.post("/v1/numbers/bulk", json=change))["order_id"]
        _of(admin.post(f"/v1/numbers/{numbers[3]['id']}/release", json={"reason": "the team moved"}))
        budget = _of(
            finance.post(
                "/v1/billing/budgets",
                json={"name": "Northwind", "amount": 60_000_000, "currency": "USD", "organization_id": organization},
            )
        )
        _of(finance.post("/v1/billing/budgets", json={"name": "West", "amount": 20_000_000, "currency": "USD",
                                                       "cost_center": "west"}))  # fmt: skip
        invoice = _matched(finance, "R-2041", old)
        held = _filed(
            finance,
            "R-2042",
            "number,from,to,amount,currency\n"
            + "".join(f"{one},{LAST},{THIS},{amount},USD\n" for one, amount in zip(old, ("2", "oops"), strict=False)),
        )
        dispute = _of(finance.post("/v1/billing/disputes", json={
            "invoice_id": invoice, "title": "Charged too much", "verdicts": ["price_differs"]}))["id"]  # fmt: skip
        _of(finance.post(f"/v1/billing/disputes/{dispute}/notes", json={"text": "They answer within a week."}))
        # What needs a person.
        gone = numbers[0]["phone_number"]
        stack.teli("dashboard/release", phone_number=gone)
        stack.teli("dashboard/buy", area_code="734", count=2, nickname="Bought by hand", **whose)
        stack.teli("faults", fault="reset", times=1, params={"step": "received", "operation": "create"}, match={})
        doubt = caller.post(
            "/v1/voice/phone-numbers/create", json={"area_code": "313", "user_id": user, "nickname": "Support 99"},
            headers={"Prefer": "respond-async", "Idempotency-Key": "support-99"},
        ).json()["operation_id"]  # fmt: skip
        _until(lambda: operator.get("/v1/admin/doubts").json()["items"])
        _until(lambda: operator.get("/v1/admin/orphans").json()["items"])
        stack.teli("dashboard/rename", phone_number=old[1], nickname="Renamed by hand")
        _until(lambda: admin.get("/v1/drift").json()["items"])
        _until(lambda: operator.get("/v1/admin/ghosts").json()["items"])
        _of(operator.post("/v1/admin/stop", json={"scope": "tenant", "id": "billing", "reason": "a runaway loop"}))
    buy = f"/console/buy?key=pictures&tenant_id={tenant}&organization_id={organization}&user_id={user}&quantity=5"
    rooms = {
        "admin": {
            "overview": "/console", "activity": "/console/activity", "numbers": "/console/numbers",
            "numbers-filtered": "/console/numbers?tag=sales&state=active&area_code=415,248",
            "numbers-none": "/console/numbers?q=nothing+like+it",
            "numbers-faults": "/console/numbers?area_code=9&idle_days=x",
            "number": f"/console/numbers/{numbers[1]['id']}", "number-released": f"/console/numbers/{numbers[3]['id']}",
            "numbers-idle": "/console/numbers/idle?days=2", "numbers-bulk": "/console/numbers/bulk?tag=support",
            "numbers-preview": f"/console/numbers/bulk/{preview}", "buy": "/console/buy",
            "buy-quote": f"{buy}&area_codes=313+248&nickname=Desk+{{n}}&show=cost",
            "buy-places": f"{buy}&area_codes=Michigan&show=cost", "buy-faults": f"{buy}&area_codes=800&show=cost",
            "orders": "/console/orders", "order": f"/console/orders/{order}", "drift": "/console/drift",
            "upstream": "/console/upstream", "organizations": "/console/organizations",
            "organization": f"/console/organizations/{organization}", "tenants": "/console/tenants",
            "tenant": f"/console/tenants/{tenant}", "limits": "/console/limits",
            "audit-faults": "/console/audit?after=yesterday&actor=worker", "keys": "/console/keys",
            "webhooks": "/console/webhooks", "webhooks-of": f"/console/webhooks?tenant_id={tenant}",
            "webhook": f"/console/webhooks/{endpoint}?tenant_id={tenant}", "audit": "/console/audit",
            "sessions": "/console/sessions", "refused": "/console/statements", "nowhere": "/console/nowhere",
        },
        "operator": {
            "operator-overview": "/console", "doubts": "/console/doubts", "doubt": f"/console/doubts/{doubt}",
            "orphans": "/console/doubts?list=orphans", "ghosts": "/console/doubts?list=ghosts",
            "operator-upstream": "/console/upstream",
        },
        "finance": {
            "finance-overview": "/console", "statements": "/console/statements",
            "statement": f"/console/statements/{LAST:%Y-%m}", "statement-final": f"/console/statements/{BEFORE:%Y-%m}",
            "statement-open": f"/console/statements/{THIS:%Y-%m}?organization_id={organization}",
            "invoices": "/console/invoices", "invoice-import": "/console/invoices/import",
            "invoice": f"/console/invoices/{invoice}", "invoice-held": f"/console/invoices/{held}",
            "invoice-findings": f"/console/invoices/{invoice}?verdict=price_differs",
            "disputes": "/console/disputes", "dispute": f"/console/disputes/{dispute}", "prices": "/console/prices",
            "budgets": "/console/budgets", "budget": f"/console/budgets/{budget['id']}",
        },
        "auditor": {"auditor-overview": "/console", "auditor-numbers": "/console/numbers"},
    }  # fmt: skip
    return [(role, name, path) for role, pages in rooms.items() for name, path in pages.items()]


def _imports(admin: httpx.Client, tenant: str, rows: list[str]) -> bool:
    """Once Teli's listing shows them, which takes a sweep."""
    shown = _of(admin.post(f"/v1/imports/csv?tenant_id={tenant}", content="\n".join(rows),
                           headers={"Content-Type": "text/csv"}))  # fmt: skip
    if shown["count"] < len(rows) - 1:
        return False
    _of(admin.post(f"/v1/imports/{shown['import_id']}/apply"))
    return True


def _numbers(finance: httpx.Client) -> int:
    totals = finance.get(f"/v1/billing/statements/{BEFORE:%Y-%m}").json()["totals"]
    return sum(one["numbers"] for one in totals)


def _filed(finance: httpx.Client, number: str, content: str) -> str:
    filed: str = _of(finance.post(
        "/v1/billing/invoices", params={"period": f"{LAST:%Y-%m}", "number": number}, content=content,
        headers={"Content-Type": "text/csv"},
    ))["id"]  # fmt: skip
    _until(lambda: finance.get(f"/v1/billing/invoices/{filed}").json()["state"] != "reading")
    return filed


def _matched(finance: httpx.Client, number: str, numbers: list[str]) -> str:
    amounts = ("2.99", "2.99", "3.49", "2.99", "9.99", "2.99")
    lines = [f"{one},{LAST},{THIS},{amount},USD" for one, amount in zip(numbers, amounts, strict=True)]
    lines += [f"+14155550199,{LAST},{THIS},5.99,USD", lines[0]]
    filed = _filed(finance, number, "number,from,to,amount,currency\n" + "\n".join(lines) + "\n")
    _of(finance.post(f"/v1/billing/invoices/{filed}/match", json={}))
    _until(lambda: finance.get(f"/v1/billing/invoices/{filed}/match").json()["state"] == "done")
    return filed


def _of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code < 300, f"{answer.request.url}: {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def _until(holds: Any) -> None:
    ends = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.5)


if __name__ == "__main__":
    main()
