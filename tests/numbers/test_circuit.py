"""An account that fails again and again rests, until Teli has answered a read; orders send less where it hurts."""

import asyncio

import pytest

from service.numbers import circuit
from service.numbers.circuit import Pulse, asked_to_wait, felt, rest
from service.teli.heard import Heard
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.numbers.ledger import use_marks
from tests.orders.desk import buy, order, placed, quotas_are_exact
from tests.support.gateway import Gateway, Tenant

NONE = b'{"message": "No numbers available in area code 313"}'


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures need not last to open a circuit."""
    monkeypatch.setattr(circuit, "OPENS_OVER", 0.0)


@pytest.mark.parametrize(
    ("heard", "what"),
    [
        (Heard("answer", 200), "well"),
        (Heard("answer", 400), "well"),
        (Heard("answer", 500, body=NONE), "well"),
        (Heard("answer", 500), "failed"),
        (Heard("answer", 503), "failed"),
        (Heard("answer", 401), "failed"),
        (Heard("answer", 429), "limited"),
        (Heard("broken", detail="ReadTimeout"), "failed"),
        (Heard("broken", detail="stopped listening: this process is stopping"), "nothing"),
        (Heard("never_sent", detail="ConnectError"), "failed"),
        (Heard("never_sent", detail="DeadlinePassed"), "nothing"),
    ],
)
def test_what_is_heard_says_how_teli_is(heard: Heard, what: str):
    assert felt(heard) == what


def test_only_failures_in_a_row_over_a_while_open_it():
    pulse = Pulse()
    assert not any(pulse.beat(0.1 * n, "failed") for n in range(50))
    assert pulse.beat(5.0, "failed")
    assert not pulse.beat(6.0, "well")
    assert not any(pulse.beat(7.0 + 2 * n, "limited") for n in range(4))
    assert pulse.beat(15.0, "failed")


def test_it_rests_longer_each_time_and_not_for_ever():
    assert [rest(times) for times in range(8)] == [5, 10, 20, 40, 80, 160, 300, 300]
    assert asked_to_wait(Heard("answer", 429, {"retry-after": "7"})) == 7
    assert asked_to_wait(Heard("answer", 429, {"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"})) == 1


def test_slow_is_what_takes_much_longer_than_usual_until_that_is_usual():
    pulse = Pulse()
    assert not pulse.is_slow(5.0)
    pulse = Pulse(usual=0.3)
    assert not pulse.is_slow(0.9)
    slow = [pulse.is_slow(5.0) for _ in range(100)]
    assert slow[0]
    assert not slow[-1]


@pytest.mark.usefixtures("at_once", "patient_sends")
async def test_an_account_that_fails_rests_until_a_read_is_answered(
    gateway: Gateway, tenant: Tenant, open_gateway: OpenGateway
):
    await use_marks(gateway)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    await gateway.teli.arm("too_many_requests", 5)
    for _ in range(5):
        problem(await tenant.buy(), 503, "upstream_unavailable")
    await gateway.services.circuits.written()
    await gateway.teli.forget_requests()

    async with open_gateway() as other:
        elsewhere = Tenant(other.http, tenant.id, tenant.key)
        for who in (tenant, elsewhere):
            answer = await who.buy()
            body = problem(answer, 503, "upstream_unavailable")
            assert "left alone until it answers" in body["detail"]
            assert int(answer.headers["Retry-After"]) >= 1
    assert await gateway.teli.requests("create") == []

    # Nobody asks before it has rested; then one read is enough, and nothing is bought to see.
    await gateway.worker.circuits.probe(account)
    assert await gateway.teli.requests() == []
    await gateway.sql("UPDATE account_flow SET rests_until = now()")
    await gateway.teli.offline()
    await gateway.worker.circuits.probe(account)
    await gateway.teli.online()
    problem(await tenant.buy(), 503, "upstream_unavailable")
    await gateway.sql("UPDATE account_flow SET rests_until = now()")
    await asyncio.gather(*(gateway.worker.circuits.probe(account) for _ in range(3)))
    assert await gateway.teli.requests("create") == []
    assert (await tenant.buy()).status_code == 200


async def test_a_process_that_serves_closes_a_circuit_too_where_no_worker_runs(gateway: Gateway, tenant: Tenant):
    await gateway.sql("INSERT INTO account_flow (account_id, rests_until, opened) SELECT id, now(), 1 FROM accounts")
    problem(await tenant.buy(), 503, "upstream_unavailable")
    serving = asyncio.create_task(gateway.services.circuits.run())
    async with asyncio.timeout(30):
        while await gateway.sql("SELECT 1 FROM account_flow WHERE rests_until IS NOT NULL"):
            await asyncio.sleep(0.02)
    serving.cancel()
    assert (await tenant.buy()).status_code == 200


@pytest.mark.usefixtures("at_once", "patient_sends")
async def test_an_order_waits_while_the_account_rests_and_then_goes_on(gateway: Gateway, tenant: Tenant):
    await use_marks(gateway)
    order_id = await placed(tenant, 8)
    await gateway.teli.arm("too_many_requests", 12)
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    buying = asyncio.create_task(buy(gateway, within=120))
    while not buying.done():
        await gateway.sql("UPDATE account_flow SET rests_until = now() WHERE rests_until IS NOT NULL")
        await gateway.worker.circuits.look()
        await gateway.worker.circuits.probe(account)
        await asyncio.sleep(0.2)
    await buying

    assert (await order(tenant, order_id))["counts"] == {"done": 8}
    assert len(await gateway.teli.purchases()) == 8
    await quotas_are_exact(gateway)
    # It was asked too often, so that less was sent at a time.
    [(at_a_time,)] = await gateway.sql("SELECT at_a_time FROM account_flow")
    assert at_a_time < 48


async def test_what_was_eased_grows_again_up_to_all_that_orders_may_have(gateway: Gateway):
    [(account,)] = await gateway.sql("SELECT id FROM accounts")
    circuits = gateway.worker.circuits
    for _ in range(3):
        circuits.hear(account, Heard("answer", 429, {"retry-after": "0"}), 0.1, ordered=True)
        await circuits.written()
    # Those that were under way together count once.
    assert await gateway.sql("SELECT at_a_time FROM account_flow") == [(24.0,)]
    await gateway.sql("UPDATE account_flow SET at_a_time = 46")
    await circuits.look()
    for _ in range(100):
        circuits.hear(account, Heard("answer", 200), 0.1, ordered=True)
        await circuits.written()
    assert await gateway.sql("SELECT at_a_time FROM account_flow") == [(None,)]
