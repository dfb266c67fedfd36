"""Which agents are linked to how many numbers."""

from typing import Any

from tests.http.refusals import problem
from tests.support.gateway import NUMBERS, ORGANIZATION, Gateway, Tenant


async def listed(who: Tenant, query: str = "") -> list[dict[str, Any]]:
    answer = await who.get(f"/v1/agents{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def counts(one: dict[str, Any]) -> tuple[str, int, tuple[int, int], tuple[int, int]]:
    inbound, outbound = ((one[way]["desired"], one[way]["confirmed"]) for way in ("inbound", "outbound"))
    return one["agent_id"], one["numbers"], inbound, outbound


async def test_each_agent_is_listed_with_the_numbers_it_is_wanted_and_confirmed_for(gateway: Gateway, tenant: Tenant):
    await tenant.bought(inbound_agent_id="a", outbound_agent_id="a")
    number = await tenant.bought(inbound_agent_id="a")
    gone = await tenant.bought(inbound_agent_id="c")
    await gateway.follow_up()
    await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")
    await gateway.follow_up()
    await gateway.teli.arm("server_error", times=1, operation="update_agent")
    pending = await tenant.send("PATCH", f"/v1/numbers/{number['id']}", json={"inbound_agent_id": "b"})
    assert pending.status_code == 202, pending.text

    assert [counts(one) for one in await listed(tenant)] == [("a", 2, (1, 2), (1, 1)), ("b", 1, (1, 0), (0, 0))]
    await gateway.hurry()
    assert [counts(one) for one in await listed(tenant)] == [("a", 1, (1, 1), (1, 1)), ("b", 1, (1, 1), (0, 0))]


async def test_an_administrator_is_told_of_all_there_are_page_by_page(gateway: Gateway, tenant: Tenant):
    kept = [await tenant.bought(inbound_agent_id=agent, outbound_agent_id="b") for agent in ("a", "b", "d")]
    gone = await tenant.bought(inbound_agent_id="c")
    await gateway.follow_up()
    await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")
    # Teli still has the one that is not wanted any more.
    await gateway.sql(
        "UPDATE agent_links SET desired = NULL WHERE direction = 'inbound' AND number_id = CAST(:id AS uuid)",
        id=kept[0]["id"],
    )
    expected = [("a", 1, (0, 1), (0, 0)), ("b", 3, (1, 1), (3, 3)), ("d", 1, (1, 1), (0, 0))]

    whole = (await gateway.admin.get("/v1/agents")).json()
    assert [counts(one) for one in whole["items"]] == expected
    assert whole["total"] == {"value": 3, "exact": True}
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        body = (await gateway.admin.get(f"/v1/agents?limit=1{cursor and '&cursor='}{cursor}")).json()
        found, cursor = found + body["items"], body["next_cursor"]
        assert body["total"] == {"value": 4, "exact": False}, "with the one of what was released"
    assert [counts(one) for one in found] == expected


async def test_an_agent_that_teli_refused_is_wanted_no_longer(gateway: Gateway, tenant: Tenant):
    known = await gateway.teli.agent("your_tenant", name="Agent")
    number = await tenant.bought(inbound_agent_id=known["unique_id"])
    await gateway.follow_up()
    await gateway.teli.switch(agent_ids="known")
    await tenant.send("PATCH", f"/v1/numbers/{number['id']}", json={"inbound_agent_id": "stranger"})

    assert [counts(one) for one in await listed(tenant)] == [(known["unique_id"], 1, (0, 1), (0, 0))]


async def test_agents_of_others_are_not_told_and_the_list_is_paged(gateway: Gateway):
    one, other = [await gateway.tenant(scopes=["numbers:create", "numbers:read", "agents:link"]) for _ in range(2)]
    for agent in ("a", "b", "c"):
        await one.bought(inbound_agent_id=agent)
    await other.bought(inbound_agent_id="b")
    await gateway.follow_up()

    first = (await one.get("/v1/agents?limit=2")).json()
    rest = (await one.get(f"/v1/agents?limit=2&cursor={first['next_cursor']}")).json()

    assert [item["agent_id"] for item in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert (first["total"], rest["next_cursor"]) == ({"value": 3, "exact": True}, None)
    assert [counts(item) for item in await listed(other)] == [("b", 1, (1, 1), (0, 0))]
    by_admin = await listed(gateway.admin, f"?organization_id={ORGANIZATION}")
    assert [(item["agent_id"], item["numbers"]) for item in by_admin] == [("a", 1), ("b", 2), ("c", 1)]
    problem(await one.get("/v1/agents?organization_id=elsewhere"), 403, "not_your_organization")
    problem(await one.get(f"/v1/agents?organization_id={ORGANIZATION}&cursor={first['next_cursor']}"), 400,
            "invalid_request")  # fmt: skip
    problem(await one.get("/v1/agents?agent=a"), 400, "invalid_request")
