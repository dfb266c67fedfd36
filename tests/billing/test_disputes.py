"""Invoices matched over REST, and what is wrong in them disputed until it is given back."""

import csv
import json
from asyncio import create_task, gather, sleep
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import StringIO
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from tests.billing.months import last_month, this_month, told
from tests.support.gateway import Gateway, Tenant

RENT = 2_990_000
PRICE = {"since": "2020-01-01", "setup": 0, "monthly": RENT}
STRANGE = "+14155550199"


@dataclass
class Ledger:
    """Two numbers that were held last month, and invoices about them."""

    gateway: Gateway
    finance: Tenant
    connection: asyncpg.Connection
    numbers: list[dict[str, Any]]

    async def invoice(self, month: datetime, lines: list[dict[str, Any]], *, state: str = "ready") -> str:
        filed = await self.connection.fetchval(
            "INSERT INTO invoices (account_id, supplier, number, file_name, content_hash, mapping, currency, month,"
            " state, size, lines, micros, created_by) SELECT id, 'Teli <b>', 'INV-1', 'a.csv', $1, '{}', 'USD', $2, $3,"
            " 0, $4, $5, 'test' FROM accounts RETURNING id",
            uuid4().bytes, month.date(), state, len(lines), sum(line["micros"] for line in lines),
        )  # fmt: skip
        for place, line in enumerate(lines, 1):
            told = {"kind": "rent", "phone_number": None, "subscription_id": None, "begins": None, "ends": None} | line
            await self.connection.execute(
                "INSERT INTO invoice_lines (invoice_id, place, subscription_id, phone_number, kind, begins, ends,"
                " quantity, micros, currency, description) VALUES ($1, $2, $3, $4, $5, $6, $7, 1, $8, 'USD', 'a')",
                filed, place, told["subscription_id"], told["phone_number"], told["kind"], told["begins"],
                told["ends"], told["micros"],
            )  # fmt: skip
        return str(filed)

    def rent(self, number: int, micros: int = RENT, **changed: Any) -> dict[str, Any]:
        begins, ends = self.days(number)
        phone_number = self.numbers[number]["phone_number"]
        return {"phone_number": phone_number, "micros": micros, "begins": begins, "ends": ends} | changed

    def days(self, number: int) -> tuple[date, date]:
        begins = (last_month() + timedelta(days=3 + number)).date()
        return begins, date(begins.year + begins.month // 12, begins.month % 12 + 1, begins.day)

    async def match(self, invoice: str, **body: Any) -> dict[str, Any]:
        path = f"/v1/billing/invoices/{invoice}/match"
        asked = await self.finance.send("POST", path, json=body)
        assert (asked.status_code, asked.json()["state"]) == (202, "queued"), asked.text
        assert asked.headers["location"] == path
        await self.gateway.worker.billing.match_work.run()
        told: dict[str, Any] = (await self.finance.get(path)).json()
        assert told["state"] == "done", told
        assert told["charged_micros"] == told["expected_micros"] + told["difference_micros"]
        return told

    async def findings(self, invoice: str, query: str = "") -> list[dict[str, Any]]:
        answer = await self.finance.get(f"/v1/billing/invoices/{invoice}/findings{query}")
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def disputed(self, invoice: str, **body: Any) -> dict[str, Any]:
        answer = await self.finance.send(
            "POST", "/v1/billing/disputes", json={"invoice_id": invoice, "title": "What is wrong", **body}
        )
        assert answer.status_code == 201, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def moved(self, dispute: str, state: str, **body: Any) -> httpx.Response:
        return await self.finance.send("POST", f"/v1/billing/disputes/{dispute}/state", json={"state": state, **body})


@pytest.fixture
async def held(gateway: Gateway, tenant: Tenant, finance: Tenant, ledger: asyncpg.Connection) -> Ledger:
    numbers = [(await tenant.buy()).json() for _ in range(2)]
    await gateway.follow_up()
    found = Ledger(gateway, finance, ledger, numbers)
    for place, number in enumerate(numbers):
        acquired = last_month() + timedelta(days=3 + place)
        for table, key in (("numbers", "id"), ("number_facts", "number_id")):
            await ledger.execute(
                f"UPDATE {table} SET acquired_at = $2 WHERE {key} = $1", UUID(number["id"]), acquired
            )  # fmt: skip
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    return found


async def test_an_invoice_is_matched_and_what_differs_has_its_evidence(held: Ledger):
    await held.gateway.look_everywhere()
    dear = held.rent(0, RENT + 500_000)
    lines = [dear, dear, {"phone_number": STRANGE, "micros": 70}]
    invoice = await held.invoice(last_month(), lines)

    summary = await held.match(invoice)

    assert {one["verdict"]: (one["findings"], one["difference_micros"]) for one in summary["verdicts"]} == {
        "price_differs": (1, 500_000),
        "duplicate": (1, RENT + 500_000),
        "never_ours": (1, 70),
        "not_charged": (1, -RENT),
    }
    assert summary["charged_micros"] == sum(line["micros"] for line in lines)
    price, duplicate, strange, missing = await held.findings(invoice)
    assert [one["place"] for one in (price, duplicate, strange, missing)] == [1, 2, 3, None]
    assert (price["number_id"], price["begins"]) == (held.numbers[0]["id"], str(held.days(0)[0]))
    assert len(price["price_ids"]) == 1
    [shown] = price["evidence"]["shown"]
    assert shown["row_id"] and shown["from"] <= shown["until"]
    assert duplicate["other_place"] == 1
    assert (strange["number_id"], strange["phone_number"]) == (None, STRANGE)
    assert (missing["number_id"], missing["expected_micros"]) == (held.numbers[1]["id"], RENT)

    assert [one["place"] for one in await held.findings(invoice, "?verdict=duplicate,never_ours")] == [2, 3]
    page = (await held.finance.get(f"/v1/billing/invoices/{invoice}/findings?limit=3")).json()
    assert (len(page["items"]), page["total"]) == (3, {"value": 4, "exact": True})
    rest = await held.findings(invoice, f"?limit=3&cursor={page['next_cursor']}")
    assert [one["verdict"] for one in rest] == ["not_charged"]
    for accept in ("text/csv", "application/x-ndjson", "application/vnd.apache.parquet"):
        file = await held.finance.get(
            f"/v1/billing/invoices/{invoice}/findings?verdict=duplicate", headers={"Accept": accept}
        )
        assert file.headers["x-total-count"] == "1", file.text
    [row] = csv.DictReader(StringIO((await held.finance.get(
        f"/v1/billing/invoices/{invoice}/findings?verdict=duplicate", headers={"Accept": "text/csv"}
    )).text))  # fmt: skip
    assert (row["difference_micros"], row["phone_number"][-12:]) == (str(RENT + 500_000), dear["phone_number"])
    assert [state for (state,) in await held.gateway.sql("SELECT state FROM invoices")] == ["matched"]


async def test_what_an_earlier_invoice_charged_is_a_duplicate_that_names_it_until_it_was_given_back(held: Ledger):
    earlier = await held.invoice(last_month(), [held.rent(1), held.rent(0)])
    await held.match(earlier)
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(1)])

    summary = await held.match(invoice)

    assert [(one["verdict"], one["difference_micros"]) for one in summary["verdicts"]] == [("duplicate", 2 * RENT)]
    first, second = await held.findings(invoice)
    assert [(one["other_place"], one["other_invoice_id"]) for one in (first, second)] == [(2, earlier), (1, earlier)]
    before = first["evidence"]["charged_before"]
    assert (before["invoice_id"], before["place"], before["micros"]) == (earlier, 2, RENT)
    dispute = await held.disputed(invoice, verdicts=["duplicate"])
    letter = await held.finance.get(f"/v1/billing/disputes/{dispute['id']}/letter", headers={"Accept": "text/html"})
    assert f"charged twice: by line 2 of invoice INV-1, {last_month():%Y-%m}, too" in letter.text
    # The earlier one is as it was; and what the supplier gave back of it may be charged anew.
    again = await held.match(earlier)
    assert [one["verdict"] for one in again["verdicts"]] == ["matched"]
    await held.connection.execute(
        "UPDATE invoice_lines SET kind = 'credit', micros = -micros WHERE invoice_id = $1", UUID(earlier)
    )
    await held.connection.execute("DELETE FROM invoice_findings WHERE invoice_id = $1", UUID(earlier))
    assert [one["verdict"] for one in (await held.match(invoice))["verdicts"]] == ["matched"]


@pytest.mark.parametrize("final", [False, True])
async def test_lines_that_simply_match_are_told_as_any_other_though_they_have_no_row_of_their_own(
    held: Ledger, final: bool
):
    if final:
        assert (await held.finance.send("POST", f"/v1/billing/periods/{last_month():%Y-%m}/close")).status_code == 200
    await held.connection.execute("UPDATE numbers SET subscription_id = 'sub_' || phone_number")
    lines = [held.rent(place, subscription_id=f"sub_{one['phone_number']}") for place, one in enumerate(held.numbers)]
    invoice = await held.invoice(last_month(), [*lines, {"phone_number": STRANGE, "micros": 70}])

    summary = await held.match(invoice)

    assert [(one["verdict"], one["findings"], one["charged_micros"]) for one in summary["verdicts"]] == [
        ("matched", 2, 2 * RENT),
        ("never_ours", 1, 70),
    ]
    assert await held.connection.fetchval("SELECT count(*) FROM invoice_findings") == 1
    rows = await held.connection.fetch(
        "SELECT * FROM match_invoice($1, $2, 1000000, 1000000, $3, 0) ORDER BY finding",
        UUID(invoice), last_month().date(), json.dumps(summary["basis"]["charging_rule"]),
    )  # fmt: skip
    assert [row["plain"] for row in rows] == [True, True, False]
    findings = await held.findings(invoice)
    assert [
        (one["finding"], one["place"], one["verdict"], one["number_id"], one["kind"], one["price_ids"],
         one["expected_micros"], one["charged_micros"], one["difference_micros"], one["begins"], one["ends"])
        for one in findings
    ] == [
        (row["finding"], row["place"], row["verdict"], row["number_id"] and str(row["number_id"]), row["kind"],
         row["price_ids"] and [*map(str, row["price_ids"])], row["expected"], row["charged"],
         row["charged"] - row["expected"], row["begins"] and str(row["begins"]), row["ends"] and str(row["ends"]))
        for row in rows
    ]  # fmt: skip
    assert [one["phone_number"] for one in findings] == [*(one["phone_number"] for one in held.numbers), STRANGE]
    # A worker of before that matches it meanwhile leaves rows; each line is told once all the same.
    await held.connection.execute(
        "INSERT INTO invoice_findings (invoice_id, finding, place, verdict, kind, expected_micros, charged_micros,"
        " difference_micros) VALUES ($1, 1, 1, 'matched', 'rent', 1, 1, 0)",
        UUID(invoice),
    )
    assert [one["place"] for one in await held.findings(invoice)] == [1, 2, 3]
    again = await held.match(invoice)
    assert (again["verdicts"], await held.findings(invoice)) == (summary["verdicts"], findings)


async def test_findings_are_paged_through_parts_of_lines_that_match_and_what_lies_between_them(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0)])
    await held.match(invoice)
    matched = [2, 999, 1000, 1001, 1002, 4999, 5000, 7001]
    differ = [1, 3, 1003, 3000, 7002]
    await held.connection.execute("DELETE FROM invoice_findings")
    await held.connection.execute(
        "INSERT INTO invoice_lines (invoice_id, place, kind, quantity, micros, currency, description)"
        " SELECT $1, place, 'rent', 1, 5, 'USD', 'a' FROM generate_series(2, 7002) place",
        UUID(invoice),
    )
    await held.connection.execute(
        "INSERT INTO matched_lines (invoice_id, part, lines, micros, places, number_ids, price_ids)"
        " SELECT $1, place / 1000, count(*), 5 * count(*), array_agg(place ORDER BY place DESC),"
        " array_agg(CAST($3 AS uuid)), array_agg(CAST($3 AS uuid)) FROM unnest(CAST($2 AS bigint[])) place"
        " GROUP BY place / 1000",
        UUID(invoice), matched, held.numbers[0]["id"],
    )  # fmt: skip
    await held.connection.execute(
        "INSERT INTO invoice_findings (invoice_id, finding, place, verdict, kind, expected_micros, charged_micros,"
        " difference_micros) SELECT $1, place, place, 'price_differs', 'rent', 4, 5, 1"
        " FROM unnest(CAST($2 AS bigint[])) place",
        UUID(invoice), differ,
    )  # fmt: skip

    path = f"/v1/billing/invoices/{invoice}/findings"
    for verdicts, wanted in (
        ("", sorted(matched + differ)),
        ("matched", matched),
        ("price_differs", differ),
        ("matched,price_differs", sorted(matched + differ)),
    ):
        asked = {"verdict": verdicts} if verdicts else {}
        for limit in (1, 2, 5, 1000):
            places: list[int] = []
            cursor = None
            while cursor is not None or not places:
                params = {**asked, "limit": limit, **({} if cursor is None else {"cursor": cursor})}
                page = (await held.finance.get(path, params=params)).json()
                places += [one["place"] for one in page["items"]]
                cursor = page["next_cursor"]
            assert places == wanted, (verdicts, limit)
        exported = await held.finance.get(path, params=asked, headers={"Accept": "text/csv"})
        assert [int(row["place"]) for row in csv.DictReader(StringIO(exported.text))] == wanted


async def test_matching_again_says_the_same_and_with_a_tolerance_lets_pass_what_is_within_it(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0, RENT + 9), held.rent(1)])
    first = await held.match(invoice)
    findings = await held.findings(invoice)
    again = await held.match(invoice)
    assert (again["verdicts"], await held.findings(invoice)) == (first["verdicts"], findings)
    lenient = await held.match(invoice, tolerance=10)
    assert [one["verdict"] for one in lenient["verdicts"]] == ["matched", "within_tolerance"]


async def test_an_invoice_that_is_not_read_is_not_matched_and_one_that_is_being_matched_not_twice(held: Ledger):
    for state in ("reading", "held", "failed"):
        invoice = await held.invoice(last_month(), [held.rent(0)], state=state)
        await told(held.finance.send("POST", f"/v1/billing/invoices/{invoice}/match", json={}), 409, "state_conflict")
    invoice = await held.invoice(last_month(), [held.rent(0)])
    path = f"/v1/billing/invoices/{invoice}"
    await told(held.finance.get(f"{path}/match"), 404, "not_found")
    answers = await gather(*(held.finance.send("POST", f"{path}/match", json={}) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409]
    await told(held.finance.get(f"{path}/findings"), 409, "state_conflict")
    dispute = {"invoice_id": invoice, "title": "a", "verdicts": ["duplicate"]}
    await told(held.finance.send("POST", "/v1/billing/disputes", json=dispute), 409, "state_conflict")


async def test_a_match_whose_worker_was_lost_is_made_by_another_and_one_that_cannot_be_made_says_so(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(1)])
    path = f"/v1/billing/invoices/{invoice}/match"
    await held.finance.send("POST", path, json={})
    await held.gateway.sql("UPDATE invoice_matches SET state = 'running', lease_until = now() + interval '1 minute'")
    await held.gateway.worker.billing.match_work.run()
    assert (await held.finance.get(path)).json()["state"] == "running"
    await held.gateway.sql("UPDATE invoice_matches SET lease_until = now(), tries = 1")
    await held.gateway.worker.billing.match_work.run()
    assert (await held.finance.get(path)).json()["state"] == "done"

    await held.finance.send("POST", path, json={})
    await held.gateway.sql("UPDATE invoice_matches SET state = 'running', lease_until = now(), tries = 3")
    await held.gateway.worker.billing.match_work.run()
    lost = (await held.finance.get(path)).json()
    assert (lost["state"], lost["verdicts"]) == ("failed", [])
    assert "Ask for it again" in lost["problem"]
    assert (await held.match(invoice))["problem"] is None


async def test_a_match_whose_connection_is_lost_is_made_anew_soon_and_has_not_failed(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(1)])
    path = f"/v1/billing/invoices/{invoice}/match"
    await held.finance.send("POST", path, json={})
    async with held.connection.transaction():
        await held.connection.execute("LOCK TABLE invoice_findings IN ACCESS EXCLUSIVE MODE")
        matching = create_task(held.gateway.worker.billing.match_work.run())
        cut = """SELECT pg_terminate_backend(pid) FROM pg_locks
                 WHERE NOT granted AND relation = 'invoice_findings'::regclass"""
        while not await held.connection.fetch(cut):
            await sleep(0.05)
        await matching
    assert (await held.finance.get(path)).json()["state"] == "running"
    [found] = await held.gateway.sql("SELECT tries, lease_until < now() + interval '11 seconds' FROM invoice_matches")
    assert tuple(found) == (1, True)
    await held.gateway.sql("UPDATE invoice_matches SET lease_until = now()")
    await held.gateway.worker.billing.match_work.run()
    assert (await held.finance.get(path)).json()["state"] == "done"


async def test_a_match_that_takes_longer_than_its_lease_is_left_to_the_worker_that_is_at_it(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(1)])
    path = f"/v1/billing/invoices/{invoice}/match"
    await held.finance.send("POST", path, json={})
    async with held.connection.transaction():
        await held.connection.execute("SELECT FROM invoices WHERE id = $1 FOR UPDATE", UUID(invoice))
        await held.gateway.sql("UPDATE invoice_matches SET state = 'running', lease_until = now(), tries = 1")
        await held.gateway.worker.billing.match_work.run()
        [found] = await held.gateway.sql("SELECT state, tries, lease_until > now() FROM invoice_matches")
        assert found == ("running", 1, True)
    # It was lost after all.
    await held.gateway.sql("UPDATE invoice_matches SET lease_until = now()")
    await held.gateway.worker.billing.match_work.run()
    assert (await held.finance.get(path)).json()["state"] == "done"


async def test_a_dispute_is_opened_sent_and_settled_by_the_credit_of_a_later_invoice(held: Ledger):
    lines = [held.rent(0), held.rent(0), held.rent(1, RENT + 10)]
    invoice = await held.invoice(last_month(), lines)
    await held.match(invoice)

    dispute = await held.disputed(invoice, verdicts=["duplicate", "never_ours"], findings=[3])

    assert (dispute["state"], dispute["lines"], dispute["micros"]) == ("open", 2, RENT + 10)
    assert [one["dispute_id"] for one in await held.findings(invoice)] == [None, dispute["id"], dispute["id"]]
    path = f"/v1/billing/disputes/{dispute['id']}"
    table = await held.finance.get(f"{path}/lines", headers={"Accept": "text/csv"})
    assert [row["disputed_micros"] for row in csv.DictReader(StringIO(table.text))] == [str(RENT), "10"]
    page = await held.finance.get(f"{path}/letter", headers={"Accept": "text/html"})
    assert "Teli &lt;b&gt;" in page.text
    assert "2.99001 USD" in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert (await held.moved(dispute["id"], "submitted", reason="sent by mail")).json()["state"] == "submitted"

    later = await held.invoice(
        this_month(), [{"phone_number": lines[1]["phone_number"], "kind": "credit", "micros": -RENT}], state="ready"
    )
    await held.match(later)
    given = (await held.finance.get(path)).json()
    assert (given["state"], given["credited_micros"]) == ("submitted", RENT)
    [credit] = given["credits"]
    assert (credit["invoice_id"], credit["place"], credit["line"], credit["micros"]) == (later, 1, 1, RENT)
    [finding] = [one for one in await held.findings(later) if one["place"] == 1]
    assert (finding["verdict"], finding["expected_micros"]) == ("matched", -RENT)

    await held.match(later)
    assert (await held.finance.get(path)).json()["credits"] == [credit]
    await held.match(await held.invoice(this_month(), [held.rent(1, -10, kind="credit", begins=None, ends=None)]))
    settled = (await held.finance.get(path)).json()
    assert (settled["state"], settled["credited_micros"], settled["changed_by"]) == ("credited", RENT + 10, "worker")
    audited = await held.gateway.sql("SELECT action FROM audit WHERE object_kind = 'dispute' ORDER BY id")
    assert [action for (action,) in audited] == [
        "dispute.opened", "dispute.moved", "dispute.credited", "dispute.credited",
    ]  # fmt: skip


async def test_the_letter_names_the_suppliers_invoice_first_and_says_which_days_each_number_was_held(held: Ledger):
    stranger = {
        "phone_number": "+13135559999",
        "micros": RENT,
        "begins": last_month().date(),
        "ends": this_month().date(),
    }
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0), stranger])
    await held.match(invoice)
    dispute = await held.disputed(invoice, verdicts=["duplicate", "never_ours"])
    path = f"/v1/billing/disputes/{dispute['id']}"

    told = (await held.finance.get(f"{path}/letter", headers={"Accept": "text/html"})).text

    assert told.index("invoice INV-1") < told.index(invoice)
    assert f"<p>{dispute['created_at'][:10]}</p>" in told
    acquired = (await held.findings(invoice))[1]["evidence"]["acquired_at"][:10]
    assert (f">since {acquired}<" in told, told.count("not held on any day of the period")) == (True, 1)
    assert f"{last_month():%Y-%m-%d} to {this_month():%Y-%m-%d}" in told
    lines = (await held.finance.get(f"{path}/lines")).json()["items"]
    assert [(one["begins"], one["line_begins"]) for one in lines][1] == (None, str(last_month().date()))


async def test_a_credit_without_a_number_settles_the_dispute_of_just_that_amount(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0), held.rent(1, RENT + 10)])
    await held.match(invoice)
    dispute = await held.disputed(invoice, verdicts=["duplicate", "price_differs"])
    await held.moved(dispute["id"], "submitted")
    for micros, state in ((-RENT, "submitted"), (-RENT - 10, "credited")):
        await held.match(await held.invoice(this_month(), [{"kind": "credit", "micros": micros}]))
        assert (await held.finance.get(f"/v1/billing/disputes/{dispute['id']}")).json()["state"] == state


async def test_a_finding_is_in_one_open_dispute_alone_however_many_ask_at_once(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0), held.rent(1)])
    await held.match(invoice)
    body = {"invoice_id": invoice, "title": "twice", "findings": [2]}
    answers = await gather(*(held.finance.send("POST", "/v1/billing/disputes", json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    [dispute] = (await held.finance.get("/v1/billing/disputes?state=open")).json()["items"]
    await held.match(invoice)
    await told(held.finance.send("POST", "/v1/billing/disputes", json=body), 409, "state_conflict")
    by_verdict = {"invoice_id": invoice, "title": "all", "verdicts": ["duplicate"]}
    await told(held.finance.send("POST", "/v1/billing/disputes", json=by_verdict), 409, "state_conflict")
    not_too_much = {"invoice_id": invoice, "title": "none", "findings": [1]}
    refused = await told(held.finance.send("POST", "/v1/billing/disputes", json=not_too_much), 400, "invalid_request")
    assert refused["errors"][0]["pointer"] == "/findings"
    await told(
        held.finance.send("POST", "/v1/billing/disputes", json={"invoice_id": invoice, "title": "none"}), 400,
        "invalid_request",
    )  # fmt: skip
    assert len((await held.finance.get("/v1/billing/disputes")).json()["items"]) == 1

    await held.moved(dispute["id"], "submitted")
    assert (await held.moved(dispute["id"], "rejected")).json()["state"] == "rejected"
    assert (await held.finance.send("POST", "/v1/billing/disputes", json=body)).status_code == 201


async def test_what_was_given_back_is_never_disputed_again(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0), held.rent(1), held.rent(1)])
    await held.match(invoice)
    by_hand = await held.disputed(invoice, findings=[2])
    await held.moved(by_hand["id"], "submitted")
    assert (await held.moved(by_hand["id"], "credited")).status_code == 200
    again = {"invoice_id": invoice, "title": "again", "findings": [2]}
    await told(held.finance.send("POST", "/v1/billing/disputes", json=again), 409, "state_conflict")

    by_verdict = await held.disputed(invoice, verdicts=["duplicate"])
    assert (by_verdict["lines"], by_verdict["micros"]) == (1, RENT)
    await held.moved(by_verdict["id"], "submitted")
    await held.match(
        await held.invoice(this_month(), [held.rent(1, -RENT + 10, kind="credit", begins=None, ends=None)])
    )
    assert (await held.moved(by_verdict["id"], "rejected")).json()["credited_micros"] == RENT - 10

    rest = await held.disputed(invoice, verdicts=["duplicate"])
    assert (rest["lines"], rest["micros"]) == (1, 10)
    await held.moved(rest["id"], "submitted")
    await held.match(await held.invoice(this_month(), [held.rent(1, -10, kind="credit", begins=None, ends=None)]))
    all_again = {"invoice_id": invoice, "title": "again", "verdicts": ["duplicate"]}
    await told(held.finance.send("POST", "/v1/billing/disputes", json=all_again), 409, "state_conflict")


async def test_of_two_who_decide_one_dispute_one_is_told_that_it_was_decided(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0)])
    await held.match(invoice)
    dispute = (await held.disputed(invoice, verdicts=["duplicate"]))["id"]
    await told(held.moved(dispute, "accepted"), 409, "state_conflict")
    assert (await held.moved(dispute, "submitted")).status_code == 200
    answers = await gather(held.moved(dispute, "rejected"), held.moved(dispute, "credited"))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    over = await told(held.moved(dispute, "accepted"), 409, "state_conflict")
    assert over["state"] in ("rejected", "credited")


async def test_a_part_may_be_given_back_and_never_more_than_was_disputed(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0)])
    await held.match(invoice)
    dispute = (await held.disputed(invoice, verdicts=["duplicate"]))["id"]
    await held.moved(dispute, "submitted")
    await told(held.moved(dispute, "accepted", credited_micros=5), 400, "invalid_request")
    await told(held.moved(dispute, "credited", credited_micros=RENT + 1), 400, "invalid_request")
    await told(held.moved(dispute, "credited", credited_micros=0), 400, "invalid_request")
    given = (await held.moved(dispute, "credited", credited_micros=1_000_000)).json()
    assert (given["state"], given["credited_micros"], given["micros"]) == ("credited", 1_000_000, RENT)


async def test_notes_and_attachments_are_kept_and_given_out_to_be_saved(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0)])
    await held.match(invoice)
    dispute = (await held.disputed(invoice, verdicts=["duplicate"]))["id"]
    path = f"/v1/billing/disputes/{dispute}"
    noted = await held.finance.send("POST", f"{path}/notes", json={"text": "They called."})
    assert noted.status_code == 201, noted.text
    for kind, status in (("application/pdf", 201), ("text/html", 415), ("image/svg+xml", 415)):
        answer = await held.finance.send(
            "POST", f"{path}/attachments?name=antwort%20%C3%BC.pdf", content=b"%PDF-", headers={"Content-Type": kind}
        )
        assert answer.status_code == status, answer.text
    shown = (await held.finance.get(path)).json()
    assert [one["text"] for one in shown["notes"]] == ["They called."]
    [kept] = shown["attachments"]
    assert (kept["name"], kept["size"], kept["media_type"]) == ("antwort ü.pdf", 5, "application/pdf")
    as_pdf = {"Accept": "application/pdf"}
    file = await held.finance.get(f"{path}/attachments/{kept['id']}", headers=as_pdf)
    assert (file.content, file.headers["content-type"]) == (b"%PDF-", "application/pdf")
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''antwort%20%C3%BC.pdf"
    await told(held.finance.get(f"/v1/billing/disputes/{uuid4()}/attachments/{kept['id']}"), 404, "not_found")
    large = await held.finance.send(
        "POST", f"{path}/attachments?name=a.pdf", content=bytes(1 << 21), headers={"Content-Type": "application/pdf"}
    )
    assert large.status_code == 413


async def test_a_note_and_a_file_that_are_sent_again_are_kept_once(held: Ledger):
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0)])
    await held.match(invoice)
    path = f"/v1/billing/disputes/{(await held.disputed(invoice, verdicts=['duplicate']))['id']}"

    async def notes(text: str) -> httpx.Response:
        headers = {"Idempotency-Key": "k"}
        return await held.finance.send("POST", f"{path}/notes", json={"text": text}, headers=headers)

    async def keeps(name: str, content: bytes) -> str:
        as_text = {"Content-Type": "text/plain"}
        answer = await held.finance.send("POST", f"{path}/attachments?name={name}", content=content, headers=as_text)
        assert answer.status_code == 201, answer.text
        kept: str = answer.json()["id"]
        return kept

    noted = await gather(*(notes("They called.") for _ in range(3)))
    files = await gather(*(keeps("answer.txt", b"We will look at it.") for _ in range(3)))

    assert [(one.status_code, one.json()) for one in noted] == [(201, noted[0].json())] * 3
    assert sorted("Idempotent-Replayed" in one.headers for one in noted) == [False, True, True]
    assert len({*files}) == 1
    await told(notes("They wrote."), 422, "idempotency_key_reused")
    others = [await keeps("answer.txt", b"We looked."), await keeps("again.txt", b"We will look at it.")]
    shown = (await held.finance.get(path)).json()
    assert [one["text"] for one in shown["notes"]] == ["They called."]
    assert [one["id"] for one in shown["attachments"]] == [files[0], *others]
    log = await held.gateway.sql("SELECT action FROM audit WHERE action IN ('dispute.noted', 'dispute.attached')")
    assert sorted(log) == [("dispute.attached",)] * 3 + [("dispute.noted",)]


async def test_a_tenant_that_may_write_to_billing_is_told_of_no_dispute_with_a_key_either(held: Ledger):
    tenant = await held.gateway.tenant(scopes=["billing:write"])
    path, headers = f"/v1/billing/disputes/{uuid4()}/notes", {"Idempotency-Key": "k"}

    await told(tenant.send("POST", path, json={"text": "They called."}, headers=headers), 404, "not_found")


async def test_a_tenant_has_no_part_in_what_the_supplier_charges(held: Ledger):
    tenant = await held.gateway.tenant(scopes=["billing:read"])
    invoice = await held.invoice(last_month(), [held.rent(0), held.rent(0)])
    await held.match(invoice)
    dispute = (await held.disputed(invoice, verdicts=["duplicate"]))["id"]
    await told(tenant.get(f"/v1/billing/invoices/{invoice}/match"), 404, "not_found")
    await told(tenant.get(f"/v1/billing/invoices/{invoice}/findings"), 404, "not_found")
    await told(tenant.get(f"/v1/billing/disputes/{dispute}"), 404, "not_found")
    assert (await tenant.get("/v1/billing/disputes")).json()["items"] == []
    assert json.loads((await tenant.get("/v1/billing/disputes")).text)["total"]["value"] == 0
