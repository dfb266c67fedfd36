"""A statement as a page, to be looked at and printed."""

import re
from base64 import b64encode
from datetime import date, timedelta
from hashlib import sha256
from html.parser import HTMLParser
from typing import Any

import asyncpg

from service.billing.printing import MOST_BARS, Printed, page, policy
from service.kit.clock import utc_now
from service.kit.money import money
from tests.billing.months import PRICE, held_since, last_month, month_before, named, told
from tests.support.gateway import Gateway, Tenant

EVIL = "<script>alert(1)</script>\"'&"


class Tags(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def sums(micros: int, **key: Any) -> dict[str, Any]:
    return {
        "key": key, "currency": "USD", "micros": micros, "so_far": micros, "charges": 1, "numbers": 1,
        "corrections": 0, "unpriced": 0,
    }  # fmt: skip


def printed(**of: Any) -> str:
    line = {
        "phone_number": "+13135550142", "nickname": EVIL, "kind": "month", "begins": date(2026, 10, 12),
        "ends": date(2026, 11, 12), "corrects": None, "cost_center": EVIL, "tags": [EVIL, "north"],
        "micros": 2_990_000, "currency": "USD",
    }  # fmt: skip
    whole: dict[str, Any] = {
        "month": date(2026, 10, 1), "state": "final", "today": date(2026, 11, 3), "filters": {"tag": EVIL},
        "totals": [sums(2_990_000)], "centers": [sums(2_990_000, cost_center=EVIL)],
        "owners": [sums(2_990_000, organization_id=EVIL, tenant_id=EVIL)], "lines": [line], "more": False,
        "hash": "5f2b", "closed": "2026-11-03",
    }  # fmt: skip
    return page(Printed(**whole | of))


async def get(of: Tenant, path: str) -> str:
    answer = await of.get(path, headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), answer.text
    assert answer.headers["content-security-policy"] == policy()
    return answer.text


async def test_a_month_is_a_page_for_whoever_may_see_it_with_its_sums_its_charges_and_its_hash(
    gateway: Gateway, finance: Tenant, ledger: asyncpg.Connection
):
    one, other = [await gateway.tenant(scopes=["numbers:create", "billing:read"]) for _ in range(2)]
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    bought = await one.bought(nickname="Sales <desk>", tags=["north & south"], cost_center="marketing")
    theirs = await other.bought(cost_center="secret")
    for number in (bought, theirs):
        await held_since(ledger, number["id"], month_before() + timedelta(days=3))
    path = f"/v1/billing/statements/{named(month_before())}/export"

    draft = Tags(await get(one, path))
    for shown in ("3.99 USD", "draft", "Sales <desk>", "north & south", "marketing", bought["phone_number"]):
        assert shown in draft.text
    assert "secret" not in draft.text
    assert theirs["phone_number"] not in draft.text
    closed = (await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")).json()
    final = Tags(await get(finance, path)).text
    assert closed["hash"] in final
    assert "Sales" not in final
    page_of_then = await get(finance, path)
    await ledger.execute("UPDATE numbers SET nickname = 'renamed', tags = '{other}', cost_center = 'elsewhere'")
    assert await get(finance, path) == page_of_then
    assert "7.98 USD" in final
    await told(one.get(f"{path}?tenant_id={other.id}", headers={"Accept": "text/html"}), 403, "not_your_tenant")
    await told(one.get(f"{path}?columns=focus", headers={"Accept": "text/html"}), 400, "invalid_request")
    empty = Tags(await get(one, f"/v1/billing/statements/{named(last_month())}/export?tag=none")).text
    assert "Nothing is charged." in empty
    assert "open" in Tags(await get(one, f"/v1/billing/statements/{named(utc_now())}/export")).text


def test_whatever_somebody_chose_is_text_and_the_page_holds_no_script():
    found = Tags(printed())
    assert {"script", "img", "iframe", "object", "link", "form", "a"}.isdisjoint(found.elements)
    assert not {name for name in found.attributes if name.startswith("on") or name == "style"}
    assert found.text.count(EVIL) == 7


def test_the_policy_lets_its_own_style_in_and_nothing_else():
    [style] = re.findall(r"<style>(.*?)</style>", printed(), re.DOTALL)
    assert f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" in policy()
    assert policy().startswith("default-src 'none'; ")
    assert "script-src" not in policy()


def test_bars_are_shares_of_the_longest_and_what_is_beyond_a_dozen_stands_together():
    many = [sums(1_000_000 * place, cost_center=f"center {place}") for place in range(1, 30)]
    found = printed(centers=many, owners=[])
    widths = [float(width) for width in re.findall(r'width="([0-9.]+)"', found)]
    assert len(widths) == MOST_BARS
    assert max(widths) == 100
    assert "18 others" in Tags(found).text


def test_what_is_given_back_is_a_bar_of_its_own_colour_and_currencies_are_not_added_up():
    centers = [sums(-500_000, cost_center="a"), sums(10, cost_center="b") | {"currency": "EUR"}]
    found = printed(centers=centers, owners=[])
    assert found.count('class="back" width="100.00"') == 1
    assert found.count('class="cost" width="100.00"') == 1
    assert "0.00001 EUR" in found


def test_charges_without_a_price_and_those_beyond_the_page_are_told_of():
    found = Tags(printed(totals=[sums(1), sums(0) | {"currency": None, "unpriced": 3}], more=True)).text
    assert "3 of the charges have no price yet" in found
    assert "These are the first 1 charges" in found


def test_money_is_written_as_at_a_terminal():
    from service.cli.words import money as at_a_terminal

    for micros in (0, 1, -2_030_000, 1_234_500_000, 9_007_199_254_740_993, None):
        assert money(micros, "USD") == at_a_terminal(micros, "USD")
