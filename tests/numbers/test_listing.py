"""The listing on Teli's path: from the ledger, in Teli's row shape."""

import random
from typing import Any
from uuid import UUID

import httpx

from service.tenants.administration import TENANT_SCOPES
from tests.support.gateway import AUTHOR, NUMBERS, ORGANIZATION, USER, Gateway, Tenant

PLAIN = [scope for scope in TENANT_SCOPES if scope != "inventory:org"]
TELIS = [
    "phone_number",
    "pretty_phone_number",
    "id",
    "area_code",
    "phone_type",
    "provider",
    "user_id",
    "organization_id",
    "tenant_id",
    "outbound_agent_id",
    "inbound_agent_id",
    "nickname",
    "location",
    "accessible_by",
    "stripe_subscription_id",
    "zapier",
    "created_at",
]
ELSEWHERE = "1700000000000x100000000000000001"


async def ask(tenant: Tenant, **params: Any) -> httpx.Response:
    return await tenant.get(NUMBERS, params={"user_id": USER, "organization_id": ORGANIZATION, **params})


async def rows(tenant: Tenant, **params: Any) -> list[dict[str, Any]]:
    answer = await ask(tenant, **params)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["count"] == len(body["phone_numbers"])
    found: list[dict[str, Any]] = body["phone_numbers"]
    return found


async def fill(gateway: Gateway, tenant: Tenant, count: int, *, start: int = 0, user: str = USER) -> None:
    """Numbers by SQL, several of them at the same moment."""
    await gateway.sql(
        """
        INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,
                             state, intent_id, mark, acquired_at)
        SELECT gen_random_uuid(), :tenant, (SELECT id FROM accounts), :organization, :user,
               '+1313' || (2000000 + n)::text, '', '313', 'active', gen_random_uuid(), '',
               timestamptz '2026-01-01Z' + make_interval(secs => (n / 3))
        FROM generate_series(cast(:start AS int), cast(:start AS int) + cast(:count AS int) - 1) AS n
        """,
        tenant=tenant.id, organization=ORGANIZATION, user=user, start=start, count=count,
    )  # fmt: skip


async def test_a_row_has_telis_members_and_ours_beside(gateway: Gateway, tenant: Tenant):
    number = await tenant.bought(
        nickname="Sales", cost_center="c1", tags=["a"], inbound_agent_id="in", outbound_agent_id="out"
    )
    await gateway.follow_up()

    answer = await ask(tenant)

    assert answer.status_code == 200
    body = answer.json()
    assert list(body) == ["success", "phone_numbers", "count", "powered_by"]
    [row] = body["phone_numbers"]
    assert list(row)[: len(TELIS)] == TELIS
    assert row == {
        "phone_number": number["phone_number"],
        "pretty_phone_number": number["phone_number_pretty"],
        "id": number["id"],
        "area_code": "313",
        "phone_type": "voice",
        "provider": "teli_voice",
        "user_id": USER,
        "organization_id": ORGANIZATION,
        "tenant_id": tenant.id,
        "outbound_agent_id": "out",
        "inbound_agent_id": "in",
        "nickname": "Sales",
        "location": None,
        "accessible_by": [],
        "stripe_subscription_id": None,
        "zapier": False,
        "created_at": row["created_at"],
        "state": "active",
        "cost_center": "c1",
        "tags": ["a"],
        "holder_user_id": None,
    }
    assert await rows(tenant, limit=10) == [row]


async def test_a_tenant_sees_its_own_numbers_of_that_user_only(gateway: Gateway, tenant: Tenant):
    plain, other = await gateway.tenant(scopes=PLAIN), await gateway.tenant(scopes=PLAIN)
    mine, theirs = await plain.bought(), await other.bought()
    await fill(gateway, plain, 1, user="another-user")

    assert [row["id"] for row in await rows(plain)] == [mine["id"]]
    assert [row["id"] for row in await rows(other)] == [theirs["id"]]
    # Nor does the scope widen a listing that does not ask for it.
    assert await rows(tenant) == []
    assert await rows(plain, user_id="nobody") == []


async def test_with_is_admin_the_whole_organisation_is_shown_across_tenants_with_its_agents(
    gateway: Gateway, tenant: Tenant
):
    other = await gateway.tenant(scopes=PLAIN)
    theirs = await other.bought(inbound_agent_id="in")
    mine = await tenant.bought()
    await fill(gateway, other, 1, user="another-user")

    found = await rows(tenant, is_admin="true")

    assert {row["tenant_id"] for row in found} == {tenant.id, other.id}
    assert len(found) == 3
    assert {row["id"]: row["inbound_agent_id"] for row in found if row["user_id"] == USER} == {
        theirs["id"]: "in",
        mine["id"]: None,
    }
    for staff in (gateway.admin, gateway.operator):
        assert await rows(staff, is_admin="true") == found
        assert await rows(staff, is_admin="true", limit=10) == found


async def test_is_admin_is_a_permission_and_no_wish(gateway: Gateway, tenant: Tenant):
    plain = await gateway.tenant(scopes=PLAIN)
    await gateway.services.administration.put_organization(AUTHOR, ELSEWHERE, "Elsewhere")

    missing = await ask(plain, is_admin="true")
    foreign = [await ask(tenant, organization_id=ELSEWHERE, is_admin=flag) for flag in ("true", "false")]
    unknown = await ask(tenant, organization_id="nowhere")

    assert (missing.status_code, missing.json()["code"]) == (403, "scope_missing")
    for answer in (*foreign, unknown):
        assert (answer.status_code, answer.json()["code"]) == (403, "not_your_organization")


async def test_released_numbers_are_not_listed_those_on_their_way_out_are(gateway: Gateway, tenant: Tenant):
    gone, going, held = [await tenant.bought() for _ in range(3)]
    await gateway.follow_up()
    await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")
    await gateway.teli.arm("voice_provider_fails")
    await tenant.send("DELETE", f"{NUMBERS}/{going['phone_number']}")

    found = await rows(tenant)

    assert [(row["id"], row["state"]) for row in found] == [(going["id"], "releasing"), (held["id"], "active")]


async def test_sms_numbers_are_none(tenant: Tenant):
    await tenant.bought()

    assert await rows(tenant, phone_type="sms") == []
    assert await rows(tenant, phone_type="sms", limit=5) == []
    assert len(await rows(tenant, phone_type="voice")) == 1
    assert (await ask(tenant, phone_type="fax")).status_code == 400


async def test_without_a_limit_all_rows_are_streamed(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant, 2500)

    found = await rows(tenant)

    assert len({row["id"] for row in found}) == 2500
    assert [row["created_at"] for row in found] == sorted(row["created_at"] for row in found)
    for count in (0, 1, 999, 1000, 1001):
        assert len(await rows(tenant, user_id=f"user-{count}")) == 0
        await fill(gateway, tenant, count, start=10_000 + 5000 * count, user=f"user-{count}")
        assert len(await rows(tenant, user_id=f"user-{count}")) == count


async def test_pages_show_every_row_once_while_others_are_bought(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant, 120)
    chance = random.Random(7)
    added = 120
    for _ in range(4):
        there = {row["id"] for row in await rows(tenant)}
        seen: list[str] = []
        cursor: str | None = None
        while True:
            answer = await ask(tenant, limit=chance.randint(1, 40), **({"cursor": cursor} if cursor else {}))
            body = answer.json()
            assert body["count"] == len(body["phone_numbers"])
            seen += [row["id"] for row in body["phone_numbers"]]
            if (cursor := body["next_cursor"]) is None:
                break
            # Some behind the cursor, some before it.
            await fill(gateway, tenant, 1, start=chance.randint(0, added) + 5000 + added * 1000)
            await gateway.sql(
                "UPDATE numbers SET acquired_at = timestamptz '2026-01-01Z' + make_interval(secs => :at)"
                " WHERE acquired_at > timestamptz '2026-01-01T00:10Z'",
                at=float(chance.randint(0, 60)),
            )
            added += 1

        assert len(seen) == len(set(seen))
        assert there <= set(seen)


async def test_a_page_that_ends_exactly_has_no_next(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant, 4)

    first = (await ask(tenant, limit=2)).json()
    second = (await ask(tenant, limit=2, cursor=first["next_cursor"])).json()

    assert (len(first["phone_numbers"]), len(second["phone_numbers"])) == (2, 2)
    assert second["next_cursor"] is None
    assert (await ask(tenant, limit=1000)).json()["next_cursor"] is None


async def test_a_cursor_continues_its_own_query_only(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant, 3)
    cursor = (await ask(tenant, limit=1)).json()["next_cursor"]

    for params in (
        {"cursor": cursor, "limit": 1, "user_id": "another"},
        {"cursor": cursor, "limit": 1, "is_admin": "true"},
        {"cursor": cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), "limit": 1},
        {"cursor": "A" * 40, "limit": 1},
        {"cursor": "nø", "limit": 1},
        {"cursor": "", "limit": 1},
        {"cursor": cursor},
        {"cursor": "x" * 1001, "limit": 1},
        {"limit": 0},
        {"limit": 1001},
        {"limit": "all"},
    ):
        answer = await ask(tenant, **params)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request"), params


async def test_unknown_parameters_are_named_in_warnings(gateway: Gateway, tenant: Tenant):
    for params in ({}, {"limit": 5}, {"phone_type": "sms"}):
        answer = await ask(tenant, nickname="Sales", **params)

        assert answer.status_code == 200
        [warning] = answer.json()["warnings"]
        assert "nickname" in warning


async def test_owner_and_organisation_are_required_as_at_teli(tenant: Tenant):
    answer = await tenant.get(NUMBERS)

    assert answer.status_code == 400
    assert {fault["pointer"] for fault in answer.json()["errors"]} == {"user_id", "organization_id"}


async def test_ids_are_ours_not_telis(gateway: Gateway, tenant: Tenant):
    await tenant.bought()
    await gateway.follow_up()

    [row] = await rows(tenant)

    assert await gateway.sql("SELECT upstream_row_id <> id::text FROM numbers WHERE id = :id", id=UUID(row["id"])) == [
        (True,)
    ]
