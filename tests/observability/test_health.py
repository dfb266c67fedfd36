"""Readiness: anybody may ask, so the dependencies are asked once a second at most, whoever comes."""

import asyncio

import pytest

from service.kit import clock
from service.observability.health import Health
from tests.fakes.both import Still
from tests.support.gateway import Gateway


class Dependencies:
    """How often each was asked. `gate` lets the answers go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def _ask(self, which: str) -> None:
        self.asked.append(which)
        await self.gate.wait()
        if self.away:
            raise OSError

    async def purchases(self) -> str:
        await self._ask("purchases")
        return "open"

    def health(self) -> Health:
        return Health(
            database=lambda: self._ask("postgres"),
            redis=lambda: self._ask("redis"),
            purchases=self.purchases,
            draining=lambda: False,
            accounts=lambda: "ok",
        )


ONCE = ["postgres", "purchases", "redis"]


async def test_dependencies_are_asked_once_a_second_however_many_ask(monkeypatch: pytest.MonkeyPatch):
    still, dependencies = Still(), Dependencies()
    monkeypatch.setattr(clock, "source", still)
    health = dependencies.health()
    dependencies.gate.clear()
    many = [asyncio.create_task(health.found()) for _ in range(50)]
    await asyncio.sleep(0)
    many[0].cancel()  # Who asked first has left: the others are answered all the same.
    dependencies.gate.set()

    found = await asyncio.gather(*many[1:])

    assert {(one.redis, one.purchases) for one in found} == {(True, "open")}
    assert dependencies.asked == [ONCE[0], *ONCE]
    still.pass_time(0.9)
    dependencies.away = True
    assert (await health.found()).redis
    assert len(dependencies.asked) == 4
    still.pass_time(0.2)
    assert ((await health.found()).redis, (await health.found()).purchases) == (False, None)
    assert dependencies.asked[4:] == ["postgres", "redis"]


async def test_a_flood_of_questions_costs_postgres_no_more_than_one(gateway: Gateway, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(clock, "source", Still())
    dependencies = Dependencies()
    gateway.services.health.database = dependencies.health().database

    answers = await asyncio.gather(*(gateway.http.get("/readyz") for _ in range(20)))

    assert {(one.status_code, one.json()["status"]) for one in answers} == {(200, "ready")}
    assert dependencies.asked == ["postgres"]
