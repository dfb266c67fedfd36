"""What may be asked about numbers that are held, and about the steps owed to them."""

from dataclasses import replace
from random import Random

from service.idempotency.once import Once
from service.kit.phone import E164
from service.kit.types import TenantId
from service.numbers.models import Number, Step
from service.numbers.repository import Change
from service.numbers.steps import Done, Later
from service.quotas.errors import QuotaExceeded
from service.teli.listing import Row
from tests.fakes.play import give_up
from tests.fakes.purchases import Purchases
from tests.fakes.scene import (
    FIRST,
    PHONES,
    ROWS,
    SECOND,
    TENANTS,
    principal,
)


class Holdings(Purchases):
    async def give_back(self, chance: Random) -> None:
        """A release as it goes mostly."""
        held = [number for number in self.world.numbers.values() if number.state == "active"]
        if not held:
            return
        number = chance.choice(held)
        tenant = TenantId(number.tenant_id)
        if chance.random() < 0.2:
            await self.both.change(lambda world: give_up(world, number), "numbers", "quotas")
        begun = await self.both.ask(
            "numbers", "begin_release", principal(tenant), E164(number.phone_number), acquisition=number.id,
            request_id="r",
        )  # fmt: skip
        if isinstance(begun, QuotaExceeded):
            return
        real, twin = await self.both.ask_both("steps", "claim", step_id=begun.step_id, tenant=tenant)
        self.claimed += zip(real, twin, strict=True)
        if twin and chance.random() < 0.9:
            await self.both.ask("numbers", "released", self.claimed[-1], tenant)
            await self.both.ask("steps", "close", self.claimed[-1], Done("released"), tenant=tenant)

    # -- Steps ---------------------------------------------------------------------------------------------------------

    async def claim(self, chance: Random) -> None:
        real, twin = await self.both.ask_both(
            "steps",
            "claim",
            limit=chance.choice((1, 4, 100)),
            account=chance.choice((None, FIRST, SECOND)),
            role="worker",
        )
        self.claimed += zip(real, twin, strict=True)

    async def claim_one(self, chance: Random) -> None:
        if self.world.steps:
            named = chance.choice(list(self.world.steps.values()))
            tenant = TenantId(chance.choice((named.tenant_id, named.tenant_id, "beta")))
            real, twin = await self.both.ask_both("steps", "claim", step_id=named.id, tenant=tenant)
            self.claimed += zip(real, twin, strict=True)

    def _held(self, chance: Random) -> tuple[tuple[Step, Step], TenantId | None, str]:
        """A step that somebody claimed, maybe long ago, and who it is."""
        held = chance.choice(self.claimed[-6:])
        tenant = chance.choice((None, TenantId(held[0].tenant_id)))
        return held, tenant, "worker" if tenant is None else "api"

    async def close(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            result = chance.choice(
                (
                    Done("done"),
                    Done("failed", state="failed", answer={"status": 502, "body": "text"}),
                    Done("?", state="unresolved"),
                    Later("later"),
                    Later("x" * 600, after=chance.choice((0.0, 7.5)), found={"looks": 1}),
                )
            )
            await self.both.ask("steps", "close", held, result, tenant=tenant, role=role)

    async def about_to_send(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            await self.both.ask("steps", "about_to_send", held, tenant, role=role)

    async def not_sent(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            await self.both.ask("steps", "not_sent", held, tenant, role=role)

    async def get_step(self, chance: Random) -> None:
        if self.world.steps:
            tenant = TenantId(chance.choice(list(TENANTS)))
            await self.both.ask("steps", "get", chance.choice(list(self.world.steps)), tenant)

    # -- Numbers -------------------------------------------------------------------------------------------------------

    async def _number(self, chance: Random) -> tuple[tuple[Number, Number], TenantId | None, str] | None:
        """A number as each store gives it, to somebody who sees it."""
        if not self.world.numbers:
            return None
        number = chance.choice(list(self.world.numbers.values()))
        tenant = chance.choice((None, TenantId(number.tenant_id)))
        role = "worker" if tenant is None else "api"
        return await self.both.ask_both("numbers", "get", number.id, tenant, role=role), tenant, role

    async def get_number(self, chance: Random) -> None:
        if self.world.numbers:
            tenant = TenantId(chance.choice(list(TENANTS)))
            number_id = chance.choice([*self.world.numbers, self.new_uuid()])
            await self.both.ask("numbers", chance.choice(("get", "with_links")), number_id, tenant)

    async def in_question(self, chance: Random) -> None:
        for number in list(self.world.numbers.values()):
            tenant, role = chance.choice(((None, "worker"), (TenantId(number.tenant_id), "api")))
            await self.both.ask("numbers", "with_question", number.id, tenant, role=role)
            if number.upstream_row_id is not None:
                await self.both.ask("numbers", "shared_by", number, role="worker")

    async def users(self, chance: Random) -> None:
        if (found := await self._number(chance)) is not None:
            number, tenant, role = found
            granted = number[0].tenant_id, number[0].organization_id
            if chance.random() < 0.2:
                await self.both.change(lambda world: world.revoke(*granted), "grants")
            uuid = f"uuid-{number[0].user_id}-{chance.randrange(3)}"
            await self.both.ask("numbers", "learn_user", number, uuid, tenant, role=role)
            await self.both.ask("numbers", "user_uuid", number, tenant, role=role)

    async def confirm(self, chance: Random) -> None:
        if (found := await self._number(chance)) is not None:
            number, tenant, role = found
            nickname = chance.choice((number[0].mark + "desk", number[0].mark.lower(), None, "desk", "[NOMARK] x"))
            row = Row(
                chance.choice(ROWS[:4]), number[0].phone_number, "north", "ann", nickname, chance.choice((None, "sub")),
                chance.choice((None, "2026-01-01")), None, None,
            )  # fmt: skip
            await self.both.ask(
                "numbers", "confirm", number, row, tenant, unmark_after=100.5, request_id="r", role=role
            )

    async def unmarked(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            await self.both.ask("numbers", "unmarked", held, chance.choice(("", "desk")), tenant, role=role)

    def _holder(self, chance: Random) -> str:
        """Mostly a tenant that has numbers, or had."""
        holders = [number.tenant_id for number in self.world.numbers.values()]
        return chance.choice(holders if holders and chance.random() < 0.9 else list(TENANTS))

    async def want(self, chance: Random) -> None:
        tenant = self._holder(chance)
        members = ("nickname", "inbound_agent_id", "outbound_agent_id")
        given = frozenset(chance.sample(members, chance.choice((1, 2, 3))))
        change = Change(given, **{name: chance.choice((None, "a", "b")) for name in given})
        await self.both.ask(
            "numbers",
            "want",
            principal(tenant),
            E164(self._phone(chance, tenant)),
            change,
            request_id="r",
            once=self._once(chance, tenant),
        )

    def _once(self, chance: Random, tenant: str) -> Once:
        """Often without a key; else with one that may have been used, for the same or another request."""
        key = chance.choice((None, "k", "l"))
        return Once(tenant, chance.choice(("POST /a", "DELETE /b")), key, chance.choice((b"\1", b"\1", b"\2")))

    def _phone(self, chance: Random, tenant: str) -> str:
        """Mostly one that the tenant has, or had."""
        own = [one.phone_number for one in self.world.numbers.values() if one.tenant_id == tenant]
        return chance.choice(own or PHONES) if chance.random() < 0.9 else chance.choice(PHONES)

    async def push(self, chance: Random) -> None:
        """Teli took, or would not have, what was sent for a step."""
        if not self.claimed:
            return
        held, tenant, role = self._held(chance)
        (number, links, _), (twin, *_) = await self.both.ask_both(
            "numbers", "with_links", held[0].number_id, tenant, role=role
        )
        body = {name: chance.choice(("", "a", "b")) for name in ("nickname", "inbound_agent_id", "outbound_agent_id")}
        body |= {f"{one}_agent_id": link.desired or "" for one, link in links.items() if chance.random() < 0.7}
        body = {name: value for name, value in body.items() if chance.random() < 0.6}
        await self.wait(chance)
        if chance.random() < 0.3:  # Something else is wanted by now.
            wanted = Change(frozenset({"nickname"}), nickname=chance.choice((None, "c")))
            caller, phone_number = principal(number.tenant_id), E164(number.phone_number)
            await self.both.ask("numbers", "want", caller, phone_number, wanted, request_id="r")
        if chance.random() < 0.5:
            await self.both.ask("numbers", "pushed", (number, twin), body, tenant, role=role)
        else:
            await self.both.ask("numbers", "push_refused", held, (number, twin), body, "no", tenant, role=role)

    async def begin_release(self, chance: Random) -> None:
        tenant = self._holder(chance)
        of_tenant = [one.id for one in self.world.numbers.values() if one.tenant_id == tenant]
        await self.both.ask(
            "numbers",
            "begin_release",
            principal(tenant),
            E164(self._phone(chance, tenant)),
            acquisition=chance.choice((None, None, *of_tenant)),
            request_id="r",
            once=self._once(chance, tenant),
        )

    async def second_thoughts(self, chance: Random) -> None:
        """A release is scheduled, taken back, or found due."""
        tenant = self._holder(chance)
        of_tenant = [one.id for one in self.world.numbers.values() if one.tenant_id == tenant]
        if not of_tenant:
            return
        which, scheduled = chance.choice(of_tenant), chance.random() < 0.6
        once = replace(self._once(chance, tenant), scope="POST /release" if scheduled else "POST /restore")
        asked = {"reason": chance.choice((None, "why")), "request_id": "r", "once": once}
        if scheduled:
            await self.both.ask("grace", "schedule", principal(tenant), which, force=False, **asked)
        else:
            await self.both.ask("grace", "restore", principal(tenant), which, **asked)
        if self.claimed:
            held, tenant_of, role = self._held(chance)
            if held[1].kind == "release":
                await self.both.ask("numbers", "grace_is_over", held, tenant_of, role=role)

    async def released(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            await self.both.ask("numbers", "released", held, tenant, role=role)

    async def earlier_rows(self, chance: Random) -> None:
        if (found := await self._number(chance)) is not None:
            newest = max(self.world.numbers.values(), key=lambda number: number.acquired_at)
            await self.both.ask("numbers", "earlier_rows", newest, role="worker", arrange=sorted)
            await self.both.ask("numbers", "earlier_rows", found[0], role="worker", arrange=sorted)

    async def release_unresolved(self, chance: Random) -> None:
        if self.claimed:
            held, tenant, role = self._held(chance)
            number = await self.both.ask_both("numbers", "get", held[0].number_id, tenant, role=role)
            await self.both.ask("numbers", "release_unresolved", held, number, "why", tenant, role=role)
