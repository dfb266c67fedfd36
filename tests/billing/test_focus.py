"""A statement by FOCUS 1.3, the FinOps Open Cost and Usage Specification: each rule by the section it stands in."""

import csv
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from io import StringIO
from json import loads
from pathlib import Path
from uuid import UUID

import asyncpg
import duckdb
import pytest

from service.kit.money import months_later
from tests.billing.months import PRICE, held_since, last_month, month_before, named
from tests.support.gateway import ORGANIZATION, Gateway, Tenant

Row = dict[str, str]
# Section "Cost and Usage", feature level Mandatory; those of them that allow nulls.
MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
    "ServiceProviderName",
}  # fmt: skip
NULLABLE = {"ChargeClass", "Tags", "x_Corrects", "x_CostCenter", "x_HolderUserId"}
NUMERIC = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingQuantity")
# Section "Service Category", allowed values.
CATEGORIES = {
    "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools",
    "Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media", "Migration",
    "Mobile", "Networking", "Security", "Storage", "Web", "Other",
}  # fmt: skip


@pytest.fixture
async def whole(gateway: Gateway, finance: Tenant, ledger: asyncpg.Connection) -> Tenant:
    """A tenant with numbers over two months, of which one proved to be older; the rule by the day, in Detroit."""
    tenant = await gateway.tenant(scopes=["numbers:create", "numbers:release", "billing:read"])
    rule = {"cycle": "calendar", "proration": "daily", "time_zone": "America/Detroit"}
    assert (await finance.send("PUT", "/v1/billing/charging-rule", json=rule)).status_code == 200
    assert (await finance.send("POST", "/v1/billing/prices", json=PRICE)).status_code == 201
    one = await tenant.bought(tags=["north", 'say "no"', "a=b"], cost_center="=1+1")
    other = await tenant.bought()
    await held_since(ledger, one["id"], month_before() + timedelta(days=9))
    await held_since(ledger, other["id"], last_month() + timedelta(days=3))
    await ledger.execute(
        "UPDATE numbers SET acquired_at = $1, released_at = $2, state = 'released' WHERE id = $3",
        last_month() + timedelta(days=3), last_month() + timedelta(days=12), UUID(other["id"]),
    )  # fmt: skip
    assert (await finance.send("POST", f"/v1/billing/periods/{named(month_before())}/close")).status_code == 200
    await ledger.execute(
        "UPDATE numbers SET acquired_at = $1 WHERE id = $2", month_before() + timedelta(days=4), UUID(one["id"])
    )
    return tenant


async def rows(of: Tenant, month: datetime | None = None) -> list[Row]:
    answer = await of.get(
        f"/v1/billing/statements/{named(month or last_month())}/export?columns=focus", headers={"Accept": "text/csv"}
    )
    assert answer.status_code == 200, answer.text
    found = list(csv.DictReader(StringIO(answer.text)))
    assert len(found) > 3
    return found


async def test_a_statement_is_no_json_where_its_charges_are_asked_for(whole: Tenant):
    path = f"/v1/billing/statements/{named(last_month())}/export"
    refused = await whole.get(path, headers={"Accept": "application/json"})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    assert (await whole.get(path, headers={"Accept": "*/*"})).headers["Content-Type"].startswith("text/csv")


def cells(of: list[Row], *columns: str) -> Iterator[str]:
    return (row[name] for row in of for name in columns)


async def test_mandatory_columns_are_there_and_none_is_null_but_where_it_may_be(whole: Tenant):
    """Sections "Cost and Usage" and "Null handling"."""
    found = await rows(whole)
    assert found[0].keys() >= MANDATORY
    for row in found:
        assert {name for name, cell in row.items() if cell == ""} <= NULLABLE
        assert not {"null", "n/a", "not applicable", "none"} & {cell.lower() for cell in row.values()}


async def test_columns_are_named_and_ordered_as_they_should_be(whole: Tenant):
    """Section "Column handling": Pascal case; what FOCUS does not know begins with `x_`, and stands behind the rest."""
    names = list((await rows(whole))[0])
    ours = [name for name in names if name.startswith("x_")]
    assert names == [*sorted(set(names) - set(ours)), *ours]
    assert all(re.fullmatch(r"(x_)?([A-Z][a-z]+)+", name) and len(name) <= 50 for name in names)


async def test_numbers_moments_and_currencies_are_written_as_they_must_be(whole: Tenant):
    """Sections "Numeric format", "Date/time format" and "Currency format"."""
    found = await rows(whole)
    assert all(re.fullmatch(r"-?\d+(\.\d+)?", cell) for cell in cells(found, *NUMERIC))
    moments = [name for name in found[0] if name.endswith(("Start", "End", "Date"))]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", cell) for cell in cells(found, *moments))
    assert {*cells(found, "BillingCurrency")} == {"USD"}


async def test_a_billing_period_is_the_month_by_the_suppliers_calendar_and_a_charge_period_its_days(whole: Tenant):
    """Sections "Billing period start" and "… end", "Charge period start" and "… end": the ends are exclusive."""
    for row in await rows(whole):
        begins, ends = (datetime.fromisoformat(row[f"BillingPeriod{side}"]) for side in ("Start", "End"))
        assert (begins.date(), ends.date()) == (last_month().date(), months_later(last_month(), 1).date())
        assert begins.hour in (4, 5), "midnight in Detroit"
        assert row["ChargePeriodStart"] < row["ChargePeriodEnd"]


async def test_a_charge_is_classed_by_what_it_is(whole: Tenant):
    """Sections "Charge category", "Charge class", "Charge frequency" and "Pricing category"."""
    found = await rows(whole)
    assert {*cells(found, "ChargeCategory")} == {"Purchase"}
    assert {*cells(found, "PricingCategory")} == {"Standard"}
    for row in found:
        assert row["ChargeClass"] == ("Correction" if row["x_Corrects"] else "")
        assert row["ChargeFrequency"] == ("One-Time" if row["x_ChargeKind"] == "setup" else "Recurring")
    assert {*cells(found, "x_Corrects")} == {"", named(month_before())}
    assert {*cells(found, "x_ChargeKind")} == {"setup", "part", "credit"}


async def test_all_costs_are_what_is_billed_since_no_price_list_is_published(whole: Tenant, finance: Tenant):
    """Sections "List cost", "Contracted cost", "Effective cost": without unit prices, they match the billed cost; and
    "Billed cost": together it is what the statement says.
    """
    found = await rows(whole)
    assert {"ListUnitPrice", "ContractedUnitPrice"}.isdisjoint(found[0])
    for row in found:
        assert {row[name] for name in NUMERIC[:4]} == {row["BilledCost"]}
    statement = (await finance.get(f"/v1/billing/statements/{named(last_month())}")).json()
    assert sum(map(Decimal, cells(found, "BilledCost"))) * 1_000_000 == statement["totals"][0]["micros"]


async def test_a_quantity_has_its_unit_and_the_sign_of_its_cost(whole: Tenant):
    """Sections "Pricing quantity", "Pricing unit" and "Unit format"."""
    for row in await rows(whole):
        assert row["PricingUnit"] == {"setup": "Units", "month": "Months"}.get(row["x_ChargeKind"], "Days")
        if not row["ChargeClass"]:
            assert (Decimal(row["PricingQuantity"]) < 0) == (Decimal(row["BilledCost"]) < 0)


async def test_who_sells_hosts_and_invoices_is_named_and_the_service_is_of_an_allowed_category(whole: Tenant):
    """Sections "Service provider name", "Host provider name" (the same, where no other is known), "Invoice issuer
    name", "Service category" and "… subcategory" (each of one parent).
    """
    for row in await rows(whole):
        assert row["HostProviderName"] == row["ServiceProviderName"] == row["PublisherName"]
        assert row["InvoiceIssuerName"] == row["ProviderName"]
        assert row["ServiceCategory"] in CATEGORIES
        assert row["ServiceSubcategory"] == f"Other ({row['ServiceCategory']})"


async def test_a_number_is_a_resource_a_tenant_a_sub_account_and_an_organisation_a_billing_account(whole: Tenant):
    """Sections "Resource ID", "… name" and "… type", "Sub account ID" and "Billing account ID"."""
    for row in await rows(whole):
        assert row["SubAccountId"] == whole.id
        assert row["BillingAccountId"] == ORGANIZATION
        assert UUID(row["ResourceId"])
        assert re.fullmatch(r"\+1\d{10}", row["ResourceName"])
        assert row["ResourceName"] in row["ChargeDescription"]


async def test_a_tag_is_a_key_that_is_true_and_no_cell_is_a_formula(whole: Tenant):
    """Sections "Key-value format" and "Tags": one without a value is true."""
    tagged = {row["Tags"] for row in await rows(whole)}
    assert tagged - {""}
    for cell in tagged - {""}:
        assert loads(cell) == {"north": True, 'say "no"': True, "a=b": True}
    assert {*cells(await rows(whole), "x_CostCenter")} == {"", "'=1+1"}


async def test_as_parquet_costs_are_decimals_and_moments_are_moments(whole: Tenant, tmp_path: Path):
    path = f"/v1/billing/statements/{named(last_month())}/export?columns=focus"
    answer = await whole.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    (tmp_path / "focus.parquet").write_bytes(answer.content)
    described = duckdb.execute(f"DESCRIBE SELECT * FROM '{tmp_path}/focus.parquet'").fetchall()
    types = {name: kind for name, kind, *_ in described}
    assert {types[name] for name in NUMERIC} == {"DECIMAL(38,6)"}
    assert types["ChargePeriodStart"] == "TIMESTAMP WITH TIME ZONE"
    [[total]] = duckdb.execute(f"SELECT sum(BilledCost) FROM '{tmp_path}/focus.parquet'").fetchall()
    assert total == sum(map(Decimal, cells(await rows(whole), "BilledCost")))
