"""What callers asked and were told, and what of it must be true: a history, checked afterwards.

An answer that never came stays unknown: the purchase behind it may have been made or not, once, and nothing else.
"""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.chaos.audit import audit
from tests.chaos.stage import Stage
from tests.chaos.workload import FOR_NOW, final
from tests.support.gateway import CREATE, NUMBERS, Tenant

# Seconds between the requests of a caller.
PAUSE = 0.1
# A key that was refused for these reasons has bought nothing; it is left.
REFUSED = ("quota_exceeded", "upstream_refused", "no_numbers_available", "rate_limited")
FOR_A_WHILE = (*FOR_NOW, "upstream_unavailable")


@dataclass
class Told:
    """One request and its answer; `status` None where the connection broke."""

    what: str
    began: float
    ended: float
    status: int | None
    said: str


@dataclass
class Customer:
    """A tenant, and every answer that each of its keys was given."""

    tenant: Tenant
    quota: int
    heard: dict[str, list[tuple[int, bytes]]] = field(default_factory=lambda: defaultdict(list))
    open: set[str] = field(default_factory=set)


@dataclass
class History:
    stage: Stage
    urls: list[str]
    customers: list[Customer]
    chance: Random
    events: list[Told] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def statuses(self) -> Counter[str]:
        return Counter(str(one.status or "broken") for one in self.events)

    async def ask(self, customer: Customer, method: str, path: str, **kwargs: Any) -> httpx.Response | None:
        """At any of the processes. None where the connection broke, or nothing came in time."""
        began, answer = time.monotonic(), None
        try:
            answer = await customer.tenant.send(method, self.chance.choice(self.urls) + path, timeout=10, **kwargs)
        except httpx.HTTPError as error:
            said = type(error).__name__
        else:
            said = answer.text[:120]
        status = answer.status_code if answer is not None else None
        self.events.append(Told(f"{method} {path}", began, time.monotonic(), status, said))
        if status == 500:
            self.wrong.append(f"500 to {method} {path}: {said}")
        return answer

    async def buy(self, customer: Customer, key: str) -> bool:
        """One try. Whether there is nothing more to ask."""
        body = {"area_code": "313", "user_id": self.stage.user, "organization_id": self.stage.organization}
        customer.open.add(key)
        headers = {"Idempotency-Key": key, "Prefer": "wait=3"}
        answer = await self.ask(customer, "POST", CREATE, json=body, headers=headers)
        if answer is None:
            return False
        customer.heard[key].append((answer.status_code, answer.content))
        code = answer.json().get("code")
        if answer.status_code == 202 or code in FOR_A_WHILE:
            return False
        if answer.status_code != 200 and code not in REFUSED:
            self.wrong.append(f"{answer.status_code} for {key}: {answer.text[:200]}")
        customer.open.discard(key)
        return True

    async def call(self, number: int, stop: asyncio.Event, begun: str) -> None:
        """One caller, until it is told to stop: it buys, and again until it knows; it lists; it looks at others'."""
        customer = self.customers[number % len(self.customers)]
        turn = 0
        while not stop.is_set():
            turn += 1
            key = f"{begun}-{number}-{turn}"
            while not await self.buy(customer, key) and not stop.is_set():
                await asyncio.sleep(PAUSE)
            await asyncio.sleep(PAUSE)
            await self.look(customer)

    async def look(self, customer: Customer) -> None:
        """Its own numbers, of which it has bought each; and one of another tenant's, which there is not for it."""
        listing = await self.ask(customer, "GET", "/v1/numbers", params={"limit": 5})
        if listing is not None and listing.status_code == 200:
            foreign = [one["id"] for one in listing.json()["items"] if one["tenant_id"] != customer.tenant.id]
            self.wrong += [f"{one} was listed to another tenant" for one in foreign]
        others = [one for one in self.customers if one is not customer]
        told = [one for other in others for heard in other.heard.values() for one in final(heard)]
        if told:
            number = httpx.Response(200, content=self.chance.choice(told)).json()["id"]
            answer = await self.ask(customer, "GET", f"{NUMBERS.replace('/voice/phone-numbers', '/numbers')}/{number}")
            if answer is not None and answer.status_code == 200:
                self.wrong.append(f"{number} was shown to another tenant")

    async def settle(self) -> None:
        """Every key that was left open is asked for until it is known, as a careful client does."""
        async with asyncio.timeout(60):
            for customer in self.customers:
                for key in sorted(customer.open):
                    while not await self.buy(customer, key):
                        await asyncio.sleep(PAUSE)

    async def undecided(self) -> bool:
        """Is any purchase open, or a place in a queue taken, or a number not seen at Teli yet?"""
        return bool(
            await self.stage.sql(
                "SELECT id FROM intents WHERE state NOT IN ('owned', 'refused')"
                " UNION ALL SELECT id FROM steps WHERE state IN ('waiting', 'running') AND kind <> 'unmark'"
                " UNION ALL SELECT intent_id FROM send_queue WHERE alive_until > clock_timestamp()"
            )
        )

    async def check(self) -> list[str]:
        """What is broken of the promises, once nothing is open any more; nothing, where they all hold."""
        broken = sorted(set(self.wrong))
        workloads: Any = self.customers
        try:
            await audit(self.stage, workloads)
        except AssertionError as error:
            broken.append(str(error)[:2000])
        for customer in self.customers:
            held = await self.stage.sql(
                "SELECT phone_number FROM numbers WHERE tenant_id = $1 AND state = 'active'", customer.tenant.id
            )
            if len(held) > customer.quota:
                broken.append(f"{len(held)} held by a tenant that may hold {customer.quota}")
            numbers = {number for (number,) in held}
            for key, heard in customer.heard.items():
                told = {httpx.Response(200, content=body).json()["phone_number"] for body in final(heard)}
                if not told <= numbers:
                    broken.append(f"{key} was told {told}, which is not held")
        self.wrong.clear()
        return broken
