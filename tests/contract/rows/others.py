"""Links, paths, and campaigns, calls, and what the gateway does not offer yet: rows 37 and 44 to 47."""

from typing import Any

from tests.contract.scene import MINUTE, Scene
from tests.contract.story import story
from tests.simulator.program import KEY
from tests.simulator.teli import TeliClient
from tests.support.gateway import NUMBERS, ORGANIZATION, TELI_TENANT, USER


async def links(scene: Scene, phone_number: str, **fields: Any) -> None:
    await scene.caller.asks("POST", f"{NUMBERS}/{phone_number}/update-agent", json=fields)


@story(37, "An agent is linked, kept by a change of another field, cleared by an empty text and by null")
async def linked(scene: Scene) -> None:
    [number] = await scene.holds()
    for fields in (
        {"inbound_agent_id": "agent_1", "outbound_agent_id": "agent_2"},
        {"nickname": "Front desk"},
        {"inbound_agent_id": ""},
        {"outbound_agent_id": None},
    ):
        await links(scene, number["phone_number"], **fields)
    [row] = (await scene.teli.truth())["record"]["rows"]
    assert (row["inbound_agent_id"], row["outbound_agent_id"]) == (None, None)
    assert row["nickname"].endswith("Front desk")


for form in ("agent_id", "unique_id", "voice_agent_id", "id"):

    @story(37, f"Teli accepts an agent's `{form}` and no other of its ids")
    async def one_form(scene: Scene, form: str = form) -> None:
        agent = await scene.teli.agent(TELI_TENANT)
        [number] = await scene.holds()
        await scene.teli.switch(agent_ids=form)
        for given in ("agent_id", "unique_id", "voice_agent_id", "id"):
            await links(scene, number["phone_number"], inbound_agent_id=agent[given])
        [row] = (await scene.teli.truth())["record"]["rows"]
        assert row["inbound_agent_id"] == agent[form]


@story(37, "A change of nothing, of an unknown number, and of an SMS number")
async def no_change(scene: Scene) -> None:
    [number] = await scene.holds()
    async with TeliClient(scene.gateway.settings.teli_base_url, KEY) as direct:
        sms = await direct.post("/v1/sms/phone-numbers/purchase", organization_id=ORGANIZATION, area_code="415")
    await links(scene, number["phone_number"])
    await links(scene, "+13135550000", nickname="Front desk")
    await links(scene, sms.json()["phone_number"], nickname="Front desk")


@story(37, "A change whose answer is lost")
async def change_lost(scene: Scene) -> None:
    [number] = await scene.holds()
    await scene.teli.arm("reset", operation="update_agent", step="answering")
    await links(scene, number["phone_number"], inbound_agent_id="agent_1")
    await scene.passes(MINUTE)
    await scene.caller.looks_after()


async def campaign(scene: Scene, phone_number: str, **fields: Any) -> None:
    body = {
        "campaign_id": "spring",
        "leads": [{"phone_number": "+13135550199"}],
        "voice_agent_id": "agent_1",
        "agent_outbound_number": phone_number,
        "organization_id": ORGANIZATION,
        "tenant_id": TELI_TENANT,
        "user_id": USER,
    }
    await scene.caller.asks("POST", "/v1/voice/campaigns", json=body | fields)


async def rung_up(scene: Scene) -> int:
    return sum(row["calls"] for row in (await scene.teli.truth())["dialled"])


@story(44, "A campaign dials when it is created; the same again, another with its id, and a release of its number")
async def campaigns(scene: Scene) -> None:
    [number] = await scene.holds()
    await campaign(scene, number["phone_number"])
    await campaign(scene, number["phone_number"])
    await campaign(scene, number["phone_number"], leads=[{"phone_number": "+13135550198"}])
    await scene.caller.asks("DELETE", f"{NUMBERS}/{number['phone_number']}")
    assert await rung_up(scene) == 1


@story(44, "A campaign dialled, and its answer is lost; the same again")
async def campaign_lost(scene: Scene) -> None:
    [number] = await scene.holds()
    await scene.teli.arm("reset", operation="campaign_create", step="dialled")
    await campaign(scene, number["phone_number"])
    await scene.passes(MINUTE)
    [(account,)] = await scene.gateway.sql("SELECT id FROM accounts")
    await scene.gateway.sql("UPDATE campaigns SET look_at = clock_timestamp()")
    await scene.gateway.worker.campaigns.following.run(account)
    await campaign(scene, number["phone_number"])
    assert await rung_up(scene) == 1


@story(44, "A campaign from a number that nobody here holds, which Teli would let call")
async def campaign_from_afar(scene: Scene) -> None:
    await campaign(scene, "+13135550000")
    assert await rung_up(scene) == 0


@story(45, "Calls: of a user, of the whole organisation without the scope, and a hundred and one of them")
async def calls(scene: Scene) -> None:
    await scene.holds()
    asked = {"organization_id": ORGANIZATION, "user_id": USER}
    await scene.caller.asks("GET", "/v1/voice/calls", params=asked)
    await scene.caller.asks("GET", "/v1/voice/calls", params=asked | {"is_admin": "true"})
    await scene.caller.asks("GET", "/v1/voice/calls", params=asked | {"limit": "101"})


@story(46, "SMS numbers: not offered by the gateway yet")
async def sms_numbers(scene: Scene) -> None:
    wish = {"organization_id": ORGANIZATION, "area_code": "415"}
    await scene.caller.asks("POST", "/v1/sms/phone-numbers/purchase", json=wish)


@story(47, "A path with a raw `+`, with `%2B`, with a blank")
async def paths(scene: Scene) -> None:
    [number] = await scene.holds()
    for plus in ("+", "%2B", "%20"):
        await links(scene, number["phone_number"].replace("+", plus), nickname=f"by {plus}")


@story(47, "A release with a blank in its path, then with a raw `+`, then with `%2B`")
async def release_paths(scene: Scene) -> None:
    [number] = await scene.holds()
    for plus in ("%20", "+", "%2B"):
        await scene.caller.releases(number["phone_number"].replace("+", plus))
