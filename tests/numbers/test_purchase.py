"""One purchase, from the request to the ledger."""

import asyncio

import httpx
import pytest

from tests.support.gateway import Gateway, Tenant

pytestmark = pytest.mark.every_redis


async def test_a_purchase_is_answered_in_telis_shape_and_filed(gateway: Gateway, tenant: Tenant):
    body = await tenant.bought("313", nickname="Sales")

    assert body["success"] is True
    assert body["phone_number"].startswith("+1313")
    assert body["state"] == "active"
    [purchase] = await gateway.teli.purchases()
    assert purchase["phone_number"] == body["phone_number"]
    assert await gateway.sql("SELECT id::text, phone_number, nickname, state FROM numbers") == [
        (body["id"], body["phone_number"], "Sales", "active")
    ]


async def test_the_same_key_fifty_times_at_once_buys_one_number_and_gives_fifty_equal_answers(
    gateway: Gateway, tenant: Tenant
):
    answers = await asyncio.gather(*(tenant.buy(key="k1") for _ in range(50)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == 49
    assert (await gateway.teli.counts())["creates"] == 1

    await gateway.flush_redis()
    again = await asyncio.gather(*(tenant.buy(key="k1") for _ in range(50)))
    assert {answer.content for answer in again} == {answers[0].content}
    assert all(answer.headers["idempotent-replayed"] == "true" for answer in again)
    assert (await gateway.teli.counts())["creates"] == 1


@pytest.mark.usefixtures("patient_sends")
async def test_two_hundred_creates_under_a_quota_of_120_buy_exactly_120(gateway: Gateway):
    await gateway.mark_mode(await gateway.tenant())
    before = (await gateway.teli.counts())["bought"]
    tenant = await gateway.tenant(quota=120)

    async def until_answered() -> httpx.Response:
        while (answer := await tenant.buy()).status_code == 503:
            continue  # It waited too long for its turn, and nothing was sent.
        return answer

    answers = await asyncio.gather(*(until_answered() for _ in range(200)))

    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(200), statuses.count(429)) == (120, 80)
    assert (await gateway.teli.counts())["bought"] - before == 120
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "quota_exceeded"
    assert refused.json()["quota"]["limit"] == 120


@pytest.mark.usefixtures("patient_sends")
async def test_on_a_fresh_account_the_same_holds_once_lane_busy_was_retried(gateway: Gateway):
    tenant = await gateway.tenant(quota=120)

    async def until_not_busy() -> int:
        while (answer := await tenant.buy()).status_code == 503:
            assert answer.json()["code"] == "lane_busy"
        return answer.status_code

    statuses = await asyncio.gather(*(until_not_busy() for _ in range(200)))

    assert (statuses.count(200), statuses.count(429)) == (120, 80)
    assert (await gateway.teli.counts())["bought"] == 120
