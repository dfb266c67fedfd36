"""Giving numbers back: rows 29 to 36."""

from typing import Any

from tests.contract.scene import MINUTE, Scene
from tests.contract.story import story
from tests.support.gateway import ORGANIZATION, USER


@story(29, "A release, and the same again")
async def released_twice(scene: Scene) -> None:
    [number] = await scene.holds()
    for _ in range(2):
        await scene.caller.releases(number["phone_number"])


@story(30, "A release of a number that nobody holds, and of another tenant's")
async def not_ours(scene: Scene) -> None:
    stranger = await scene.another_caller()
    foreign = (await stranger.buys()).json()
    await scene.works()
    await scene.begins()
    await scene.caller.releases("+13135550000")
    await scene.caller.releases(foreign["phone_number"])


async def release(scene: Scene, fault: str, **terms: Any) -> None:
    """The caller releases its number, the fault strikes, the worker has an hour, and the caller asks again."""
    [number] = await scene.holds()
    await scene.teli.arm(fault, operation="release", **terms)
    await scene.caller.releases(number["phone_number"])
    await scene.passes(60 * MINUTE, every=5 * MINUTE)
    await scene.caller.looks_after()
    await scene.caller.releases(number["phone_number"])


for row, fault, armed, terms in (
    (30, "Teli says 400 to the release of a number that is held", "server_error", {"status": 400}),
    (30, "Teli says 404 to the release of a number that is held", "server_error", {"status": 404}),
    (31, "The release fails at the voice provider: 502", "voice_provider_fails", {}),
    (32, "The release fails at the carrier, after unlinking: 502", "voice_carrier_fails", {}),
    (33, "Released at the carrier, and Teli fails to write it down: 500", "release_not_recorded", {}),
    (34, "The release is reset before it took effect", "reset", {"step": "received"}),
    (34, "The release is reset at the carrier, which has taken the number back", "reset", {"step": "returned"}),
    (34, "The release is reset after it took effect", "reset", {"step": "removed"}),
):

    @story(row, fault)
    async def released(scene: Scene, armed: str = armed, terms: dict[str, Any] = terms) -> None:
        await release(scene, armed, **terms)


@story(35, "A released number is sold again, to the same tenant")
async def sold_again(scene: Scene) -> None:
    await scene.teli.switch(recycle_released=True)
    [number] = await scene.holds()
    await scene.caller.releases(number["phone_number"])
    assert (await scene.caller.buys()).json()["phone_number"] == number["phone_number"]
    await scene.settles()


@story(35, "A released number is sold again, to another tenant")
async def sold_to_another(scene: Scene) -> None:
    await scene.teli.switch(recycle_released=True)
    [number] = await scene.holds()
    await scene.caller.releases(number["phone_number"])
    stranger = await scene.another_caller()
    assert (await stranger.buys()).json()["phone_number"] == number["phone_number"]
    await scene.works()
    await scene.caller.releases(number["phone_number"])


@story(35, "A number released in the dashboard is sold again, while the ledger still holds it")
async def sold_again_unheard(scene: Scene) -> None:
    await scene.teli.switch(recycle_released=True)
    [number] = await scene.holds()
    await scene.teli.dashboard_release(number["phone_number"])
    await scene.caller.buys()
    await scene.settles()


@story(35, "The same, and nicknames are not stored")
async def sold_again_unmarked(scene: Scene) -> None:
    await scene.teli.switch(nickname="dropped")
    await sold_again_unheard(scene)


@story(36, "A late DELETE by the caller, after it bought the same number again")
async def late_delete(scene: Scene) -> None:
    await scene.teli.switch(recycle_released=True)
    [number] = await scene.holds()
    await scene.caller.releases(number["phone_number"])
    await scene.caller.buys()
    await scene.works()
    await scene.caller.releases(number["phone_number"])
    await scene.caller.releases(number["phone_number"], id=number["id"])


@story(36, "A DELETE took effect unheard, and somebody else bought that number since")
async def late_repeat(scene: Scene) -> None:
    [number] = await scene.holds()
    await scene.teli.switch(recycle_released=True)
    await scene.teli.arm("reset", operation="release", step="removed")
    await scene.caller.releases(number["phone_number"])
    assert await scene.teli.dashboard_buy("313", ORGANIZATION, USER) == [number["phone_number"]]
    await scene.passes(60 * MINUTE, every=5 * MINUTE)
    await scene.caller.looks_after()
    await scene.caller.asks("GET", f"/v1/numbers/{number['id']}")
