"""Buying: rows 1 to 20, 38 to 41 and 48."""

import asyncio

import httpx

from tests.contract.scene import DAY, MINUTE, Scene
from tests.contract.story import purchase, story
from tests.simulator.program import KEY
from tests.support.gateway import TELI_TENANT

purchase(1, "A normal create")


@story(2, "The caller leaves out area code or user")
async def nothing_to_go_by(scene: Scene) -> None:
    await scene.caller.buys(area_code=None, key="no-area-code")
    await scene.caller.buys(user_id=None, key="no-user")


purchase(2, "Teli says 400", "server_error", status=400, error="area_code and user_id required", message=None)


@story(3, "The caller leaves out organisation and tenant, and Teli demands both")
async def filled_in(scene: Scene) -> None:
    await scene.teli.switch(missing_ids="refused")
    await scene.caller.buys(organization_id=None)
    await scene.settles()


@story(4, "Out of stock")
async def out_of_stock(scene: Scene) -> None:
    await scene.teli.stock("313", 0)
    await scene.caller.buys()
    await scene.settles()


@story(5, "An impossible area code")
async def impossible(scene: Scene) -> None:
    for area_code in ("999", "abc", "31"):
        await scene.caller.buys(area_code, key=area_code)


# What the gateway lets pass is possible to the simulator too, so a fault puts an impossible code in its place.
for status in ("400", "422"):
    purchase(
        5, f"Teli finds an area code impossible: {status}", "other_area_code", {"impossible_area_code": status},
        area_code="911",
    )  # fmt: skip

purchase(6, "500 with another message, before buying", "server_error")
purchase(6, "500 with another message, after buying", "server_error", step="answering")
purchase(6, "500 without a message, after buying", "server_error", step="recorded", message=None)

purchase(7, "A slow create, and a caller who waits", "slow", seconds=0.5)


@story(7, "A slow create, and a caller who does not wait")
async def hasty(scene: Scene) -> None:
    await scene.teli.hold("bought")
    await scene.caller.buys(prefer="respond-async")
    await scene.teli.until_held()
    await scene.caller.looks_after()
    await scene.teli.release_holds()
    await until_answered(scene)
    await scene.settles()


async def until_answered(scene: Scene) -> None:
    """The sender has written down what it heard."""
    async with asyncio.timeout(20):
        while await scene.gateway.sql("SELECT 1 FROM intents WHERE state = 'sending'"):
            await asyncio.sleep(0.02)


@story(8, "Silence after buying, until the gateway stops listening")
async def silence(scene: Scene) -> None:
    await scene.teli.arm("client_leaves", step="bought")
    async with scene.gateway_with(upstream_timeout=3):
        await scene.caller.buys()
    async with asyncio.timeout(20):
        while not (await scene.teli.counts())["recorded"]:
            await asyncio.sleep(0.02)
    await scene.settles()


purchase(9, "Connection reset before buying", "reset", step="received")
purchase(10, "Connection reset after buying, before it is recorded", "reset", step="bought")
purchase(10, "Connection reset after linking, before it is recorded", "reset", step="linked")
purchase(10, "Connection reset after it is recorded", "reset", step="recorded")
purchase(10, "Connection reset in place of the answer", "reset", step="answering")


@story(11, "Connection refused")
async def refused(scene: Scene) -> None:
    await scene.teli.offline()
    await scene.caller.buys()
    await scene.asks_again()
    await scene.teli.online()
    await scene.works()


@story(11, "The name cannot be resolved")
async def no_such_name(scene: Scene) -> None:
    async with scene.gateway_with(teli_base_url="https://teli.invalid"):
        await scene.caller.buys()
        await scene.asks_again()


@story(11, "No TLS where TLS is spoken")
async def no_tls(scene: Scene) -> None:
    port = httpx.URL(scene.gateway.settings.teli_base_url).port
    async with scene.gateway_with(teli_base_url=f"https://127.0.0.1:{port}"):
        await scene.caller.buys()
        await scene.asks_again()


purchase(12, "303 to a place that waits for the answer", "see_other")
purchase(12, "303 to another host, which is not followed", "see_other", origin="http://127.0.0.1:9", takes_seconds=0)


@story(12, "303 to a place that breaks off in place of the answer")
async def broken_place(scene: Scene) -> None:
    await scene.teli.arm("see_other")
    await scene.teli.arm("reset", operation="create_result", step="answering")
    await scene.caller.buys()
    await scene.settles()


purchase(13, "HTML with 502, before buying", "html_error", status=502, step="received")
purchase(13, "HTML with 502, after buying", "html_error", status=502)
purchase(13, "HTML with 503, after buying", "html_error", status=503)
purchase(13, "HTML with 504, after buying", "html_error", status=504)

purchase(14, "500 without a body, before buying", "empty_body", step="received")
purchase(14, "500 without a body, after buying", "empty_body")
purchase(14, "200 cut in the middle", "cut_json")
purchase(14, "502 cut in the middle, before buying", "cut_json", step="received", status=502)

purchase(15, "200 without a number", "no_number")
purchase(15, "200 with null for a number", "no_number", form="null")
purchase(15, "202 that promises one", "no_number", form="accepted")
purchase(15, "204 without a body", "empty_body", status=204)

purchase(16, "200 with success false, before buying", "success_false", step="received")
purchase(16, "200 with success false, after buying", "success_false")

purchase(17, "A number of another area code", "other_area_code")


@story(18, "200 naming a number that is held already")
async def held_already(scene: Scene) -> None:
    await scene.holds()
    await scene.teli.arm("already_held")
    await scene.caller.buys()
    await scene.settles()


purchase(19, "Bought and never recorded; 500", "not_recorded")
purchase(19, "Bought and never recorded; 200", "not_recorded", status=200)


@story(19, "Bought and recorded days later; 500")
async def recorded_late(scene: Scene) -> None:
    await scene.teli.arm("not_recorded")
    await scene.caller.buys()
    await scene.passes(20 * MINUTE, every=5 * MINUTE)
    await scene.caller.looks_after()
    await scene.passes(4 * DAY, every=DAY)
    [purchased] = await scene.teli.purchases()
    await scene.teli.dashboard_record(purchased["phone_number"])
    await scene.passes(5 * MINUTE)
    await scene.settles()


@story(19, "Bought and never recorded; 200; the caller releases it")
async def released_unseen(scene: Scene) -> None:
    await scene.teli.arm("not_recorded", status=200)
    bought = await scene.caller.buys()
    await scene.caller.releases(bought.json()["phone_number"])
    await scene.passes(4 * DAY, every=DAY)
    await scene.caller.looks_after()


purchase(20, "Recorded and not linked; 200", "not_linked")
purchase(20, "Recorded and not linked; 500", "not_linked", status=500)


@story(38, "The caller has no key, a wrong one, or one that was revoked")
async def bad_keys(scene: Scene) -> None:
    caller = scene.caller
    for key in ("", "not a key"):
        caller.tenant.key, good = key, caller.tenant.key
        await caller.buys(key=f"with-{len(key)}")
        caller.tenant.key = good
    [(key_id,)] = await scene.gateway.sql("SELECT id FROM api_keys WHERE tenant_id = :id", id=caller.id)
    await scene.gateway.admin.send("DELETE", f"/v1/admin/keys/{key_id}")
    await scene.gateway.services.version.look()
    await caller.buys(key="revoked")


@story(38, "The caller has another tenant's key, and touches a number that is not its own")
async def anothers_key(scene: Scene) -> None:
    [number] = await scene.holds()
    stranger = await scene.another_caller()
    scene.caller.tenant.key = stranger.tenant.key
    await scene.caller.releases(number["phone_number"])


@story(38, "Teli refuses the gateway's key: 401")
async def unauthorized(scene: Scene) -> None:
    await scene.teli.tenant(TELI_TENANT, KEY, "revoked")
    await scene.caller.buys()
    await scene.asks_again()


@story(38, "Teli refuses the gateway's key: 401, in its other words")
async def unauthorized_otherwise(scene: Scene) -> None:
    await scene.teli.switch(invalid_key_body="powered_by")
    await scene.teli.tenant(TELI_TENANT, KEY, "revoked")
    await scene.caller.buys()
    await scene.asks_again()


@story(38, "Teli forbids the gateway's key: 403")
async def forbidden(scene: Scene) -> None:
    await scene.teli.tenant(TELI_TENANT, KEY, "forbidden")
    await scene.caller.buys()
    await scene.asks_again()


@story(38, "Teli revokes the gateway's key while a doubt is open, and gives it back an hour later")
async def revoked_midway(scene: Scene) -> None:
    await scene.teli.arm("reset", step="answering")
    await scene.caller.buys()
    await scene.teli.tenant(TELI_TENANT, KEY, "revoked")
    await scene.passes(60 * MINUTE, every=10 * MINUTE)
    await scene.caller.looks_after()
    await scene.teli.tenant(TELI_TENANT, KEY)
    await scene.passes(5 * MINUTE)
    await scene.settles()


@story(38, "Teli takes the gateway's key for another tenant's while a doubt is open, for an hour")
async def key_of_another(scene: Scene) -> None:
    await scene.teli.arm("reset", step="answering")
    await scene.caller.buys()
    await scene.teli.tenant("another tenant", KEY)
    await scene.passes(60 * MINUTE, every=10 * MINUTE)
    await scene.caller.looks_after()
    await scene.teli.tenant(TELI_TENANT, KEY)
    await scene.passes(5 * MINUTE)
    await scene.settles()


@story(38, "Teli takes the gateway's key for another tenant's while a doubt is open, for days")
async def key_of_another_for_days(scene: Scene) -> None:
    await scene.teli.arm("reset", step="answering")
    await scene.caller.buys()
    await scene.teli.tenant("another tenant", KEY)
    await scene.passes(20 * MINUTE, every=5 * MINUTE)
    await scene.passes(4 * DAY, every=DAY)
    await scene.caller.looks_after()


purchase(39, "429 with `Retry-After`", "too_many_requests")
purchase(39, "429 without `Retry-After`", "too_many_requests", retry_after=None)

for shape, shown in (
    ("error_success", "`error` and `success`"),
    ("error_powered_by", "`error` and `powered_by`"),
    ("error_only", "`error` alone"),
    ("error_message", "`error` and `message`"),
    ("error_detail", "`error` and `detail`"),
    ("detail_list", "a list in `detail`"),
    ("html", "HTML"),
    ("text", "plain text"),
):

    @story(40, f"Out of stock, told as {shown}")
    async def told_otherwise(scene: Scene, shape: str = shape) -> None:
        await scene.teli.switch(error_shape=shape)
        await scene.teli.stock("313", 0)
        await scene.caller.buys()
        await scene.settles()


for form, shown in (
    ("extra_fields", "unknown fields"),
    ("nulls", "null for texts"),
    ("reversed", "keys in another order"),
    ("text_numbers", "numbers as text"),
):

    @story(41, f"Create and listing answer with {shown}")
    async def odd(scene: Scene, form: str = form) -> None:
        await scene.teli.arm("odd_json", form=form)
        await scene.teli.arm("odd_json", 100, operation="list", form=form)
        await scene.caller.buys()
        await scene.settles()


@story(48, "Five creates at the same time, answered in the opposite order")
async def all_at_once(scene: Scene) -> None:
    # With one confirmed purchase marks are known to come back, and creates for one user run side by side.
    await scene.holds()
    await scene.teli.hold("answering", times=5)
    buying = [asyncio.create_task(scene.caller.buys(key=f"purchase-{one}")) for one in range(5)]
    for request in reversed(await scene.teli.until_held(5)):
        await scene.teli.release_holds(request["request_id"])
    answers = await asyncio.gather(*buying)
    await scene.settles()
    assert len({answer.json()["phone_number"] for answer in answers}) == 5
