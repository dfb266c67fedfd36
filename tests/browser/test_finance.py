"""Finance at the console: statements, the supplier's invoice, disputes, prices, budgets; and what an auditor sees."""

import re
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from service.kit.clock import utc_now
from service.kit.money import months_later
from tests.browser.person import Enter, Person
from tests.browser.stack import Stack

THIS = utc_now().date().replace(day=1)
LAST = (THIS - timedelta(days=1)).replace(day=1)
BEFORE = (LAST - timedelta(days=1)).replace(day=1)
NASTY = "<img src=x onerror=alert(1)>'\""
WITHIN = 30.0


def named(month: date) -> str:
    return f"{month:%Y-%m}"


@pytest.fixture(scope="module")
def held(stack: Stack) -> list[str]:
    """Numbers of the demo's tenant, held since the month before the last one, at 2.99 a month."""
    with stack.finance as finance:
        price = {"since": f"{BEFORE}", "area_code": "248", "setup": 1_000_000, "monthly": 2_990_000}
        assert finance.post("/v1/billing/prices", json=price).status_code == 201
    bought = stack.teli(
        "dashboard/buy", area_code="248", count=3, user_id=stack.ready["user_id"],
        organization_id=stack.ready["organization_id"],
    )  # fmt: skip
    numbers: list[str] = bought["phone_numbers"]
    rows = ["phone_number,nickname,tags,cost_center,acquired_at"]
    rows += [
        f'{number},"{NASTY.replace(chr(34), chr(34) * 2)}",<b>north</b>,{["desk", "<i>dial</i>", ""][place]},{BEFORE}'
        for place, number in enumerate(numbers)
    ]
    with stack.admin as admin:
        adopted = _imported(admin, stack.ready["tenant_id"], "\n".join(rows))
        assert admin.post(f"/v1/imports/{adopted}/apply").status_code == 202
    with stack.finance as finance:
        _until(lambda: _numbers(finance) == len(numbers))
    return numbers


def _imported(admin: httpx.Client, tenant_id: str, file: str) -> str:
    """Once they are listed, which takes a sweep."""
    found: list[str] = []

    def shown() -> bool:
        headers = {"Content-Type": "text/csv"}
        told = admin.post(f"/v1/imports/csv?tenant_id={tenant_id}", content=file, headers=headers).json()
        found.append(told["import_id"])
        return bool(told["count"] == file.count("\n"))

    _until(shown)
    return found[-1]


def _numbers(finance: httpx.Client) -> int:
    totals = finance.get(f"/v1/billing/statements/{named(BEFORE)}").json()["totals"]
    return sum(one["numbers"] for one in totals)


def _until(holds: Any) -> None:
    ends = time.monotonic() + WITHIN
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.5)


def region(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def confirms(person: Person, button: Any) -> None:
    button.click()
    with person.page.expect_navigation():
        person.page.get_by_role("dialog").get_by_role("button", name="Go on").click()


def test_a_month_is_read_from_the_whole_down_to_the_line_of_one_number(enter: Enter, stack: Stack, held: list[str]):
    person = enter("finance")
    page = person.goes("/console/statements")
    expect(page.locator("figure canvas")).to_be_visible()

    region(page, "Months").get_by_role("link", name=f"{BEFORE:%B %Y}").click()
    region(page, "By organisation").get_by_role("link", name="Demo organisation").click()
    region(page, "By tenant").get_by_role("link", name="Demo tenant").click()
    region(page, "By user").get_by_role("link").first.click()
    region(page, "By cost centre").get_by_role("link", name="<i>dial</i>").click()

    expect(page.get_by_role("list", name="Filters").get_by_role("link")).to_have_count(4)
    expect(page.locator(".card .big").first).to_have_text("3.99 USD")
    lines = region(page, "Lines").locator("tbody tr")
    expect(lines).to_have_count(2)
    expect(lines.filter(has_text="month")).to_contain_text("2.99 USD")
    expect(lines.filter(has_text="month").get_by_role("link")).to_have_text("2.99 USD")
    expect(lines.first).to_contain_text("<b>north</b>")
    person.assert_page_is_sound()

    page.get_by_role("list", name="Filters").get_by_role("link", name="Cost centre").click()
    expect(region(page, "Lines").locator("tbody tr")).to_have_count(6)
    person.goes(f"/console/statements/{named(BEFORE)}?line=5")
    expect(page.get_by_text("Lines 5 to 6 of 6")).to_be_visible()
    page.get_by_role("link", name="Lines before").click()
    expect(page.get_by_text("Lines 1 to 6 of 6")).to_be_visible()


def test_a_statement_is_saved_as_a_file_by_a_link(enter: Enter, held: list[str]):
    person = enter("finance")
    page = person.goes(f"/console/statements/{named(BEFORE)}")

    with page.expect_download() as begun:
        page.get_by_role("link", name="CSV", exact=True).first.click()

    assert re.fullmatch(rf"charges-{named(BEFORE)}-\w+\.csv", begun.value.suggested_filename)
    assert held[0] in Path(begun.value.path()).read_text()


def test_an_export_that_is_refused_is_told_as_a_page(enter: Enter):
    person = enter("finance")

    answer = person.page.goto("/console/download/csv/v1/billing/statements/2999-01/export")

    assert answer is not None
    assert answer.status == 400
    expect(person.page.locator(".fault")).to_contain_text("no more than 12 months ahead")


def test_a_number_of_a_line_is_a_link_for_whoever_may_see_it(enter: Enter, held: list[str]):
    person = enter("auditor")
    page = person.goes(f"/console/statements/{named(BEFORE)}")

    link = region(page, "Lines").get_by_role("link", name=re.compile("^\\+1 248")).first

    assert re.fullmatch(r"/console/numbers/[0-9a-f-]{36}", link.get_attribute("href") or "")


def test_an_invoice_of_foreign_columns_is_mapped_filed_matched_and_disputed(
    enter: Enter, held: list[str], tmp_path: Path
):
    file = tmp_path / f"rechnung{NASTY.replace('/', '')}.csv"
    never = "+14155550199"
    file.write_text(
        "Rufnummer;Von;Bis;Betrag;Text\n"
        + "".join(f"{number};{BEFORE};{LAST};2,99;Miete\n" for number in held)
        + f"{never};{BEFORE};{LAST};5,99;{NASTY.replace(chr(34), '')}\n"
        + f"{held[0]};{BEFORE};{LAST};oops;Miete\n"
    )
    person = enter("finance")
    page = person.goes("/console/invoices/import")
    chosen = page.locator("#import")
    chosen.get_by_label("File").set_input_files(file)

    chosen.get_by_role("button", name="Preview").click()

    mapping = page.locator("#preview form").first
    expect(page.get_by_role("heading", name="Say which column is which")).to_be_visible()
    mapping.get_by_label("Remember it as").fill("Vielleicht so")
    columns = {"amount": "Betrag", "phone_number": "Rufnummer", "begins": "Von", "ends": "Bis", "description": "Text"}
    for member, header in columns.items():
        mapping.locator(f"[name='columns.{member}']").select_option(header)
    mapping.locator("[name=decimal]").select_option(",")
    mapping.locator("[name=currency]").fill("USD")
    mapping.get_by_role("button", name="Remember it").click()
    expect(mapping.locator(".wrong, .told").first).to_contain_text("small letters")
    mapping.get_by_label("Remember it as").fill("rechnung")
    mapping.get_by_role("button", name="Remember it").click()

    preview = page.locator("#preview")
    expect(preview).to_contain_text("14.96 USD")
    expect(preview).to_contain_text("4 lines, 1 that cannot be read")
    expect(region(page, "The first lines")).to_contain_text("<img src=x onerror=alert(1)>")
    person.assert_page_is_sound()
    filing = preview.locator("form", has=page.get_by_role("button", name="File the invoice"))
    filing.get_by_label("For the month").fill(named(BEFORE))
    filing.get_by_label("The supplier's number").fill("R-7")
    person.sends(filing, "File the invoice")

    expect(page.get_by_role("heading", level=1)).to_contain_text("Invoice R-7 held")
    aside = page.get_by_role("region", name="Line 6")
    expect(aside).to_contain_text("oops")
    aside.get_by_label("Amount").fill("still none")
    aside.get_by_role("button", name="Mend it").click()
    expect(aside.locator(".wrong")).to_be_visible()
    expect(aside.get_by_label("Amount")).to_have_value("still none")
    aside.get_by_label("Amount").fill("2,99")
    person.sends(aside, "Mend it")

    person.sends(page.locator("main"), "Match")
    differences = region(page, "Differences")
    expect(differences).to_contain_text("Never ours", timeout=30_000)
    expect(differences.locator("tbody tr").first).to_contain_text("5.99 USD")
    differences.get_by_role("link", name="Never ours").click()
    expect(region(page, "Findings").locator("tbody tr")).to_have_count(1)
    region(page, "Findings").get_by_text("Evidence", exact=True).click()
    person.assert_page_is_sound()
    person.sends(page.locator("main"), "Open a dispute of all")

    expect(page.get_by_role("heading", level=1)).to_contain_text("never ours open")
    page.get_by_label("Note").fill(NASTY)
    person.sends(page.locator("main"), "Add the note")
    expect(page.locator(".timeline")).to_contain_text(NASTY)
    answer = tmp_path / "answer.txt"
    answer.write_text("We will look at it.")
    page.get_by_label("File", exact=True).set_input_files(answer)
    person.sends(page.locator("main"), "Keep the file")
    expect(page.locator(".timeline").get_by_role("link", name="answer.txt")).to_be_visible()
    page.get_by_label("How it was sent").fill("by mail")
    person.sends(page.locator("main"), "Mark as sent")
    expect(page.get_by_role("heading", level=1)).to_contain_text("submitted")


def test_the_second_of_two_who_decide_a_dispute_is_told_what_the_first_decided(
    enter: Enter, stack: Stack, held: list[str]
):
    invoice = _matched(stack, "DECIDED", held, (7, 2.99, 2.99), LAST, THIS)
    with stack.finance as finance:
        body = {"invoice_id": invoice, "title": NASTY, "verdicts": ["price_differs"]}
        opened = finance.post("/v1/billing/disputes", json=body).json()["id"]
        assert finance.post(f"/v1/billing/disputes/{opened}/state", json={"state": "submitted"}).status_code == 200
    person = enter("finance")
    page = person.goes(f"/console/disputes/{opened}")
    beside = person.new_page()
    beside.goto(page.url)

    page.get_by_label("The supplier").select_option("rejected")
    person.sends(page.locator("main"), "Record it")
    beside.get_by_label("The supplier").select_option("accepted")
    beside.get_by_label("Reason").fill("They called.")
    beside.get_by_role("button", name="Record it").click()

    expect(beside.locator(".told.fault")).to_contain_text("rejected")
    expect(beside.get_by_label("Reason")).to_have_value("They called.")
    person.assert_sound_everywhere(f"/console/disputes/{opened}")
    person.assert_sound_everywhere("/console/disputes")


def _matched(
    stack: Stack, number: str | None, held: list[str], amounts: tuple[float, ...], begins: date, ends: date
) -> str:
    """An invoice for the month in which these days begin, matched. None of another has the same days."""
    lines = "".join(f"{one},{begins},{ends},{amount},USD\n" for one, amount in zip(held, amounts, strict=True))
    named_so = {"number": number} if number else {}
    with stack.finance as finance:
        filed: str = finance.post(
            "/v1/billing/invoices", params={"period": named(begins)} | named_so, headers={"Content-Type": "text/csv"},
            content="number,from,to,amount,currency\n" + lines,
        ).json()["id"]  # fmt: skip
        _until(lambda: finance.get(f"/v1/billing/invoices/{filed}").json()["state"] == "ready")
        assert finance.post(f"/v1/billing/invoices/{filed}/match", json={}).status_code == 202
        _until(lambda: finance.get(f"/v1/billing/invoices/{filed}/match").json()["state"] == "done")
    return filed


def test_what_an_earlier_invoice_charged_is_shown_with_that_invoice(enter: Enter, stack: Stack, held: list[str]):
    some_days = LAST, LAST + timedelta(days=9)
    earlier = _matched(stack, None, held, (2, 2.5, 3), *some_days)
    filed = _matched(stack, "AGAIN", held, (2, 2.5, 3.5), *some_days)
    person = enter("finance")

    page = person.goes(f"/console/invoices/{filed}?verdict=duplicate")

    found = region(page, "Findings")
    expect(found.locator("tbody tr")).to_have_count(3)
    named_there = found.get_by_role("link", name="an earlier invoice").first
    expect(named_there).to_have_attribute("href", f"/console/invoices/{earlier}")
    found.get_by_text("Evidence", exact=True).first.click()
    expect(found).to_contain_text(f"2.00 by line 1 of an earlier invoice for {LAST:%B %Y}")
    person.assert_page_is_sound()


def test_single_differences_are_chosen_and_disputed(enter: Enter, stack: Stack, held: list[str]):
    filed = _matched(stack, "CHOSEN", held, (9, 8, 2.99), THIS, months_later(THIS, 1))
    person = enter("finance")
    page = person.goes(f"/console/invoices/{filed}?verdict=price_differs")
    expect(page.locator("[data-chosen]")).to_be_hidden()

    page.get_by_role("checkbox").first.check()
    expect(page.locator("[data-chosen]")).to_contain_text("1 chosen")
    person.sends(page.locator("[data-chosen]"), "Open a dispute of these")

    expect(page.get_by_role("heading", level=1)).to_contain_text("CHOSEN open")
    expect(region(page, "Lines").locator("tbody tr")).to_have_count(1)
    person.assert_sound_everywhere(f"/console/invoices/{filed}?verdict=price_differs")
    person.assert_sound_everywhere("/console/invoices")


def test_a_wrong_file_says_what_is_wrong_with_it_and_stays_chosen(enter: Enter, tmp_path: Path):
    person = enter("finance")
    page = person.goes("/console/invoices/import")
    form = page.locator("#import")
    for name, content, words in (
        ("letter.csv", b"%PDF-1.7", "PDF"),
        ("empty.csv", b"", "empty"),
        ("none.csv", b"number,amount\n", "no rows"),
    ):
        file = tmp_path / name
        file.write_bytes(content)
        form.get_by_label("File").set_input_files(file)

        form.get_by_role("button", name="Preview").click()

        expect(form.locator(".told.fault")).to_contain_text(words)
        assert form.get_by_label("File").evaluate("field => field.files[0].name") == name
    expect(page.get_by_role("button", name="File the invoice")).to_have_count(0)
    person.assert_sound_everywhere("/console/invoices/import")


def test_a_price_is_filed_with_what_is_wrong_beside_its_field_and_nothing_lost(enter: Enter, stack: Stack):
    person = enter("finance")
    page = person.goes("/console/prices")
    form = page.locator("form[data-api='POST /v1/billing/prices']")
    form.get_by_label("From the day").fill(f"{THIS}")
    form.get_by_label("A month").fill("three")
    form.get_by_label("For the area code").fill("212")
    form.get_by_label("For the organisation").fill(stack.ready["organization_id"])
    form.get_by_label("Why").fill(NASTY)

    form.get_by_role("button", name="File it").click()

    expect(form.locator(".wrong")).to_be_visible()
    expect(form.get_by_label("A month")).to_have_attribute("aria-invalid", "true")
    expect(form.get_by_label("Why")).to_have_value(NASTY)
    form.get_by_label("A month").fill("3.49")
    person.sends(form, "File it")

    filed = region(page, "Prices").get_by_role("row", name="area code 212")
    expect(filed).to_contain_text("3.49 USD")
    expect(filed.get_by_title(stack.ready["organization_id"])).to_be_visible()
    expect(filed).to_contain_text(NASTY)
    person.assert_sound_everywhere("/console/prices")


def test_the_charging_rule_is_changed_only_once_that_is_confirmed(enter: Enter, stack: Stack, held: list[str]):
    person = enter("finance")
    page = person.goes("/console/prices")
    page.get_by_text("Change the rule").first.click()
    form = page.locator("form[data-api^='PUT']")
    form.get_by_label("Free days").fill("1")

    form.get_by_role("button", name="Change the rule").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave it").click()

    with stack.finance as finance:
        assert finance.get("/v1/billing/charging-rule").json()["free_days"] == 0
        confirms(person, form.get_by_role("button", name="Change the rule"))
        assert finance.get("/v1/billing/charging-rule").json()["free_days"] == 1
        rule = {"cycle": "anniversary", "proration": "none", "due": "advance", "time_zone": "UTC"}
        assert finance.put("/v1/billing/charging-rule", json=rule).status_code == 200


def test_a_budget_over_its_limit_says_so_and_is_changed_and_deleted(enter: Enter, stack: Stack, held: list[str]):
    person = enter("finance")
    page = person.goes("/console/budgets")
    form = page.locator("form[data-api='POST /v1/billing/budgets']")
    form.get_by_label("Name").fill(NASTY)
    form.get_by_label("A month").fill("0")
    form.get_by_label("Of the tenant").fill(stack.ready["tenant_id"])
    form.get_by_role("button", name="Set it").click()
    expect(form.locator(".wrong")).to_be_visible()
    form.get_by_label("A month").fill("1.00")
    person.sends(form, "Set it")

    card = page.locator(".card", has_text=NASTY)

    def over() -> bool:
        person.goes("/console/budgets")
        return card.filter(has_text="over the limit").count() == 1

    _until(over)
    expect(card.get_by_title(stack.ready["tenant_id"])).to_be_visible()
    person.assert_sound_everywhere("/console/budgets")
    person.assert_sound_everywhere("/console")
    card.click()
    expect(page.locator(".timeline")).to_contain_text("100 %")
    page.get_by_label("A month").fill("1234.50")
    person.sends(page.locator("main"), "Change it")
    expect(page.get_by_label("A month")).to_have_value("1234.50")
    person.assert_sound_everywhere(page.url.removeprefix(person.base_url))

    confirms(person, page.get_by_role("button", name="Delete it"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Budgets")
    expect(card).to_have_count(0)


def test_an_auditor_reads_every_room_of_finance_and_sees_no_form(enter: Enter, stack: Stack, held: list[str]):
    person = enter("auditor")
    with stack.finance as finance:
        invoices = [one["id"] for one in finance.get("/v1/billing/invoices").json()["items"]]
        disputes = [one["id"] for one in finance.get("/v1/billing/disputes").json()["items"]]
    paths = [f"/console/{room}" for room in ("statements", "invoices", "disputes", "prices", "budgets")]
    paths += [f"/console/statements/{named(BEFORE)}", "/console/invoices/import"]
    paths += [f"/console/invoices/{one}" for one in invoices] + [f"/console/disputes/{one}" for one in disputes]
    assert invoices

    for path in paths:
        page = person.goes(path)
        assert page.locator("main form[data-api]").count() == 0, path


def test_a_month_is_closed_in_its_turn_once_and_for_good(enter: Enter, stack: Stack, held: list[str]):
    person = enter("finance")
    page = person.goes(f"/console/statements/{named(THIS)}")
    expect(page.locator(".note")).to_contain_text("once it has ended")
    person.goes("/console/statements")
    beside = person.new_page()
    beside.goto("/console/statements")
    confirms(person, page.get_by_role("button", name=f"Close {BEFORE:%B %Y}"))
    expect(page.get_by_role("status")).to_contain_text("is final")
    beside.get_by_role("button", name=f"Close {BEFORE:%B %Y}").click()
    beside.get_by_role("dialog").get_by_role("button", name="Go on").click()
    expect(beside.locator(".told.fault")).to_contain_text("is final")

    person.goes(f"/console/statements/{named(BEFORE)}")
    with stack.finance as finance:
        months = finance.get("/v1/billing/periods").json()["items"]
    expect(page.locator("main")).to_contain_text(next(one["hash"] for one in months if one["period"] == named(BEFORE)))
    expect(page.locator("main")).to_contain_text("Doubts open at the close")
    person.assert_sound_everywhere(f"/console/statements/{named(BEFORE)}")
    person.assert_sound_everywhere("/console/statements")
    person.assert_sound_everywhere(f"/console/statements/{named(LAST)}?tag=%3Cb%3Enorth%3C/b%3E")


def test_statements_are_read_with_scripts_off(enter: Enter, held: list[str]):
    person = enter(None, java_script_enabled=False).logs_in("finance", at=f"/console/statements/{named(BEFORE)}")

    expect(region(person.page, "Lines")).to_contain_text("2.99 USD")
    expect(person.page.get_by_role("button", name="Close")).to_have_count(0)
