"""What a tenant sees of its limits: the figures, and the rows behind them."""

from tests.http.refusals import problem
from tests.orders.desk import placed
from tests.support.gateway import NUMBERS, Gateway


async def test_a_tenant_sees_its_limit_its_use_and_the_rows_that_are_counted(gateway: Gateway):
    tenant = await gateway.tenant(quota=5)
    await gateway.mark_mode(tenant)
    kept, gone = await tenant.bought(), await tenant.bought()
    await gateway.follow_up()
    assert (await tenant.send("DELETE", f"{NUMBERS}/{gone['phone_number']}")).status_code == 200
    await gateway.teli.arm("server_error")
    pending = (await tenant.buy(prefer="wait=1")).json()["operation_id"]

    told = (await tenant.get("/v1/quotas")).json()

    assert told["tenant_id"] == tenant.id
    limits = {one["name"]: one for one in told["limits"]}
    held = limits["numbers_held"]
    assert (held["name"], held["scope"], held["scope_id"]) == ("numbers_held", "tenant", tenant.id)
    assert (held["limit"], held["used"], held["reserved"], held["left"]) == (5, 2, 1, 2)
    counted = (await tenant.get(held["counted"])).json()
    assert counted["total"] == {"value": 3, "exact": True}
    used = [one for one in counted["items"] if one["counts_as"] == "used"]
    [reserved] = [one for one in counted["items"] if one["counts_as"] == "reserved"]
    assert kept["phone_number"] in {one["phone_number"] for one in used}
    assert reserved["path"] == f"/v1/operations/{pending}"
    for one in counted["items"]:
        assert (await tenant.get(one["path"])).json()["state"] in (one["state"], "pending")

    figures = {name: (one["used"], one["reserved"]) for name, one in limits.items()}
    price = gateway.settings.default_price.first
    assert figures == {
        "numbers_held": (2, 1),
        "purchases_per_day": (3, 1),
        "purchases_per_month": (3, 1),
        "spend_per_month": (3 * price, price),
        "releases_per_month": (1, 0),
        "doubts_open": (1, 0),
        "concurrent_creates": (0, 0),
    }
    for name, (used_now, reserved_now) in figures.items():
        rows = (await tenant.get(f"/v1/quotas/{name}/rows?limit=1000")).json()
        factor = price if name == "spend_per_month" else 1
        assert sum(one["counts_as"] == "used" for one in rows["items"]) * factor == used_now, name
        assert sum(one["counts_as"] == "reserved" for one in rows["items"]) * factor == reserved_now, name


async def test_without_a_limit_nothing_is_left_to_tell_and_another_tenants_use_is_not_seen(gateway: Gateway):
    tenant, other = await gateway.tenant(), await gateway.tenant(quota=1)
    await other.bought()

    limits = (await tenant.get("/v1/quotas")).json()["limits"]

    assert {(one["limit"], one["left"], one["used"], one["reserved"]) for one in limits} == {(None, None, 0, 0)}
    assert (await tenant.get("/v1/quotas/numbers_held/rows")).json()["items"] == []


async def test_a_limit_lowered_below_use_leaves_none_and_takes_nothing(gateway: Gateway):
    tenant = await gateway.tenant()
    await gateway.mark_mode(tenant)
    await tenant.bought()
    answer = await gateway.admin.send("PUT", f"/v1/admin/tenants/{tenant.id}/quotas", json={"numbers_held": 1})
    assert answer.status_code == 200

    [held] = [one for one in (await tenant.get("/v1/quotas")).json()["limits"] if one["name"] == "numbers_held"]

    assert (held["limit"], held["used"], held["left"]) == (1, 2, 0)
    problem(await tenant.buy(), 429, "quota_exceeded")


async def test_a_key_of_no_tenant_has_no_quota_of_its_own(gateway: Gateway):
    problem(await gateway.admin.get("/v1/quotas"), 403, "not_your_tenant")


async def test_the_rows_that_are_counted_come_page_by_page_each_once(gateway: Gateway):
    tenant = await gateway.tenant()
    await gateway.mark_mode(tenant)
    for _ in range(4):
        await tenant.bought()

    path = "/v1/quotas/purchases_per_month/rows?limit=2"
    page = (await tenant.get(path)).json()
    seen = [one["id"] for one in page["items"]]
    while page["next_cursor"]:
        page = (await tenant.get(f"{path}&cursor={page['next_cursor']}")).json()
        seen += [one["id"] for one in page["items"]]

    assert len(seen) == len(set(seen)) == page["total"]["value"] == 5
    problem(await tenant.get("/v1/quotas/numbers_held/rows?cursor=x"), 400, "invalid_request")
    problem(await tenant.get("/v1/quotas/none_such/rows"), 400, "invalid_request")


async def test_what_an_order_has_still_to_buy_is_among_the_rows_page_by_page(gateway: Gateway):
    tenant = await gateway.tenant(quota=5)
    order_id = await placed(tenant, 3)

    first = (await tenant.get("/v1/quotas/purchases_per_month/rows?limit=2")).json()
    cursor = first["next_cursor"]
    second = (await tenant.get(f"/v1/quotas/purchases_per_month/rows?limit=2&cursor={cursor}")).json()

    rows = [*first["items"], *second["items"]]
    assert [one["kind"] for one in rows] == ["ordered"] * 3
    assert len({one["id"] for one in rows}) == 3
    assert {one["path"] for one in rows} == {f"/v1/orders/{order_id}"}
