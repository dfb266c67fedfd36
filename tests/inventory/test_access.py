"""Who sees what of the inventory: by the service, and below it by row-level security."""

import pytest

from service.inventory.filters import Filters
from service.inventory.repository import InventoryRepository
from service.inventory.sorting import Sort
from service.tenants.administration import TENANT_SCOPES
from service.tenants.visible import Visible
from tests.http.refusals import nothing_happens, problem
from tests.support.gateway import AUTHOR, ORGANIZATION, Gateway, Tenant

from .rows import INVENTORY, ask, fill, ids, page

PLAIN = [scope for scope in TENANT_SCOPES if scope != "inventory:org"]
ELSEWHERE = "1700000000000x100000000000000001"


@pytest.fixture
async def plain(gateway: Gateway) -> Tenant:
    """A tenant that sees its own numbers only."""
    return await gateway.tenant(scopes=PLAIN)


@pytest.fixture
async def other(gateway: Gateway, plain: Tenant) -> Tenant:
    """Another of the same organisation; it holds two numbers there, `plain` one, and one stands elsewhere."""
    other = await gateway.tenant(scopes=PLAIN)
    await gateway.services.administration.put_organization(AUTHOR, ELSEWHERE, "Elsewhere")
    await fill(gateway, plain.id, 1)
    await fill(gateway, other.id, 2, start=10)
    await fill(gateway, other.id, 1, start=20, organization=ELSEWHERE)
    return other


async def told(who: Tenant, **params: str) -> tuple[int, bytes, list[str]]:
    """An answer without what differs from request to request."""
    answer = await ask(who, **params)
    body = answer.content.replace(answer.headers["x-request-id"].encode(), b"-")
    return answer.status_code, body, sorted(set(answer.headers) - {"x-request-id"})


async def test_a_tenant_sees_its_own_numbers_and_no_other_tenants(plain: Tenant, other: Tenant):
    assert {item["tenant_id"] for item in (await page(plain))["items"]} == {plain.id}
    assert len(await ids(plain)) == 1
    assert len(await ids(other)) == 3
    # What it holds is its own, also where its grant has ended.
    assert len(await ids(other, organization_id=ORGANIZATION)) == 2


async def test_with_inventory_org_a_tenants_key_sees_all_of_what_the_tenant_was_granted(
    gateway: Gateway, plain: Tenant, other: Tenant
):
    wide = await gateway.tenant()
    await fill(gateway, wide.id, 1, start=30)

    assert {item["tenant_id"] for item in (await page(wide))["items"]} == {wide.id, plain.id, other.id}
    assert len(await ids(wide)) == 4
    assert len(await ids(wide, organization_id=ORGANIZATION)) == 4
    assert len(await ids(wide, tenant_id=other.id)) == 2
    problem(await ask(wide, organization_id=ELSEWHERE), 403, "not_your_organization")

    await gateway.services.administration.put_tenant(AUTHOR, wide.id, None, [])
    await gateway.services.version.look()
    assert len(await ids(wide)) == 1, "what a key sees ends with the grant; what the tenant holds does not"


async def test_an_administrator_and_an_operator_see_everything(gateway: Gateway, plain: Tenant, other: Tenant):
    for staff in (gateway.admin, gateway.operator):
        assert len(await ids(staff)) == 4
        assert len(await ids(staff, organization_id=ELSEWHERE)) == 1
        assert len(await ids(staff, tenant_id=plain.id)) == 1
        assert await ids(staff, organization_id="nowhere") == []


async def test_who_is_refused_cannot_tell_what_there_is(gateway: Gateway, plain: Tenant, other: Tenant):
    async with nothing_happens(gateway):
        organizations = [await told(plain, organization_id=one) for one in (ELSEWHERE, "nowhere")]
        tenants = [await told(plain, tenant_id=one) for one in (other.id, "nobody")]
        problem(await ask(plain, organization_id=ELSEWHERE), 403, "not_your_organization")
        problem(await ask(plain, tenant_id=other.id), 403, "not_your_tenant")

    assert organizations[0] == organizations[1]
    assert tenants[0] == tenants[1]
    assert await told(plain, user_id="nobody") == await told(other, user_id="nobody")


async def test_a_key_without_the_scope_or_none_at_all_sees_nothing(gateway: Gateway, other: Tenant):
    blind = await gateway.tenant(scopes=["numbers:create"])
    finance = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")

    problem(await ask(blind), 403, "scope_missing")
    problem(await ask(Tenant(gateway.http, "", finance.key)), 403, "scope_missing")
    problem(await gateway.http.get(INVENTORY), 401, "missing_key")


async def test_a_cursor_of_one_tenant_shows_another_only_its_own(plain: Tenant, other: Tenant):
    cursor = (await page(other, limit=1))["next_cursor"]

    assert (await page(plain, cursor=cursor))["items"] == [], "its only number stands before that place"
    assert len((await page(other, cursor=cursor))["items"]) == 2


async def test_row_level_security_holds_where_the_service_forgets(gateway: Gateway, plain: Tenant, other: Tenant):
    """The question as an administrator's, put in the transaction of another."""

    async def held(tenant: str | None, sees: tuple[str, ...] = ()) -> set[str]:
        async with gateway.services.database.acting(tenant=tenant, sees=sees) as session:
            rows, total = await InventoryRepository(session).page(
                Filters(), Visible(None, ("*",)), Sort(), after=None, limit=100
            )
        assert total == {"value": len(rows), "exact": True}
        return {f"{row.tenant_id} {row.organization_id}" for row in rows}

    own = f"{plain.id} {ORGANIZATION}"
    theirs, elsewhere = f"{other.id} {ORGANIZATION}", f"{other.id} {ELSEWHERE}"
    assert await held(plain.id) == {own}
    assert await held(None) == set()
    assert await held("") == set()
    assert await held(None, (ELSEWHERE,)) == {elsewhere}
    assert await held(plain.id, (ELSEWHERE,)) == {own, elsewhere}
    assert await held(None, ("*",)) == {own, theirs, elsewhere}


async def test_the_service_holds_where_row_level_security_does_not(gateway: Gateway, plain: Tenant, other: Tenant):
    """The same code in the worker's role, which may read every row."""

    async def held(who: Tenant, **filters: str) -> set[str]:
        principal = await gateway.services.principals.of(who.key)
        found = await gateway.worker.inventory.page(principal, Filters(**filters), limit=100, cursor=None)
        assert found["total"] == {"value": len(found["items"]), "exact": True}
        return {f"{item['tenant_id']} {item['organization_id']}" for item in found["items"]}

    own = f"{plain.id} {ORGANIZATION}"
    theirs, elsewhere = f"{other.id} {ORGANIZATION}", f"{other.id} {ELSEWHERE}"
    assert await held(plain) == await held(plain, organization_id=ORGANIZATION) == {own}
    assert await held(other) == {theirs, elsewhere}
    wide = await gateway.tenant()
    assert await held(wide) == {own, theirs}
    assert await held(wide, tenant_id=other.id) == {theirs}
    assert await held(gateway.admin) == {own, theirs, elsewhere}
