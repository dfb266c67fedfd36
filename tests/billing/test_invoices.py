"""The supplier's invoices over REST: previewed, filed once, read by the worker to the last line, and decided."""

import csv
import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

import openpyxl
import pytest

from service.billing.invoices import reading, sheets
from service.billing.invoices.endpoints import XLSX
from service.billing.invoices.reading import InvoiceReading
from tests.http.refusals import problem
from tests.support.gateway import Gateway, Tenant

INVOICES = "/v1/billing/invoices"
PROFILES = "/v1/billing/invoice-profiles"
STRIPE = "id,invoice_id,subscription,source_type,period_start,period_end,quantity,amount,currency,description,proration"
HEAD = "Subscription,Phone number,From,To,Amount,Currency,Description"
GOOD = "sub_1,+1 (313) 555-0142,2026-10-12,2026-11-12,2.99,USD,Rent"


def of_stripe(count: int, *, first: int = 1) -> str:
    rows = [
        f"il_{place},in_1,sub_{place},subscription,2026-10-12 00:00:00,2026-11-12 00:00:00,1,299,usd,"
        f"1 × Number +1313555{place % 10_000:04d} (at $2.99 / month),false"
        for place in range(first, first + count)
    ]
    return "\n".join(rows) + "\n"


def sheet(*rows: Sequence[object]) -> bytes:
    book = openpyxl.Workbook(write_only=True)
    cells = book.create_sheet()
    for row in rows:
        cells.append(list(row))
    written = io.BytesIO()
    book.save(written)
    return written.getvalue()


async def sent(caller: Tenant, path: str, file: str | bytes, kind: str = "text/csv", **asked: str) -> Any:
    body = file.encode() if isinstance(file, str) else file
    return await caller.send("POST", path, content=body, params=asked, headers={"Content-Type": kind})


async def filed(finance: Tenant, file: str | bytes, kind: str = "text/csv", **asked: str) -> dict[str, Any]:
    answer = await sent(finance, INVOICES, file, kind, **{"period": "2026-10"} | asked)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def read(gateway: Gateway, finance: Tenant, invoice: dict[str, Any]) -> dict[str, Any]:
    while await gateway.worker.billing.invoice_reading.step():
        continue
    return dict((await finance.get(f"{INVOICES}/{invoice['id']}")).json())


async def lines_of(finance: Tenant, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    path = f"{INVOICES}/{invoice['id']}/lines"
    answer = await finance.get(path, headers={"Accept": "application/x-ndjson"})
    return [json.loads(line) for line in answer.text.splitlines()]


async def rejects_of(finance: Tenant, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await finance.get(f"{INVOICES}/{invoice['id']}/rejects")).json()["items"])


async def test_an_export_of_stripe_is_read_as_it_is(gateway: Gateway, finance: Tenant):
    credit = "il_9,in_1,sub_9,invoiceitem,1760227200,1760227200,1,-150,usd,Unused time on number,true\n"

    invoice = await filed(finance, f"{STRIPE}\n{of_stripe(2)}{credit}", number="INV-7", file_name="october.csv")

    assert (invoice["state"], invoice["profile"], invoice["currency"]) == ("reading", "stripe", "USD")
    done = await read(gateway, finance, invoice)
    assert (done["state"], done["lines"], done["rejected"]) == ("ready", 3, 0)
    assert (done["micros"], done["size_read"]) == (2 * 2_990_000 - 1_500_000, done["size"])
    one, _, last = await lines_of(finance, invoice)
    assert (one["subscription_id"], one["phone_number"], one["kind"]) == ("sub_1", "+13135550001", "rent")
    assert (one["begins"], one["ends"], one["micros"], one["line_ref"]) == (
        "2026-10-12",
        "2026-11-12",
        2_990_000,
        "il_1",
    )
    assert (last["kind"], last["micros"], last["begins"]) == ("credit", -1_500_000, "2025-10-12")


async def test_the_same_file_again_is_the_same_invoice_and_says_so(gateway: Gateway, finance: Tenant):
    file = f"{STRIPE}\n{of_stripe(3)}"
    first = await filed(finance, file)
    assert first["already_filed"] is False

    again = await sent(finance, INVOICES, file, period="2026-11", supplier="Another name")

    assert again.status_code == 200
    assert again.json()["already_filed"] is True
    assert (again.json()["id"], again.json()["period"]) == (first["id"], "2026-10")
    done = await read(gateway, finance, first)
    assert done["lines"] == 3
    shown = (await sent(finance, f"{INVOICES}/preview", file)).json()
    assert shown["already_filed"] == first["id"]


async def test_a_preview_shows_how_a_file_would_be_read_and_files_nothing(gateway: Gateway, finance: Tenant):
    file = f"{HEAD},Region\n{GOOD},East\nsub_2,,2026-10-12,2026-11-12,oops,USD,Rent,West\n"

    told = (await sent(finance, f"{INVOICES}/preview", file)).json()

    assert (told["guessed"], told["profile"], told["complete"]) == (True, None, True)
    assert told["mapping"]["columns"]["begins"] == "From"
    assert told["unused"] == ["Region"]
    assert (told["rows"], told["lines"], told["rejected"], told["micros"]) == (2, 1, 1, 2_990_000)
    assert told["sample"][0]["phone_number"] == "+13135550142"
    [reject] = told["rejects"]
    assert (reject["line"], reject["faults"][0]["column"]) == (3, "amount")
    assert await gateway.sql("SELECT 1 FROM invoices") == []


async def test_a_mapping_is_remembered_by_a_name_and_says_what_a_file_leaves_open(gateway: Gateway, finance: Tenant):
    file = "Betrag;Von;Bis;Nummer;Währung\n1.234,50;01.10.2026;31.10.2026;+13135550142;EUR\n"
    mapping = {
        "columns": {
            "amount": "Betrag", "begins": "Von", "ends": "Bis", "phone_number": "Nummer", "currency": "Währung",
        },
        "decimal": ",", "day_order": "day_first", "ends": "inclusive",
    }  # fmt: skip
    put = await finance.send("PUT", f"{PROFILES}/carrier", json=mapping)
    assert put.status_code == 200, put.text

    invoice = await filed(finance, file.encode("windows-1252"), profile="carrier")
    done = await read(gateway, finance, invoice)

    assert (done["micros"], done["currency"], done["mapping"]["charset"]) == (1_234_500_000, "EUR", "windows-1252")
    [line] = await lines_of(finance, invoice)
    assert (line["begins"], line["ends"]) == ("2026-10-01", "2026-11-01")
    names = [one["name"] for one in (await finance.get(PROFILES)).json()["items"]]
    assert names == ["stripe", "carrier"]
    shipped = await finance.send("PUT", f"{PROFILES}/stripe", json=mapping)
    problem(shipped, 409, "state_conflict")


async def test_a_workbook_is_read_by_what_its_cells_hold(gateway: Gateway, finance: Tenant):
    book = sheet(
        ["Subscription", "Phone number", "From", "To", "Amount", "Currency"],
        ["sub_1", 13135550142, date(2026, 10, 12), date(2026, 11, 12), 0.1 + 0.2, "USD"],
        ["sub_2", "+13135550143", "2026-10-12", "2026-11-12", "2.99", "USD"],
    )

    invoice = await filed(finance, book, XLSX, file_name="october.xlsx")
    done = await read(gateway, finance, invoice)

    assert (done["state"], done["lines"], done["micros"]) == ("ready", 2, 300_000 + 2_990_000)
    one, _ = await lines_of(finance, invoice)
    assert (one["phone_number"], one["begins"]) == ("+13135550142", "2026-10-12")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
async def test_a_file_is_read_in_the_encoding_and_with_the_separators_that_it_was_saved_in(
    encoding: str, separator: str, gateway: Gateway, finance: Tenant
):
    file = f"{HEAD}\n{GOOD} für é\n".replace(",", separator)

    done = await read(gateway, finance, await filed(finance, file.encode(encoding)))

    assert (done["state"], done["micros"]) == ("ready", 2_990_000)
    [line] = await lines_of(finance, done)
    assert line["description"] == "Rent für é"


# What is wrong, the line on which it stands, the member it is about, and words that name the mend.
BAD_ROWS = {
    "an amount that is none": ("sub_2,,,,oops,USD,", "amount", "write it as 1,234.56"),
    "an amount in another spelling": ('sub_2,,,,"2,99",USD,', "amount", "the mapping says decimal: ','"),
    "no amount": ("sub_2,,,,,USD,", "amount", "every line says what it charges"),
    "another currency": ("sub_2,,,,2.99,EUR,", "currency", "an invoice of their own"),
    "an amount and a currency that differ": ("sub_2,,,,€2.99,USD,", "amount", "which is meant?"),
    "a negative rent": ("sub_2,,,,-2.99,USD,", "amount", "negatives: credit"),
    "thousands, or a fraction": ("sub_2,,,,1.234,USD,", "amount", "a profile says decimal"),
    "seven decimals": ("sub_2,,,,2.9900001,USD,", "amount", "round it"),
    "an amount beyond all measure": ("sub_2,,,,2990000000,USD,", "amount", "sign before the decimals"),
    "a day that may be two": ("sub_2,,03/01/2026,,2.99,USD,", "begins", "the mapping says day_order"),
    "a day that is none": ("sub_2,,2026-02-30,,2.99,USD,", "begins", "write it as 2026-03-01"),
    "an end before the beginning": ("sub_2,,2026-10-12,2026-10-11,2.99,USD,", "ends", "mend one of the two"),
    "a number that is none": ("sub_2,12345,,,2.99,USD,", "phone_number", "write it as +13135550142"),
    "too many cells": ("sub_2,,,,2.99,USD,a,b,c", "", "has 9 cells, and there are 7 columns"),
    "a NUL byte": ("sub_2,,,,2.99,USD,a\0b", "description", "U+0000"),
    "an overlong field": (f"{'s' * 300},,,,2.99,USD,", "subscription_id", "longer than 255"),
    "a byte of another charset": ("sub_2,,,,2.99,USD,caf\udce9", "description", "charset"),
    "a quote that is not doubled": ('sub_2,,,,2.99,USD,"a "word" here"', "", "doubled"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
async def test_a_row_that_cannot_be_read_is_kept_aside_with_its_line_and_the_mend_and_the_rest_is_read(
    case: str, gateway: Gateway, finance: Tenant
):
    row, column, words = BAD_ROWS[case]
    # Where the head is looked at, the file is UTF-8 still.
    head = f"{HEAD}\n" + f"{GOOD} é\n" * 30_000 if "charset" in case else f"{HEAD}\n{GOOD}\n"
    file = f"{head}{row}\n{GOOD}\n".encode(errors="surrogateescape")
    line = head.count("\n") + 1

    invoice = await filed(finance, file)
    done = await read(gateway, finance, invoice)

    assert (done["state"], done["rejected"], done["lines"]) == ("held", 1, line - 1)
    assert done["micros"] == done["lines"] * 2_990_000
    [reject] = await rejects_of(finance, invoice)
    assert (reject["line"], reject["decision"]) == (line, None)
    told = {one["column"]: one["detail"] for one in reject["faults"]}
    assert words in told[column], told


async def test_a_quote_that_is_never_closed_keeps_what_it_swallows_aside(gateway: Gateway, finance: Tenant):
    done = await read(gateway, finance, await filed(finance, f'{HEAD}\n{GOOD}\nsub_2,,,,"2.99,USD,\n{GOOD}\n'))

    assert (done["state"], done["lines"], done["rejected"]) == ("held", 1, 1)
    [reject] = await rejects_of(finance, done)
    assert "opens a quote on line 3 that is not closed; all as far as line 4" in reject["faults"][0]["detail"]


def bomb() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b" " * (64 << 20))
    return written.getvalue()


def altered(part: str, was: bytes, becomes: bytes) -> bytes:
    """A workbook of one line, in one part of which something else stands."""
    written = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sheet(["Amount", "Currency"], ["2.99", "USD"]))) as book,
        zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in book.namelist():
            body = book.read(name)
            assert name != part or was in body
            packed.writestr(name, body.replace(was, becomes, 1) if name == part else body)
    return written.getvalue()


def with_row(row: bytes) -> bytes:
    return altered("xl/worksheets/sheet1.xml", b"</sheetData>", row + b"</sheetData>")


# Names that a file packs badly, so that it is no bomb by its ratio alone.
EMPTY_CELLS = b"".join(b'<c t="%x"/>' % (place * 2654435761 % (1 << 32)) for place in range(100_000))
BAD_FILES = {
    "a row that is a thousand million away": (
        with_row(b'<row r="1000000000"><c><v>1</v></c></row>'),
        "has a row beyond the 1048576 that Excel has",
    ),
    "a row of a workbook without end": (with_row(b"<row>" + EMPTY_CELLS + b"</row>"), "has a row of more than"),
    "a word that grows": (
        altered(
            "xl/worksheets/sheet1.xml",
            b"<worksheet",
            b'<!DOCTYPE w [<!ENTITY a "%s"><!ENTITY b "%s">]><worksheet w="&b;"' % (b"a" * 5000, b"&a;" * 50_000),
        ),
        "is no workbook of Excel, or is damaged",
    ),
    "a row without an end": (b"Amount,Currency\n" + b"1," * (1 << 21), "has a row of more than"),
    "a row over lines without an end": (b"Amount,Currency\n" + b'"\n",' * (1 << 20), "has a row of more than"),
    "an empty file": (b"", "is empty"),
    "no header": (b"1,2,3\n4,5,6\n", "has no header"),
    "a header alone": (f"{HEAD}\n".encode(), "has a header and no rows"),
    "wrong columns": (b"When,What\n2026-10-12,Rent\n", "names no column of amounts; there are When, What"),
    "a column twice": (b"Amount,Amount,Currency\n1,2,USD\n", "has 2 columns 'Amount'"),
    "too many columns": (",".join(f"c{place}" for place in range(300)).encode() + b"\n1\n", "has 300 columns"),
    "not one row that can be read": (b"Amount,Currency\nx,USD\ny,USD\n", "line 2: amount: 'x' is no amount"),
    "a currency that nobody says": (b"Amount\n2.99\n", "currency: is not said"),
    "a PDF": (b"%PDF-1.7 and so on", "is a PDF"),
    "an Excel file of old": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 and so on", "save it as .xlsx"),
    "a document of another program": (
        altered("[Content_Types].xml", b"spreadsheetml.sheet.main+xml", b"wordprocessingml.document.main+xml"),
        "is no workbook of Excel, or is damaged",
    ),
    "a damaged workbook": (b"PK\x03\x04 and so on", "is a damaged ZIP"),
    "a zip bomb": (bomb(), "unpacks to more than 200 times its size"),
}


@pytest.mark.parametrize("case", BAD_FILES)
async def test_a_file_that_cannot_be_read_is_refused_with_the_mend_and_nothing_is_filed(
    case: str, gateway: Gateway, finance: Tenant
):
    file, words = BAD_FILES[case]

    refused = await sent(finance, INVOICES, file, period="2026-10")

    problem(refused, 400, "invalid_request")
    assert words in refused.json()["errors"][0]["detail"]
    assert await gateway.sql("SELECT 1 FROM invoices") == []


async def test_a_preview_by_the_wrong_columns_is_told_which_there_are(finance: Tenant):
    refused = await sent(finance, f"{INVOICES}/preview", "Rufnummer;Von;Betrag\n+13135550142;2026-10-12;2,99\n")

    problem(refused, 400, "invalid_request")
    assert refused.json()["headers"] == ["Rufnummer", "Von", "Betrag"]


async def test_rows_that_are_kept_aside_are_dropped_or_mended_and_then_the_invoice_is_ready(
    gateway: Gateway, finance: Tenant
):
    file = f"{HEAD}\n{GOOD}\nsub_2,,2026-10-12,2026-11-12,oops,USD,\nsub_3,,,,x,USD,\nsub_4,,,,2.99,EUR,\n"
    invoice = await read(gateway, finance, await filed(finance, file))
    assert invoice["rejected"] == 3
    resolve = f"{INVOICES}/{invoice['id']}/rejects/resolve"

    async def decide(**body: Any) -> Any:
        return await finance.send("POST", resolve, json=body)

    still = await decide(decision="mend", places=[2], values={"amount": "nothing"})
    problem(still, 400, "invalid_request")
    assert still.json()["errors"][0]["pointer"] == "/values/amount"
    mended = await decide(decision="mend", places=[2], values={"amount": "3.50"})
    assert (mended.json()["state"], mended.json()["lines"], mended.json()["rejected"]) == ("held", 2, 2)
    twice = await decide(decision="drop", places=[2])
    problem(twice, 409, "state_conflict")
    unknown = await decide(decision="drop", places=[77])
    problem(unknown, 400, "invalid_request")
    dropped = await decide(decision="drop")
    assert (dropped.json()["state"], dropped.json()["micros"]) == ("ready", 2_990_000 + 3_500_000)

    assert [line["micros"] for line in await lines_of(finance, invoice)] == [2_990_000, 3_500_000]
    decided = await rejects_of(finance, invoice)
    assert [one["decision"] for one in decided] == ["mended", "dropped", "dropped"]
    assert all(one["decided_by"] and one["decided_at"] for one in decided)
    noted = await gateway.sql("SELECT action FROM audit WHERE object_kind = 'invoice' ORDER BY id")
    assert [action for (action,) in noted] == [
        "invoice.filed", "invoice.read", "invoice.rejects_resolved", "invoice.rejects_resolved",
    ]  # fmt: skip


async def test_a_mapping_by_which_too_many_rows_cannot_be_read_fails_and_is_filed_anew_once_discarded(
    gateway: Gateway, finance: Tenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "MOST_REJECTED", 5)
    file = f"{HEAD}\n{GOOD}\n" + "sub_2,,,,x,USD,\n" * 6
    invoice = await read(gateway, finance, await filed(finance, file))
    assert invoice["state"] == "failed"
    assert "preview the file by another profile" in invoice["problem"]
    assert (await sent(finance, INVOICES, file, period="2026-10")).json()["state"] == "failed"

    gone = await finance.send("DELETE", f"{INVOICES}/{invoice['id']}")

    assert gone.status_code == 204, gone.text
    problem(await finance.get(f"{INVOICES}/{invoice['id']}"), 404, "not_found")
    assert (await filed(finance, file))["id"] != invoice["id"]


async def test_a_worker_that_dies_leaves_each_row_to_be_read_once_by_the_next(
    gateway: Gateway, finance: Tenant, monkeypatch: pytest.MonkeyPatch
):
    """It dies with a batch that is read and not stored, or stored and no more; the next begins after what is stored."""
    monkeypatch.setattr(reading, "ROWS", 7)
    invoice = await filed(finance, f"{STRIPE}\n{of_stripe(50)}il_bad,,,,,,,oops,usd,,\n{of_stripe(50, first=51)}")
    database = gateway.worker.database
    for _ in range(3):
        dying = InvoiceReading(database)
        await dying.step()
        await dying.step()
        assert dying._open is not None
        dying._open.reader.batch(7)  # Read, and never stored.
        dying.close()
        half = (await finance.get(f"{INVOICES}/{invoice['id']}")).json()
        assert (half["state"], half["lines"] + half["rejected"]) == ("reading", half["read_through"])

    done = await read(gateway, finance, invoice)

    assert (done["state"], done["lines"], done["rejected"], done["read_through"]) == ("held", 100, 1, 101)
    assert [line["line_ref"] for line in await lines_of(finance, invoice)] == [f"il_{place}" for place in range(1, 101)]
    assert done["micros"] == 100 * 2_990_000
    assert await gateway.sql("SELECT 1 FROM invoice_parts") == []


async def test_of_two_workers_that_read_one_invoice_one_goes_on_and_no_row_is_read_twice(
    gateway: Gateway, finance: Tenant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(reading, "ROWS", 10)
    invoice = await filed(finance, f"{STRIPE}\n{of_stripe(100)}")
    one, other = InvoiceReading(gateway.worker.database), InvoiceReading(gateway.worker.database)

    await one.step()
    other._open = await other._next()
    await one.step()
    await other.step()
    assert await other.step() is False
    while await one.step():
        continue

    done = (await finance.get(f"{INVOICES}/{invoice['id']}")).json()
    assert (done["state"], done["lines"]) == ("ready", 100)


async def test_lines_come_page_by_page_and_as_a_file(gateway: Gateway, finance: Tenant):
    invoice = await read(gateway, finance, await filed(finance, f"{STRIPE}\n{of_stripe(25)}"))
    path, found = f"{INVOICES}/{invoice['id']}/lines", []
    asked: dict[str, str] | None = {"limit": "10"}
    while asked is not None:
        page = (await finance.get(path, params=asked)).json()
        found += [line["place"] for line in page["items"]]
        asked = asked | {"cursor": page["next_cursor"]} if page["next_cursor"] else None
    assert found == [*range(1, 26)]
    assert page["total"] == {"value": 25, "exact": True}

    exported = await finance.get(path, headers={"Accept": "text/csv"})

    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["micros"] for row in rows] == ["2990000"] * 25


async def test_a_tenant_sees_no_invoice_whatever_it_may_read_of_its_own(gateway: Gateway, finance: Tenant):
    invoice = await filed(finance, f"{STRIPE}\n{of_stripe(1)}")
    tenant = await gateway.tenant(scopes=["billing:read", "billing:write"])

    assert (await tenant.get(INVOICES)).json()["items"] == []
    for path in ("", "/lines", "/rejects"):
        problem(await tenant.get(f"{INVOICES}/{invoice['id']}{path}"), 404, "not_found")


async def test_a_body_beyond_the_limit_is_cut_off_as_it_comes(
    gateway: Gateway, finance: Tenant, monkeypatch: pytest.MonkeyPatch
):
    refused = await finance.send(
        "POST",
        f"{INVOICES}?period=2026-10",
        content=b"",
        headers={"Content-Type": "text/csv", "Content-Length": str(1 << 30)},
    )
    problem(refused, 413, "body_too_large")


@pytest.mark.parametrize("count", [20_000, pytest.param(1_000_000, marks=[pytest.mark.full, pytest.mark.timeout(900)])])
async def test_a_long_invoice_with_one_bad_row_is_read_in_constant_memory(
    count: int, gateway: Gateway, finance: Tenant, record_property: Any
):
    half = count // 2
    file = f"{STRIPE}\n{of_stripe(half)}il_bad,,,,,,,oops,usd,,\n{of_stripe(half, first=half + 1)}"
    invoice = await filed(finance, file)
    tracemalloc.start()
    began = time.perf_counter()

    done = await read(gateway, finance, invoice)

    took, (_, peak) = time.perf_counter() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (done["lines"], done["rejected"], done["state"]) == (count, 1, "held")
    assert done["micros"] == count * 2_990_000
    [reject] = await rejects_of(finance, invoice)
    assert reject["line"] == half + 2
    assert peak < 96 << 20
    record_property("told", f"an invoice of {count} lines: read in {took:.1f} s, {peak >> 20} MiB at most")


def test_the_bounds_of_a_workbook_are_those_of_honest_ones():
    book = io.BytesIO(sheet(["Amount"], *([["2.99"]] * 1000)))
    sheets.check_unpacked(book)
