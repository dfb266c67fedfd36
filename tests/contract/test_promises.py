"""The checks at the end of every story do find what they look for."""

import pytest

from tests.contract.promises import assert_kept
from tests.contract.scene import Scene
from tests.simulator.program import KEY
from tests.simulator.teli import TeliClient
from tests.support.gateway import ORGANIZATION, USER


async def bought(scene: Scene) -> str:
    """A purchase without a fault, which keeps every promise; its nickname at Teli."""
    await scene.caller.buys()
    await scene.works()
    await assert_kept(scene)
    [row] = (await scene.teli.truth())["record"]["rows"]
    return str(row["nickname"])


async def test_a_second_create_for_one_intent_is_found(scene: Scene):
    nickname = await bought(scene)
    async with TeliClient(scene.gateway.settings.teli_base_url, KEY) as direct:
        await direct.buy(nickname=nickname)

    with pytest.raises(AssertionError, match="sent twice"):
        await assert_kept(scene)


async def test_a_number_that_nobody_knows_of_is_found_until_the_worker_has_looked(scene: Scene):
    await bought(scene)
    await scene.teli.dashboard_buy("313", ORGANIZATION, USER)

    with pytest.raises(AssertionError, match="nobody knows"):
        await assert_kept(scene)
    await scene.passes(7200)
    await assert_kept(scene)


async def test_a_number_that_the_ledger_has_lost_is_found(scene: Scene):
    await bought(scene)
    await scene.gateway.sql("UPDATE numbers SET state = 'released'")
    await scene.gateway.sql("UPDATE quotas SET used = 0")

    with pytest.raises(AssertionError, match="nobody knows"):
        await assert_kept(scene)


@pytest.mark.parametrize("wrong", ["used = used + 1", "reserved = reserved + 1"])
async def test_a_quota_that_is_off_is_found(scene: Scene, wrong: str):
    await bought(scene)
    await scene.gateway.sql(f"UPDATE quotas SET {wrong}")

    with pytest.raises(AssertionError, match="quota"):
        await assert_kept(scene)


async def test_two_final_answers_for_a_key_are_found(scene: Scene):
    await bought(scene)
    await scene.gateway.flush_redis()
    other = "jsonb_set(answer, '{body}', to_jsonb(replace(answer->>'body', '313', '312')))"
    await scene.gateway.sql(f"UPDATE intents SET answer = {other}")
    await scene.caller.buys()

    with pytest.raises(AssertionError, match="two answers"):
        await assert_kept(scene)
