"""A listing of twenty thousand rows: every change that a person made in the dashboard is found, and nothing else."""

import time
from typing import Any

import pytest

from tests.conftest import OpenGateway
from tests.reconciliation.test_drift import pass_time
from tests.support.gateway import AUTHOR, ORGANIZATION, Gateway, Tenant

MEMBERS = ("nickname", "inbound_agent_id", "outbound_agent_id", "user_id")
HELD = """
    WITH adopted AS (UPDATE orphans SET state = 'adopted' WHERE user_id = :user RETURNING *), held AS (
      INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code, state,
                           nickname, upstream_nickname, mark, marked, acquired_at, confirmed_at, upstream_row_id)
      SELECT id, :tenant, account_id, organization_id, user_id, phone_number, phone_number, area_code, 'active',
             nickname, nickname, '', false, created_at, created_at, row_id FROM adopted RETURNING id
    ) SELECT count(*) FROM held"""


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param(2_000, marks=pytest.mark.ci),
        pytest.param(20_000, marks=[pytest.mark.full, pytest.mark.timeout(900)]),
    ],
)
async def test_of_a_large_organisation_every_planted_change_is_found_and_explained_and_nothing_else(
    open_gateway: OpenGateway, numbers: int, capsys: pytest.CaptureFixture[str]
):
    async with open_gateway() as gateway:
        tenant = await gateway.tenant()
        agent = await gateway.teli.agent("your_tenant", name="Known")
        users = [(await gateway.teli.user(ORGANIZATION, name=name))["unique_id"] for name in ("Large", "Other")]
        for user in users:
            await gateway.services.administration.put_user(AUTHOR, ORGANIZATION, user, {"name": user})
        phones = await hold(gateway, tenant, users[0], numbers, agent)
        planted = await plant(gateway, phones, other_user=users[1])
        took = []
        # Both forms of every id, one after the other.
        for form, agent_form in (("unique_id", "as_linked"), ("uuid", "id"), ("unique_id", "voice_agent_id")):
            await gateway.teli.switch(id_form_numbers=form, agent_id_form_numbers=agent_form)
            await pass_time(gateway)
            began = time.monotonic()
            await gateway.look_everywhere()
            took.append(time.monotonic() - began)
        with capsys.disabled():
            print(f"\n{len(planted)} changes among {numbers} rows; looks of {', '.join(f'{s:.1f} s' for s in took)}")

        found = await drift_of(tenant)

    assert {key: (one["ours"], one["theirs"]) for key, one in found.items()} == planted
    for one in found.values():
        assert one["why"].startswith("Teli lists")
        assert one["since"] < one["seen_at"]


async def hold(gateway: Gateway, tenant: Tenant, user: str, numbers: int, agent: dict[str, Any]) -> list[str]:
    """The tenant holds so many numbers, every second linked to an agent, each by another of its ids."""
    phones = await gateway.teli.dashboard_buy("415", ORGANIZATION, user, "Line", count=numbers)
    await gateway.sql("UPDATE looks SET looked_at = NULL")
    await gateway.worker.resolver.run()
    assert await gateway.sql(HELD, user=user, tenant=tenant.id) == [(numbers,)]
    forms = [agent[name] for name in ("id", "agent_id", "unique_id", "voice_agent_id")]
    for n in range(0, 200, 2):
        await gateway.teli.dashboard_link(phones[n], inbound_agent_id=forms[n // 2 % 4])
    linked = {phones[n]: forms[n // 2 % 4] for n in range(0, 200, 2)}
    await gateway.sql(
        "INSERT INTO agent_links (number_id, direction, tenant_id, desired, confirmed, state)"
        " SELECT n.id, 'inbound', n.tenant_id, l.agent, l.agent, 'confirmed' FROM numbers n"
        " JOIN unnest(CAST(:phones AS text[]), CAST(:agents AS text[])) AS l(phone, agent) ON n.phone_number = l.phone",
        phones=list(linked), agents=list(linked.values()),
    )  # fmt: skip
    return phones


async def plant(
    gateway: Gateway, phones: list[str], *, other_user: str
) -> dict[tuple[str, str], tuple[str | None, str | None]]:
    """What a person does to numbers all over the listing; by number and member, ours and theirs as they are to be."""
    teli = gateway.teli
    planted: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    kept = await gateway.sql("SELECT phone_number, desired FROM agent_links JOIN numbers n ON n.id = number_id")
    linked = {phone: agent for phone, agent in kept}  # noqa: C416 - rows are no pairs to mypy
    step = len(phones) // 100
    for n, phone in enumerate(phones[1::step][:100]):
        match n % 4:
            case 0:
                await teli.dashboard_rename(phone, f"Desk {n}")
                planted[phone, "nickname"] = ("Line", f"Desk {n}")
            case 1:
                await teli.dashboard_rename(phone, None)
                planted[phone, "nickname"] = ("Line", None)
            case 2:
                await teli.dashboard_link(phone, outbound_agent_id=f"stranger {n}")
                planted[phone, "outbound_agent_id"] = (None, f"stranger {n}")
            case 3:
                await teli.dashboard_move(phone, other_user)
                planted[phone, "user_id"] = ((await owner(gateway, phone)), other_user)
    for phone in list(linked)[:20]:
        if (phone, "user_id") not in planted:
            await teli.dashboard_link(phone, inbound_agent_id=None)
            planted[phone, "inbound_agent_id"] = (linked[phone], None)
    await teli.dashboard_release(phones[-1])  # Gone, and a ghost in time: no drift.
    return planted


async def owner(gateway: Gateway, phone: str) -> str:
    [(user,)] = await gateway.sql("SELECT user_id FROM numbers WHERE phone_number = :phone", phone=phone)
    return str(user)


async def drift_of(tenant: Tenant) -> dict[tuple[str, str], dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    cursor = ""
    while True:
        page = (await tenant.get(f"/v1/drift?limit=1000{cursor}")).json()
        found |= {(one["phone_number"], one["member"]): one for one in page["items"]}
        if page["next_cursor"] is None:
            assert page["total"] == {"value": len(found), "exact": True}
            return found
        cursor = f"&cursor={page['next_cursor']}"
