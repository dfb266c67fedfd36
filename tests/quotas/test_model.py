"""Quotas and keys against a plain model, over HTTP, on the real engines, while Redis is lost in the midst."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from service.embedded import EmbeddedValkey
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.support.gateway import NUMBERS, ORGANIZATION, Gateway, Tenant

EXAMPLES = 12 if settings.get_current_profile_name() == "default" else 25
Outcome = Literal["sold", "out_of_stock", "lost"]
LIMITS = ("numbers_held", "purchases_per_day")
AREAS = ("313", "212")
STEP = st.one_of(
    st.tuples(st.just("buy"), st.sampled_from([0, 1]), st.sampled_from([None, "a", "b", "c"]), st.sampled_from(AREAS),
              st.sampled_from(["sold", "sold", "sold", "out_of_stock", "lost"])),
    st.tuples(st.just("buy"), st.sampled_from([0, 1]), st.sampled_from(["a", "b", "c"]), st.just("313"),
              st.just("sold")),
    st.tuples(st.just("release"), st.sampled_from([0, 1])),
    st.tuples(st.just("decide")),
    st.tuples(st.just("limit"), st.sampled_from(["tenant", "organization"]), st.sampled_from(LIMITS),
              st.sampled_from([None, 0, 1, 2, 3, 5])),
    st.tuples(st.sampled_from(["flush", "gone", "back"])),
)  # fmt: skip


@dataclass
class Named:
    """What a key came to: the body it was sent with, and the answer, or the operation while it is in doubt."""

    area: str
    answer: tuple[int, bytes] | None = None
    operation: str | None = None


@dataclass
class Account:
    """Of a tenant: the numbers it holds, the purchases that are open, and what was bought or is open of today."""

    held: list[str] = field(default_factory=list)
    open: dict[str, Named | None] = field(default_factory=dict)
    today: int = 0
    keys: dict[str, Named] = field(default_factory=dict)


@dataclass
class Model:
    gateway: Gateway
    valkey: EmbeddedValkey
    tenants: list[Tenant]
    accounts: list[Account] = field(default_factory=lambda: [Account(), Account()])
    limits: dict[tuple[str, str], int] = field(default_factory=dict)
    redis_is_up: bool = True
    bought: int = 0
    before: dict[str, int] = field(default_factory=dict)
    serial: "count[int]" = field(default_factory=count)

    async def begin(self) -> None:
        """What others have bought before is no concern of this one: of the organisation's limits it is beside it."""
        path = f"/v1/admin/organizations/{ORGANIZATION}/quotas"
        answer = await self.gateway.admin.send("PUT", path, json=dict.fromkeys(LIMITS))
        use = answer.json()["use"]
        self.before = {name: use[name]["used"] + use[name]["reserved"] for name in LIMITS}
        self.bought = (await self.gateway.teli.counts())["bought"]

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("buy", who, key, area, outcome):
                await self._buy(who, key, area, outcome)
            case ("release", who) if self.accounts[who].held:
                await self._release(who)
            case ("decide",):
                await self._decide()
            case ("limit", scope, name, limit):
                await self._limit(scope, name, limit)
            case ("flush",) if self.redis_is_up:
                await self.gateway.flush_redis()
            case ("gone",) if self.redis_is_up:
                await self.valkey.stop("immediate")
                self.redis_is_up = False
            case ("back",) if not self.redis_is_up:
                await self.valkey.start()
                self.redis_is_up = True

    def _refusing(self, who: int) -> set[tuple[str, str]]:
        """The limits that a purchase of this tenant would pass."""
        groups = {"tenant": [self.accounts[who]], "organization": self.accounts}
        found = set()
        for (scope, name), limit in self.limits.items():
            of = (
                groups["tenant"]
                if scope == f"tenant {who}"
                else groups["organization"]
                if scope == "organization"
                else []
            )
            held = sum(len(one.held) + len(one.open) for one in of)
            used = held if name == "numbers_held" else sum(one.today for one in of)
            if of and used >= limit:
                found.add((scope.split()[0], name))
        return found

    async def _buy(self, who: int, key: str | None, area: str, outcome: Outcome) -> None:
        account, named = self.accounts[who], self.accounts[who].keys.get(key or "")
        is_new = named is None and not self._refusing(who)
        if is_new and outcome != "sold":
            await self.gateway.teli.arm(
                *(["out_of_stock"] if outcome == "out_of_stock" else ["reset"]),
                **({} if outcome == "out_of_stock" else {"step": "received"}),
            )
        # Those without a key are each another request.
        fields = {} if key else {"nickname": f"n{next(self.serial)}"}
        answer = await self.tenants[who].buy(area, key=key, prefer="wait=1", **fields)
        given = (answer.status_code, answer.content)
        if named is not None:
            if named.area != area:
                problem(answer, 422, "idempotency_key_reused")
            elif named.answer is not None:
                assert given == named.answer
                assert answer.headers["idempotent-replayed"] == "true"
            else:
                assert (answer.status_code, answer.json()["operation_id"]) == (202, named.operation)
            return
        if not is_new:
            refused = problem(answer, 429, "quota_exceeded")["quota"]
            assert (refused["scope"], refused["limit_name"]) in self._refusing(who)
            return
        made = Named(area)
        if key:
            account.keys[key] = made
        if outcome == "sold":
            assert answer.status_code == 200, answer.text
            account.held.append(answer.json()["phone_number"])
            account.today += 1
            self.bought += 1
            made.answer = given
        elif outcome == "out_of_stock":
            problem(answer, 409, "no_numbers_available")
            made.answer = given
        else:
            assert answer.status_code == 202, answer.text
            made.operation = answer.json()["operation_id"]
            account.open[made.operation] = made
            account.today += 1

    async def _release(self, who: int) -> None:
        await self.gateway.follow_up()
        number = self.accounts[who].held.pop(0)
        answer = await self.tenants[who].send("DELETE", f"{NUMBERS}/{number}")
        assert answer.status_code == 200, answer.text

    async def _decide(self) -> None:
        for who, account in enumerate(self.accounts):
            for operation, named in list(account.open.items()):
                answer = await self.gateway.operator.send(
                    "POST", f"/v1/admin/doubts/{operation}/resolve", json={"decision": "refused", "reason": "a test"}
                )
                assert answer.status_code == 200, answer.text
                del account.open[operation]
                account.today -= 1
                if named is not None and (key := next((k for k, v in account.keys.items() if v is named), None)):
                    again = await self.tenants[who].buy(named.area, key=key)
                    problem(again, 502, "upstream_refused")
                    named.answer, named.operation = (again.status_code, again.content), None

    async def _limit(self, scope: str, name: str, limit: int | None) -> None:
        for who, tenant in enumerate(self.tenants[: 2 if scope == "tenant" else 1]):
            path = f"tenants/{tenant.id}" if scope == "tenant" else f"organizations/{ORGANIZATION}"
            set_to = limit if limit is None or scope == "tenant" else self.before[name] + limit
            answer = await self.gateway.admin.send("PUT", f"/v1/admin/{path}/quotas", json={name: set_to})
            assert answer.status_code == 200, answer.text
            of = (f"tenant {who}" if scope == "tenant" else scope, name)
            self.limits.pop(of, None)
            if limit is not None:
                self.limits[of] = limit

    async def check(self) -> None:
        """What each tenant is told is what the model says."""
        for tenant, account in zip(self.tenants, self.accounts, strict=True):
            told = {one["name"]: one for one in (await tenant.get("/v1/quotas")).json()["limits"]}
            held = told["numbers_held"]
            assert (held["used"], held["reserved"]) == (len(account.held), len(account.open))
            day = told["purchases_per_day"]
            assert day["used"] + day["reserved"] == account.today
        assert (await self.gateway.teli.counts())["bought"] == self.bought


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[EmbeddedValkey]:
    async with EmbeddedValkey(tmp_path) as server:
        yield server


@pytest.mark.deep
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    database=None,
    phases=[
        Phase.explicit,
        Phase.generate,
    ],  # A step takes a second where Redis is gone: making it smaller takes for ever.
)
@given(steps=st.lists(STEP, min_size=6, max_size=25))
async def test_quotas_and_keys_do_what_a_plain_model_says_whatever_becomes_of_redis(
    open_gateway: OpenGateway, valkey: EmbeddedValkey, steps: list[tuple[Any, ...]]
):
    await valkey.start()
    async with open_gateway(redis_url=valkey.url) as gateway:
        await gateway.sql("UPDATE accounts SET mode = 'mark'")
        model = Model(gateway, valkey, [await gateway.tenant() for _ in range(2)])
        await model.begin()
        for step in steps:
            await model.step(step)
            await model.check()
