"""Numbers bought before Numbergate: shown first, and then exactly those are adopted, or fewer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from service.imports import imports
from service.imports.sheets import COLUMNS, MOST_BYTES
from tests.http.refusals import problem
from tests.imports.desk import (
    IMPORTS,
    applied,
    apply,
    ask,
    bought_before,
    items,
    one,
    reasons,
    shown,
    shown_listed,
    work,
)
from tests.reconciliation.test_resolver import doubt
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

HEAD = "phone_number"


async def test_what_was_there_before_is_shown_and_then_adopted(gateway: Gateway, tenant: Tenant):
    numbers = await bought_before(gateway, 3)
    said = {"tenant_id": tenant.id, "cost_center": "sales", "tags": ["old"], "acquired_at": "2025-03-01"}

    told = await shown_listed(gateway.admin, **said, monthly_price="2.99", setup_price="1", currency="EUR")

    assert (told["state"], told["count"], told["source"], told["counts"]) == (
        "previewed",
        3,
        "upstream",
        {"waiting": 3},
    )
    sample = told["preview"]["sample"]
    assert [row["phone_number"] for row in sample] == numbers
    assert sample[0]["listed"]["listed_as"] == "existing"
    assert sample[0]["becomes"]["user_id"] == USER
    assert told["preview"]["costs"][0]["monthly"] == 3 * 2_990_000
    assert await gateway.sql("SELECT 1 FROM numbers") == []

    done = await applied(gateway, told, **{"X-Request-ID": "import-1"})

    assert (done["state"], done["counts"]) == ("completed", {"done": 3})
    rows = await items(gateway.admin, told["import_id"])
    listed = await tenant.get("/v1/numbers")
    assert {row["id"] for row in listed.json()["items"]} == {row["number_id"] for row in rows}
    number = (await tenant.get(f"/v1/numbers/{numbers[0]}")).json()
    assert (number["state"], number["cost_center"], number["tags"]) == ("active", "sales", ["old"])
    assert number["acquired_at"].startswith("2025-03-01T00:00:00")
    assert number["purchase"] is None
    assert number["upstream"]["row_id"] == rows[0]["listed"]["row_id"]
    costs = number["costs"]
    assert (costs["monthly"], costs["currency"], costs["source"]) == (2_990_000, "EUR", "import")
    assert costs["to_date"] > 1_000_000 + 2_990_000
    assert (await gateway.teli.counts())["creates"] == 0


async def test_each_number_and_the_import_are_audited_and_told(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    await applied(gateway, told, **{"X-Request-ID": "import-2"})

    [row] = await items(gateway.admin, told["import_id"])
    [(action, actor, request_id)] = await gateway.audited(row["number_id"])
    assert (action, request_id) == ("number.imported", "import-2")
    assert actor.startswith("key:")
    assert [entry[0] for entry in await gateway.audited(told["import_id"])] == ["import.applied", "order.completed"]
    assert await gateway.told(row["number_id"]) == ["number.imported"]
    [(after,)] = await gateway.sql("SELECT after FROM audit WHERE action = 'number.imported'")
    assert (after["phone_number"], after["acquired_by"], after["limits_passed"]) == (number, "teli", [])


async def test_an_import_counts_and_may_pass_limits_which_is_told(gateway: Gateway):
    tenant = await gateway.tenant(quota=2)
    await bought_before(gateway, 3)

    told = await shown_listed(gateway.admin, tenant_id=tenant.id)

    [passed] = told["preview"]["limits_passed"]
    assert (passed["scope"], passed["tenant_id"], passed["limit"]) == ("tenant", tenant.id, 2)
    assert (passed["held"], passed["would_hold"]) == (0, 3)
    done = await applied(gateway, told)
    assert done["counts"] == {"done": 3}
    last = (await items(gateway.admin, told["import_id"]))[-1]
    assert last["detail"] == "Passes a limit of numbers held: 3 of 2 of the tenant."
    refused = await tenant.buy()
    assert (refused.status_code, refused.json()["code"]) == (429, "quota_exceeded")
    await gateway.worker.drift.run()
    assert await gateway.sql("SELECT used FROM quotas WHERE tenant_id = :id", id=tenant.id) == [(3,)]


async def test_a_file_says_of_each_number_whose_it_is_since_when_and_at_what_price(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    first, second = await bought_before(gateway, 2)
    sheet = (
        "Phone number;Tenant ID;user_id;Nickname;tags;acquired_at;monthly_price;currency\r\n"
        f"{first[:2]} ({first[2:5]}) {first[5:8]}-{first[8:]};{tenant.id};{USER};Front desk;"
        '"a; b";2024-02-29;1.5;USD\r\n'
        f"{second};{other.id};;;;2025-01-01T12:00:00+02:00;;\r\n"
    )

    told = await shown(gateway.admin, sheet, cost_center="all of them", tags="c")
    done = await applied(gateway, told)

    assert done["counts"] == {"done": 2}
    assert [row["line"] for row in await items(gateway.admin, told["import_id"])] == [2, 3]
    one_of_them = (await tenant.get(f"/v1/numbers/{first}")).json()
    assert (one_of_them["nickname"], one_of_them["tags"]) == ("Front desk", ["a", "b"])
    assert one_of_them["acquired_at"].startswith("2024-02-29T00:00:00")
    assert one_of_them["costs"]["source"] == "import"
    the_other = (await other.get(f"/v1/numbers/{second}")).json()
    assert (the_other["tags"], the_other["cost_center"]) == (["c"], "all of them")
    assert the_other["acquired_at"].startswith("2025-01-01T10:00:00")
    assert the_other["costs"]["source"] == "price_book"
    # Teli is told what it is called now, as of any number.
    await gateway.follow_up()
    names = {row["phone_number"]: row["nickname"] for row in (await gateway.teli.truth())["record"]["rows"]}
    assert names[first] == "Front desk"


async def test_without_evidence_nothing_is_adopted(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    told = await shown(gateway.admin, f"{HEAD}\n+12125550100\n{number}\n", tenant_id=tenant.id)
    assert (told["count"], reasons(told)) == (1, {"not_listed": 1})

    await gateway.sql("UPDATE listings SET complete = false")
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    assert (told["count"], reasons(told)) == (0, {"not_listed": 1})

    await gateway.sql("UPDATE listings SET complete = true")
    await gateway.teli.dashboard_release(number)
    await gateway.look_everywhere()
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    assert reasons(told) == {"not_listed": 1}


async def test_every_row_that_is_left_alone_says_why(gateway: Gateway, tenant: Tenant):
    before = await bought_before(gateway, 5)
    other = await gateway.tenant()
    foreign = await gateway.tenant(organization_ids=[])
    mine = (await tenant.bought())["phone_number"]
    await gateway.follow_up()
    ghost = (await tenant.bought())["phone_number"]
    await gateway.sql("UPDATE numbers SET state = 'missing' WHERE phone_number = :n", n=ghost)
    await gateway.teli.dashboard_buy("212", ORGANIZATION, USER)
    await gateway.look_everywhere()
    await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, "another", {"name": "Another"})
    sheet = f"""phone_number,tenant_id,user_id,organization_id,acquired_at,monthly_price,currency
{mine},{tenant.id},,,,,
{mine[:-1]}x,{tenant.id},,,,,
{ghost},{other.id},,,,,
{before[0]},{tenant.id},another,,,,
{before[1]},{tenant.id},,elsewhere,,,
{before[2]},{foreign.id},,,,,
{before[3]},{tenant.id},,,2999-01-01,,
{before[4]},{tenant.id},,,,1.00,
{before[4]},,,,,,
+13135550199,{tenant.id},,,,,
,{tenant.id},,,,,
+442079460000,{tenant.id},,,,,,too many
"""

    told = await shown(gateway.admin, sheet)

    assert told["count"] == 0
    found = {(row["line"], row["reason"]): row["detail"] for row in await items(gateway.admin, told["import_id"])}
    assert list(found) == [
        (2, "already_yours"), (3, "bad_row"), (4, "ghost"), (5, "other_user"), (6, "other_organization"),
        (7, "tenant_not_granted"), (8, "bad_row"), (9, "bad_row"), (10, "bad_row"), (11, "not_listed"),
        (12, "bad_row"), (13, "bad_row"),
    ]  # fmt: skip
    assert "phone_number: " in found[3, "bad_row"]
    assert found[8, "bad_row"] == "acquired_at: lies in the future; say since when the number is held"
    assert found[9, "bad_row"] == "a price takes monthly_price and currency, and perhaps setup_price"
    assert found[10, "bad_row"] == "tenant_id: is required, in the row or for all"
    assert found[12, "bad_row"] == "phone_number: is required"
    assert found[13, "bad_row"] == "it has 8 cells, and there are 7 columns"
    done = await applied(gateway, told)
    assert done["state"] == "completed"
    assert await gateway.sql("SELECT count(*) FROM numbers") == [(2,)]


async def test_a_number_held_by_another_tenant_stays_there(gateway: Gateway, tenant: Tenant):
    held = (await (await gateway.tenant()).bought())["phone_number"]
    told = await shown(gateway.admin, f"{HEAD}\n{held}\n", tenant_id=tenant.id)
    assert reasons(told) == {"held_by_another": 1}


async def test_two_lines_of_a_number_count_once_where_they_agree(gateway: Gateway, tenant: Tenant):
    first, second = await bought_before(gateway, 2)
    sheet = f"phone_number,nickname\n{first},A\n{second},A\n{first},A\n{second},B\n"

    told = await shown(gateway.admin, sheet, tenant_id=tenant.id)

    assert (told["count"], reasons(told)) == (1, {"twice": 3})
    rows = await items(gateway.admin, told["import_id"])
    assert [row["outcome"] for row in rows] == ["waiting", "skipped", "skipped", "skipped"]
    assert rows[2]["detail"].endswith("Line 2.")


async def test_a_number_listed_under_two_rows_is_left_alone(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    await gateway.sql(
        "INSERT INTO upstream_rows (account_id, row_id, organization_id, user_id, phone_number, first_seen_at)"
        " SELECT account_id, 'second', organization_id, user_id, phone_number, first_seen_at FROM upstream_rows"
    )
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    assert reasons(told) == {"listed_twice": 1}


async def test_an_open_orphan_that_a_file_names_is_adopted(gateway: Gateway, tenant: Tenant):
    [number] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER, nickname="Front")
    await gateway.look_everywhere()
    assert await gateway.sql("SELECT state FROM orphans") == [("open",)]
    assert (await shown_listed(gateway.admin, tenant_id=tenant.id))["count"] == 0

    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    done = await applied(gateway, told)

    assert done["counts"] == {"done": 1}
    assert await gateway.sql("SELECT state FROM orphans") == [("adopted",)]
    assert (await tenant.get(f"/v1/numbers/{number}")).json()["nickname"] == "Front"
    await gateway.look_everywhere()
    assert await gateway.sql("SELECT count(*) FROM orphans") == [(1,)]


async def test_an_orphan_decided_otherwise_is_left_alone(gateway: Gateway, tenant: Tenant):
    [number] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await gateway.look_everywhere()
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    await gateway.sql("UPDATE orphans SET state = 'ignored'")

    done = await applied(gateway, told)

    assert (done["state"], done["reasons"]) == ("failed", {"orphan_decided": 1})
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    assert reasons(told) == {"orphan_decided": 1}


async def test_what_a_purchase_in_doubt_may_have_bought_is_left_to_that(
    gateway: Gateway, tenant: Tenant, patient_sends: None
):
    await doubt(gateway, tenant, step="received")
    [number] = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    await gateway.look_everywhere()

    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)

    assert reasons(told) == {"in_question": 1}


async def test_an_unknown_user_is_looked_up_once_at_teli(gateway: Gateway, tenant: Tenant):
    numbers = await bought_before(gateway, 2)
    new = await gateway.teli.user(ORGANIZATION, name="New", email="new@example.com")
    await gateway.sql("UPDATE upstream_rows SET user_id = NULL")
    await gateway.teli.forget_requests()

    sheet = f"phone_number,user_id\n{numbers[0]},{new['unique_id']}\n{numbers[1]},nobody\n"
    told = await shown(gateway.admin, sheet, tenant_id=tenant.id)

    assert (told["count"], reasons(told)) == (1, {"unknown_user": 1})
    assert len(await gateway.teli.requests()) == 1
    told = await shown(gateway.admin, f"{HEAD}\n{numbers[0]}\n", tenant_id=tenant.id)
    assert reasons(told) == {"no_user": 1}
    told = await shown(gateway.admin, f"{HEAD}\n{numbers[0]}\n", tenant_id=tenant.id, user_id=USER)
    assert told["preview"]["sample"][0]["becomes"]["user_id"] == USER


async def test_where_teli_does_not_answer_for_users_it_is_said(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    await gateway.sql("UPDATE upstream_rows SET user_id = NULL")
    await gateway.teli.arm("server_error", operation="user_list")
    answer = await ask(gateway.admin, f"phone_number,user_id\n{number},nobody\n", tenant_id=tenant.id)
    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")


async def test_what_is_listed_otherwise_by_now_is_left_alone(gateway: Gateway, tenant: Tenant):
    numbers = await bought_before(gateway, 4)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    await gateway.teli.dashboard_rename(numbers[0], "Other")
    await gateway.teli.dashboard_release(numbers[1])
    await gateway.look_everywhere()
    later = await gateway.teli.dashboard_buy("313", ORGANIZATION, USER)
    again = await shown(gateway.admin, f"{HEAD}\n{numbers[2]}\n", tenant_id=tenant.id)
    await applied(gateway, again)

    done = await applied(gateway, told)

    assert (done["state"], done["counts"]) == ("partial", {"done": 1, "skipped": 3})
    assert done["reasons"] == {"changed_since": 1, "not_listed": 1, "already_yours": 1}
    first = (await items(gateway.admin, told["import_id"], outcome="skipped"))[0]
    assert first["detail"] == "It was changed since it was shown: nickname."
    assert (await tenant.get(f"/v1/numbers/{later[0]}")).status_code == 404


async def test_a_grant_taken_away_meanwhile_is_heeded(gateway: Gateway, tenant: Tenant):
    await bought_before(gateway, 1)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    await gateway.services.administration.put_tenant(AUTHOR, tenant.id, "Test", [])
    done = await applied(gateway, told)
    assert done["reasons"] == {"tenant_not_granted": 1}


async def test_applied_again_it_is_the_same_and_nothing_is_done_twice(gateway: Gateway, tenant: Tenant):
    await bought_before(gateway, 2)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    await applied(gateway, told)

    again = await apply(gateway.admin, told["import_id"])
    await work(gateway)

    assert (again.status_code, again.json()["state"]) == (202, "completed")
    assert await gateway.sql("SELECT count(*) FROM numbers") == [(2,)]
    assert await gateway.sql("SELECT count(*) FROM outbox WHERE kind = 'number.imported'") == [(2,)]
    assert (await shown_listed(gateway.admin, tenant_id=tenant.id))["count"] == 0


async def test_the_same_file_twice_is_told(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    sheet = f"{HEAD}\n{number}\n"
    first = await shown(gateway.admin, sheet, tenant_id=tenant.id)
    assert first["same_as"] is None

    second = await shown(gateway.admin, sheet, tenant_id=tenant.id)
    other = await shown(gateway.admin, sheet + "\n", tenant_id=tenant.id)

    assert (second["same_as"], second["sha256"]) == (first["import_id"], first["sha256"])
    assert other["same_as"] is None
    await applied(gateway, first)
    assert (await applied(gateway, second))["reasons"] == {"already_yours": 1}


async def test_a_key_names_one_preview_of_one_file(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    sheet, key = f"{HEAD}\n{number}\n", {"Idempotency-Key": "once"}
    first = await ask(gateway.admin, sheet, tenant_id=tenant.id, headers=key)
    again = await ask(gateway.admin, sheet, tenant_id=tenant.id, headers=key)
    other = await ask(gateway.admin, sheet + "\n", tenant_id=tenant.id, headers=key)

    assert again.json()["import_id"] == first.json()["import_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_preview_is_kept_for_a_week_and_then_forgotten(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await bought_before(gateway)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    kept = datetime.fromisoformat(told["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=6, hours=23) < kept < timedelta(days=7, minutes=1)

    monkeypatch.setattr(imports, "LIFE", -timedelta(hours=2))
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    late = await apply(gateway.admin, told["import_id"])
    assert (late.status_code, late.json()["code"]) == (410, "selection_expired")
    await gateway.worker.order_work.forget_previews()
    assert (await gateway.admin.get(f"{IMPORTS}/{told['import_id']}")).status_code == 404
    assert await gateway.sql("SELECT count(*) FROM orders") == [(1,)]


async def test_cancelled_it_leaves_the_rest_alone(gateway: Gateway, tenant: Tenant):
    await bought_before(gateway, 2)
    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    cancelled = await gateway.admin.send("POST", f"{IMPORTS}/{told['import_id']}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")

    late = await apply(gateway.admin, told["import_id"])
    assert (late.status_code, late.json()["code"]) == (409, "state_conflict")
    await work(gateway)
    assert await gateway.sql("SELECT 1 FROM numbers") == []

    told = await shown_listed(gateway.admin, tenant_id=tenant.id)
    assert (await apply(gateway.admin, told["import_id"])).status_code == 202
    assert (await gateway.admin.send("POST", f"{IMPORTS}/{told['import_id']}/cancel")).status_code == 200
    await work(gateway)
    assert (await one(gateway.admin, told["import_id"]))["counts"] == {"cancelled": 2}


async def test_imports_are_listed_and_orders_of_other_kinds_are_not_among_them(gateway: Gateway, tenant: Tenant):
    await bought_before(gateway, 2)
    first = await shown_listed(gateway.admin, tenant_id=tenant.id)
    second = await shown_listed(gateway.admin, tenant_id=tenant.id)
    bulk = {"action": "preview", "selection": {"tenant_id": tenant.id}, "change": {"release": {}}}
    other = (await gateway.admin.send("POST", "/v1/numbers/bulk", json=bulk)).json()["order_id"]

    page = (await gateway.admin.get(IMPORTS, params={"limit": 1})).json()
    rest = (await gateway.admin.get(IMPORTS, params={"limit": 1, "cursor": page["next_cursor"]})).json()

    found = [row["import_id"] for row in page["items"] + rest["items"]]
    assert (found, rest["next_cursor"]) == ([second["import_id"], first["import_id"]], None)
    assert page["total"] == {"value": 2, "exact": True}
    assert (await gateway.admin.get(f"{IMPORTS}/{other}")).status_code == 404
    assert (await gateway.admin.send("POST", f"{IMPORTS}/{other}/apply")).status_code == 404
    assert (await gateway.admin.get(IMPORTS, params={"state": "running"})).json()["items"] == []


async def test_after_an_import_a_number_is_released_and_bought_anew_like_any(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    await applied(gateway, await shown_listed(gateway.admin, tenant_id=tenant.id))

    released = await tenant.send("DELETE", f"/v1/voice/phone-numbers/{number}")
    assert released.status_code == 200, released.text
    await gateway.look_everywhere()
    told = await shown(gateway.admin, f"{HEAD}\n{number}\n", tenant_id=tenant.id)
    assert reasons(told) == {"not_listed": 1}
    assert await gateway.sql("SELECT held_elsewhere(id, :n, NULL) FROM accounts", n=number) == [(False,)]


async def test_a_mark_of_an_older_ledger_is_taken_off_in_time(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway, nicknames={0: "[0123456789abc] Front"})
    await applied(gateway, await shown_listed(gateway.admin, tenant_id=tenant.id))
    assert (await tenant.get(f"/v1/numbers/{number}")).json()["nickname"] == "Front"
    assert (await gateway.step("unmark"))["state"] == "waiting"


async def org_admin(gateway: Gateway, organization: str) -> Tenant:
    issued = await gateway.services.administration.issue_staff_key(AUTHOR, "admin", "of one organisation")
    await gateway.sql("UPDATE api_keys SET sees = ARRAY[:one] WHERE id = :id", one=organization, id=issued.id)
    return Tenant(gateway.http, "", issued.key)


async def test_an_administrator_of_an_organisation_imports_within_it(gateway: Gateway, tenant: Tenant):
    far = await gateway.teli.organization("your_tenant", name="Far", contact_email="far@example.com")
    user = await gateway.teli.user(far["unique_id"], name="U", email="u@example.com")
    administration = gateway.services.administration
    await administration.put_organization(AUTHOR, far["unique_id"], "Far")
    await administration.put_user(AUTHOR, far["unique_id"], user["unique_id"], {"name": "U"})
    mine = await bought_before(gateway, 1)
    await gateway.sql("UPDATE accounts SET listed_at = NULL")
    theirs = await gateway.teli.dashboard_buy("212", far["unique_id"], user["unique_id"])
    await gateway.worker.existing.list_new_accounts()
    await gateway.look_everywhere()
    near = await org_admin(gateway, ORGANIZATION)

    told = await shown(near, f"{HEAD}\n{mine[0]}\n{theirs[0]}\n", tenant_id=tenant.id)
    assert (told["count"], reasons(told)) == (1, {"not_listed": 1})
    assert (await shown_listed(near, tenant_id=tenant.id))["count"] == 1
    whole = await shown_listed(gateway.admin, tenant_id=tenant.id)
    assert (whole["count"], reasons(whole)) == (1, {"tenant_not_granted": 1})

    # What touches another organisation is not theirs to see, or to have done.
    assert (await near.get(f"{IMPORTS}/{whole['import_id']}")).status_code == 404
    assert (await apply(near, whole["import_id"])).status_code == 404
    found = (await near.get(IMPORTS)).json()["items"]
    assert whole["import_id"] not in {row["import_id"] for row in found} and len(found) == 2
    assert (await apply(near, told["import_id"])).status_code == 202
    await work(gateway)
    assert (await one(near, told["import_id"]))["counts"] == {"done": 1, "skipped": 1}


async def test_what_names_nothing_is_seen_by_administrators_of_as_much_alone(gateway: Gateway, tenant: Tenant):
    near, far = await org_admin(gateway, ORGANIZATION), await org_admin(gateway, "elsewhere")
    told = await shown(near, f"{HEAD}\nnonsense\n", tenant_id=tenant.id)
    assert (await near.get(f"{IMPORTS}/{told['import_id']}")).status_code == 200
    assert (await gateway.admin.get(f"{IMPORTS}/{told['import_id']}")).status_code == 200
    assert (await far.get(f"{IMPORTS}/{told['import_id']}")).status_code == 404


async def test_a_tenant_imports_nothing_and_sees_no_import(gateway: Gateway, tenant: Tenant):
    told = await shown(gateway.admin, f"{HEAD}\n+12125550100\n", tenant_id=tenant.id)
    for answer in (
        await ask(tenant, f"{HEAD}\n+12125550100\n"),
        await tenant.send("POST", IMPORTS, json={"source": "upstream", "tenant_id": tenant.id}),
        await apply(tenant, told["import_id"]),
        await tenant.get(f"{IMPORTS}/{told['import_id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
    assert (await tenant.get("/v1/orders", params={"state": "previewed"})).json()["items"] == []


@pytest.mark.parametrize(
    ("sheet", "wrong"),
    [
        ("", "is required"),
        ("\n\n", "is empty"),
        ("phone_number\n", "has a header and no rows"),
        ("phone_number,color\n+12125550100,red\n", "'color', which is not known"),
        ("phone_number,phone number\n1,2\n", "phone_number twice"),
        ("tenant_id\nx\n", "has no column phone_number"),
        ('phone_number\n"+1212\n', "cannot be read from line 2 on"),
        (b"phone_number\n\xff\n", "is not valid UTF-8 from byte 13 on"),
        ("phone_number\n" + "+12125550100\n" * 10_001, "has more than 10000 rows"),
    ],
)
async def test_a_file_that_cannot_be_read_is_refused_whole(gateway: Gateway, sheet: str | bytes, wrong: str):
    answer = await ask(gateway.admin, sheet)
    told = problem(answer, 400, "invalid_request")
    assert any(wrong in fault["detail"] for fault in told["errors"]), told["errors"]
    assert await gateway.sql("SELECT 1 FROM orders") == []


async def test_all_that_is_wrong_with_the_request_is_told_at_once(gateway: Gateway):
    answer = await ask(
        gateway.admin, "phone_number\n+12125550100\n", acquired_at="yesterday", currency="usd", monthly_price="-1",
        tags="x" * 65, colour="red",
    )  # fmt: skip
    told = problem(answer, 400, "invalid_request")
    pointers = {fault["pointer"] for fault in told["errors"]}
    assert pointers >= {"acquired_at", "currency", "monthly_price", "colour"}


async def test_ten_thousand_rows_with_every_cell_filled_fit_and_no_more(gateway: Gateway, tenant: Tenant):
    [number] = await bought_before(gateway)
    filled = f"{ORGANIZATION},{tenant.id},{USER},{'n' * 60},{'c' * 60},{'t' * 60},2025-03-01,2.99,1.00,EUR"
    others = [f"+1313{2_000_000 + row}" for row in range(9_999)]
    sheet = "\r\n".join([",".join(COLUMNS), *(f"{one},{filled}" for one in (number, *others))]).encode("utf-16")
    assert 3 << 20 < len(sheet) < MOST_BYTES

    told = await shown(gateway.admin, sheet)

    assert (told["count"], told["preview"]["sample"][0]["phone_number"]) == (1, number)
    assert told["counts"] == {"waiting": 1, "skipped": 9_999}
    problem(await ask(gateway.admin, b"x" * (MOST_BYTES + 1)), 413, "body_too_large")
    problem(await gateway.admin.send("POST", IMPORTS, content=b"x" * (1 << 20) + b"x"), 413, "body_too_large")


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/csv; charset=koi8-r", ""])
async def test_anything_but_csv_is_told_how_to_be_sent(gateway: Gateway, content_type: str):
    answer = await ask(gateway.admin, "phone_number\n+12125550100\n", content_type=content_type)
    assert answer.status_code in (400, 415)
    if answer.status_code == 415:
        assert "text/csv" in answer.json()["detail"] or "application/json" in answer.json()["detail"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_every_encoding_that_spreadsheets_write_is_read(gateway: Gateway, tenant: Tenant, encoding: str):
    [number] = await bought_before(gateway)
    sheet = f"phone_number\tnickname\r\n{number}\tEmpfang Zürich\r\n".encode(encoding)
    told = await shown(gateway.admin, sheet, tenant_id=tenant.id)
    assert told["preview"]["sample"][0]["becomes"]["nickname"] == "Empfang Zürich"


async def test_twenty_previews_may_wait(gateway: Gateway, tenant: Tenant):
    for _ in range(20):
        await shown_listed(gateway.admin, tenant_id=tenant.id)
    answer = await gateway.admin.send("POST", IMPORTS, json={"source": "upstream", "tenant_id": tenant.id})
    problem(answer, 429, "too_many_previews")


def wanted(told: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = told["preview"]["sample"][0]["becomes"]
    return found


async def test_since_when_is_told_by_teli_where_nobody_says(gateway: Gateway, tenant: Tenant):
    await bought_before(gateway)
    for created, by, moment in (
        ("2025-11-20T19:44:46.536728", "teli", "2025-11-20T19:44:46.536728Z"),
        ("2025-11-20T19:44:46+02:00", "teli", "2025-11-20T17:44:46Z"),
        ("1763667886000", "teli", "2025-11-20T19:44:46Z"),
        ("", "listing", None),
        ("2999-01-01T00:00:00Z", "listing", None),
        ("yesterday", "listing", None),
    ):
        await gateway.sql("UPDATE existing_numbers SET upstream_created_at = :c", c=created)
        told = wanted(await shown_listed(gateway.admin, tenant_id=tenant.id))
        assert told["acquired_by"] == by
        assert moment is None or told["acquired_at"] == moment
        assert datetime.fromisoformat(told["acquired_at"]) <= datetime.now(UTC)
