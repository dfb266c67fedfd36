"""Many callers at several API processes while Redis and the processes come and go: what was promised is still so."""

import asyncio
import shutil
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import cycle
from pathlib import Path
from random import Random

import httpx
import hypothesis
import pytest

from service.embedded import EmbeddedValkey
from service.embedded.ports import free_port
from tests.chaos.stage import TIMES, Stage, stage
from tests.conftest import Engines
from tests.numbers.ledger import check
from tests.simulator.program import Simulator
from tests.support.gateway import Tenant
from tests.support.redis_servers import told

pytestmark = [pytest.mark.processes, pytest.mark.ci]

DEEP = hypothesis.settings.get_current_profile_name() != "default"
APIS, CALLERS = 4, 64
# A purchase is not to become a doubt because the machine is busy: what is lost here is Redis and processes.
UNHURRIED = TIMES | {"NUMBERGATE_UPSTREAM_TIMEOUT": "20", "NUMBERGATE_ANSWER_WITHIN": "20"} | {
    "NUMBERGATE_SETTLING_WINDOW": "21", "NUMBERGATE_WRITE_OFF": "22",
}  # fmt: skip
Tell = Callable[[str, object], None]


@asynccontextmanager
async def meanwhile(work: Awaitable[None]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done() or task.result() is None
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until_decided(opened: Stage, tenant: str) -> None:
    async with asyncio.timeout(120):
        while await opened.sql(
            "SELECT id FROM intents WHERE tenant_id = $1 AND state NOT IN ('owned', 'refused') LIMIT 1", tenant
        ):
            await asyncio.sleep(0.1)


async def flushed(valkey: EmbeddedValkey) -> None:
    while True:
        with suppress(Exception):  # It is down, or coming up.
            await told(valkey.url, "FLUSHALL")
        await asyncio.sleep(0.1)


async def killed_and_set_back(valkey: EmbeddedValkey, home: Path, progress: Callable[[], float]) -> None:
    """Twice killed and started anew, at thirds of the way; then started from what it held at the beginning."""
    old = home / "old"
    await asyncio.to_thread(shutil.copytree, valkey.home, old)
    for part in (0.3, 0.6):
        while progress() < part:
            await asyncio.sleep(0.02)
        await valkey.stop("immediate")
        await asyncio.sleep(0.5)
        await valkey.start()
    while progress() < 0.8:
        await asyncio.sleep(0.02)
    await valkey.stop("immediate")
    await asyncio.to_thread(shutil.rmtree, valkey.home / "appendonlydir")
    await asyncio.to_thread(shutil.copytree, old / "appendonlydir", valkey.home / "appendonlydir")
    await valkey.start()
    await asyncio.Event().wait()


async def storm_of_buyers(
    engines: Engines, template: str, simulator: Simulator, home: Path, *, quota: int, attempts: int
) -> str:
    async with EmbeddedValkey(home, free_port(), persistent=True) as valkey:
        redis = {"redis_url": valkey.url, "times": UNHURRIED}
        async with (
            stage(engines, template, simulator, apis=APIS, **redis) as opened,
            httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CALLERS), trust_env=False) as http,
        ):
            tenant = await opened.tenant(http, quota=quota)
            urls = cycle(one.url for one in (opened.api, *opened.others))
            owner = {"user_id": opened.user, "organization_id": opened.organization}
            statuses: Counter[int] = Counter()

            async def attempt(number: int) -> None:
                keyed = {"key": f"k{number}"} if number % 3 else {}
                statuses[(await at(next(urls), tenant).buy(**keyed, **owner)).status_code] += 1

            todo = iter(range(attempts))

            async def call() -> None:
                for number in todo:
                    await attempt(number)

            done = lambda: sum(statuses.values()) / attempts  # noqa: E731
            async with (
                meanwhile(flushed(valkey)),
                meanwhile(killed_and_set_back(valkey, home, done)),
            ):
                await asyncio.gather(*(call() for _ in range(CALLERS)))

            await until_decided(opened, tenant.id)
            # None is short either: who was refused for other reasons, as a busy machine has, may buy what is left.
            number = attempts
            while await opened.sql("SELECT used FROM quotas WHERE tenant_id = $1", tenant.id) != [(quota,)]:
                await attempt(number)
                number += 1
                await until_decided(opened, tenant.id)
            await attempt(0)

            sold = [one for one in await opened.teli.purchases() if one["organization_id"] == opened.organization]
            assert sum(one["released_at"] is None for one in sold) == quota
            assert len(sold) == quota
            assert await opened.sql("SELECT used, reserved FROM quotas WHERE tenant_id = $1", tenant.id) == [(quota, 0)]
            await check(opened)
            told_in_words = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
            return (
                f"{number} attempts of {CALLERS} callers at {APIS} processes, Redis flushed every 100 ms, killed twice"
                f" and set back: {len(sold)} of {quota} bought ({told_in_words})"
            )


def at(url: str, tenant: Tenant) -> "Elsewhere":
    return Elsewhere(url, tenant)


class Elsewhere(Tenant):
    """The tenant at one of the processes."""

    def __init__(self, url: str, tenant: Tenant) -> None:
        super().__init__(tenant.http, tenant.id, tenant.key)
        self._url = url

    async def send(self, method: str, path: str, **kwargs: object) -> httpx.Response:
        return await super().send(method, self._url + path, **kwargs)


async def storm_of_duplicates(
    engines: Engines, template: str, simulator: Simulator, *, keys: int, duplicates: int, kills: int
) -> str:
    chance = Random(1)
    async with (
        stage(engines, template, simulator, apis=APIS, times=UNHURRIED) as opened,
        httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=CALLERS), trust_env=False) as http,
    ):
        tenant = await opened.tenant(http, quota=keys)
        apis = [opened.api, *opened.others]
        owner = {"user_id": opened.user, "organization_id": opened.organization}
        requests = [f"k{key}" for key in range(keys) for _ in range(duplicates)]
        chance.shuffle(requests)
        answers: dict[str, list[tuple[int, bytes]]] = defaultdict(list)
        broken = 0

        async def ask(key: str) -> None:
            """Until it is answered for good, as a client does whose connection breaks."""
            nonlocal broken
            while True:
                try:
                    answer = await at(chance.choice(apis).url, tenant).buy(key=key, prefer="wait=20", **owner)
                except httpx.HTTPError:
                    broken += 1
                else:
                    if answer.status_code == 200:
                        answers[key].append((200, answer.content))
                        return
                    if answer.status_code == 502:  # Sent by a process that was killed, and proved never to be bought.
                        answers[key].append((502, answer.json()["detail"].encode()))
                        return
                    assert answer.status_code in (202, 409, 429, 503), answer.text
                await asyncio.sleep(0.1)

        todo = iter(requests)

        async def call() -> None:
            for key in todo:
                await ask(key)

        async def kill() -> None:
            for number in range(1, kills + 1):
                while sum(map(len, answers.values())) < len(requests) * number / (kills + 1):
                    await asyncio.sleep(0.02)
                victim = chance.choice(apis)
                victim.process.kill()
                await victim.process.wait()
                await victim.start()
                await victim.until_ready()
            await asyncio.Event().wait()

        async with asyncio.timeout(100 if not DEEP else 1500), meanwhile(kill()):
            await asyncio.gather(*(call() for _ in range(CALLERS)))

        sold = [one for one in await opened.teli.purchases() if one["organization_id"] == opened.organization]
        assert {key: len(set(given)) for key, given in answers.items()} == {f"k{key}": 1 for key in range(keys)}
        assert sum(map(len, answers.values())) == len(requests)
        lost = sum(given[0][0] == 502 for given in answers.values())
        assert lost <= kills * CALLERS
        assert len(sold) == keys - lost
        await check(opened)
        return (
            f"{len(requests)} requests with {keys} keys at {APIS} processes, {kills} of them killed meanwhile"
            f" ({broken} connections broken): {len(sold)} bought, {lost} never, every answer of a key the same"
        )


async def test_while_redis_is_flushed_killed_and_set_back_exactly_the_quota_is_bought(
    engines: Engines, template: str, teli_process: Simulator, tmp_path: Path, record_property: Tell
):
    quota, attempts = (200, 1_000) if DEEP else (30, 200)
    record_property(
        "told", await storm_of_buyers(engines, template, teli_process, tmp_path, quota=quota, attempts=attempts)
    )


async def test_of_mixed_duplicates_with_crashes_between_each_key_buys_one_and_has_one_answer(
    engines: Engines, template: str, teli_process: Simulator, record_property: Tell
):
    keys, kills = (100, 4) if DEEP else (15, 1)
    record_property(
        "told",
        await storm_of_duplicates(engines, template, teli_process, keys=keys, duplicates=10, kills=kills),
    )


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_exactly_a_thousand_of_five_thousand_attempts_buy(
    engines: Engines, template: str, teli_process: Simulator, tmp_path: Path, record_property: Tell
):
    record_property(
        "told", await storm_of_buyers(engines, template, teli_process, tmp_path, quota=1_000, attempts=5_000)
    )


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_ten_thousand_duplicates_of_a_thousand_keys_buy_a_thousand(
    engines: Engines, template: str, teli_process: Simulator, record_property: Tell
):
    record_property(
        "told", await storm_of_duplicates(engines, template, teli_process, keys=1_000, duplicates=10, kills=20)
    )
