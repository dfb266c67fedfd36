"""What an account held before Numbergate: listed once, completely, before anything is bought."""

import asyncio
from typing import Any

import pytest

from service.reconciliation.existing import NotListed
from tests.support.gateway import AUTHOR, ORGANIZATION, TELI_TENANT, USER, Gateway, Tenant


@pytest.fixture
async def fresh(gateway: Gateway, tenant: Tenant) -> Gateway:
    """A gateway whose account was never listed."""
    await gateway.sql("UPDATE accounts SET listed_at = NULL")
    await gateway.teli.forget_requests()
    return gateway


async def readiness(gateway: Gateway) -> str:
    return str((await gateway.ready()).json()["purchases"])


async def existing(gateway: Gateway) -> list[str]:
    rows = await gateway.sql("SELECT phone_number FROM existing_numbers ORDER BY phone_number")
    return [number for (number,) in rows]


async def test_until_the_account_was_listed_nothing_is_bought(fresh: Gateway, tenant: Tenant):
    answer = await tenant.buy()

    assert (answer.status_code, answer.json()["code"]) == (503, "upstream_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert await readiness(fresh) == "listing"
    assert (await fresh.teli.counts())["creates"] == 0

    await fresh.worker.existing.list_new_accounts()

    assert await readiness(fresh) == "open"
    assert (await tenant.buy()).status_code == 200


async def test_what_was_there_is_existing_over_organisations_named_by_teli_and_filed_here(
    fresh: Gateway, tenant: Tenant
):
    named = await fresh.teli.organization(TELI_TENANT, name="Only at Teli", contact_email="a@example.com")
    user = await fresh.teli.user(named["unique_id"], name="U", email="u@example.com")
    await fresh.services.administration.put_organization(AUTHOR, "filed-only", "Only here")
    await fresh.services.administration.put_user(AUTHOR, "filed-only", "filed-user", {"name": "F"})
    bought = await fresh.teli.dashboard_buy("313", ORGANIZATION, USER, nickname="Old", count=2)
    bought += await fresh.teli.dashboard_buy("212", named["unique_id"], user["unique_id"])

    await fresh.worker.existing.list_new_accounts()

    assert await existing(fresh) == sorted(bought)
    asked = {request["query"]["organization_id"] for request in await fresh.teli.requests("list")}
    assert asked >= {ORGANIZATION, named["unique_id"], "filed-only"}
    [(nickname, row_id)] = await fresh.sql(
        "SELECT DISTINCT nickname, row_id IS NOT NULL FROM existing_numbers WHERE nickname IS NOT NULL"
    )
    assert (nickname, row_id) == ("Old", True)
    audited = await fresh.sql("SELECT \"after\" FROM audit WHERE action = 'account.listed' ORDER BY id DESC LIMIT 1")
    assert audited == [({"existing": 3},)]


async def test_an_account_without_any_number_is_listed_too(fresh: Gateway):
    await fresh.worker.existing.list_new_accounts()

    assert await existing(fresh) == []
    assert await readiness(fresh) == "open"


async def test_once_listed_it_is_not_listed_again(fresh: Gateway):
    await fresh.worker.existing.list_new_accounts()
    await fresh.teli.forget_requests()

    await fresh.worker.existing.list_new_accounts()

    assert await fresh.teli.requests() == []


FAULTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("server_error", "organization_list", {}),
    ("html_error", "organization_list", {}),
    ("cut_json", "organization_list", {}),
    ("success_false", "organization_list", {}),
    ("list_miscounts", "organization_list", {}),
    ("unauthorized", "organization_list", {}),
    ("server_error", "list", {}),
    ("empty_body", "list", {"status": 200}),
    ("success_false", "list", {}),
    ("cut_json", "list", {}),
    ("reset", "list", {}),
    ("too_many_requests", "list", {}),
    ("list_miscounts", "list", {}),
    ("list_omits", "list", {"keep_count": True}),
)


async def test_a_listing_that_fails_or_is_short_keeps_purchases_closed(fresh: Gateway, tenant: Tenant):
    await fresh.teli.dashboard_buy("313", ORGANIZATION, USER, count=2)
    for fault, operation, params in FAULTS:
        armed = await fresh.teli.arm(fault, operation=operation, **params)

        with pytest.raises(NotListed):
            await fresh.worker.existing.list_new_accounts()

        assert (await fresh.teli.armed(armed))["struck"] == 1, (fault, operation)
        assert await readiness(fresh) == "listing"
        assert await existing(fresh) == []
    assert (await tenant.buy()).status_code == 503
    await fresh.worker.existing.list_new_accounts()
    assert len(await existing(fresh)) == 2


async def test_an_organisation_that_teli_does_not_know_holds_nothing(fresh: Gateway):
    await fresh.teli.arm("server_error", operation="list", status=404)

    await fresh.worker.existing.list_new_accounts()

    assert await readiness(fresh) == "open"


async def test_a_second_worker_that_was_slower_does_not_file_what_was_bought_since(fresh: Gateway, tenant: Tenant):
    await fresh.teli.hold("received", operation="list")
    slow = asyncio.create_task(fresh.worker.existing.list_new_accounts())
    await fresh.teli.until_held()
    await fresh.worker.existing.list_new_accounts()
    await tenant.bought()

    await fresh.teli.release_holds()
    await slow

    assert await existing(fresh) == []


async def test_an_organisation_that_teli_alone_names_is_filed_and_swept_and_grants_nobody_anything(
    gateway: Gateway, tenant: Tenant
):
    named = await gateway.teli.organization(TELI_TENANT, name="Only at Teli", contact_email="a@example.com")
    user = await gateway.teli.user(named["unique_id"], name="U", email="u@example.com")
    [theirs] = await gateway.teli.dashboard_buy("415", named["unique_id"], user["unique_id"])

    await gateway.worker.existing.file_what_teli_names()
    await gateway.look_everywhere()

    assert await gateway.sql("SELECT phone_number, organization_id, user_id FROM orphans") == [
        (theirs, named["unique_id"], user["unique_id"])
    ]
    refused = await tenant.buy(organization_id=named["unique_id"], user_id=user["unique_id"])
    assert (refused.status_code, refused.json()["code"]) == (403, "not_your_organization")
    audited = await gateway.sql("SELECT object_id, actor FROM audit WHERE action = 'organization.filed'")
    assert audited == [(named["unique_id"], "worker")]


async def test_an_organisation_filed_without_a_user_gets_one_that_teli_names(gateway: Gateway):
    named = await gateway.teli.organization(TELI_TENANT, name="Ours", contact_email="a@example.com")
    user = await gateway.teli.user(named["unique_id"], name="U", email="u@example.com")
    await gateway.services.administration.put_organization(AUTHOR, named["unique_id"], "As we call it")
    await gateway.services.administration.put_organization(AUTHOR, "filed-only", "Teli does not know it")

    await gateway.worker.existing.file_what_teli_names()

    filed = await gateway.sql("SELECT organization_id, id, exclusive FROM users WHERE id <> :known", known=USER)
    assert filed == [(named["unique_id"], user["unique_id"], False)]
    assert await gateway.sql("SELECT name FROM organizations WHERE id = :id", id=named["unique_id"]) == [
        ("As we call it",)
    ]


async def test_filing_asks_teli_once_and_once_more_for_each_organisation_without_a_user(gateway: Gateway):
    for count in range(2):
        organization = await gateway.teli.organization(TELI_TENANT, name=str(count), contact_email="a@example.com")
        await gateway.teli.user(organization["unique_id"], name="U", email="u@example.com")
    await gateway.teli.forget_requests()
    await gateway.teli.arm("server_error", operation="user_list")

    calls = []
    for _ in range(3):
        await gateway.worker.existing.file_what_teli_names()
        calls.append([len(await gateway.teli.requests(kind)) for kind in ("organization_list", "user_list")])

    assert calls == [[1, 2], [2, 3], [3, 3]]
    await gateway.teli.arm("server_error", operation="organization_list")
    with pytest.raises(NotListed):
        await gateway.worker.existing.file_what_teli_names()


async def test_a_number_that_is_existing_is_never_given_to_a_tenant(fresh: Gateway, tenant: Tenant):
    [number] = await fresh.teli.dashboard_buy("313", ORGANIZATION, USER)
    await fresh.worker.existing.list_new_accounts()
    await fresh.teli.arm("already_held", phone_number=number)

    answer = await tenant.buy()

    assert answer.status_code == 202
    assert await fresh.sql("SELECT state, decision FROM intents") == [("doubtful", "number_already_held")]
    assert await fresh.sql("SELECT id FROM numbers") == []
