"""What may be asked about purchases, and how they mostly go."""

from dataclasses import replace
from random import Random
from typing import Any
from uuid import UUID

from service.kit.clock import utc_now
from service.kit.types import TenantId
from service.numbers.ledger import Admission, LostSale
from tests.fakes.both import Role
from tests.fakes.play import Play, row_of
from tests.fakes.scene import (
    KEYS,
    ORGANIZATIONS,
    PHONES,
    REPLICAS,
    ROWS,
    TAGS,
    TENANTS,
    USERS,
)

LONGEST_WAIT = 20.0


class Purchases(Play):
    async def admit(self, chance: Random) -> None:
        tenant = chance.choice(list(TENANTS))
        mostly = chance.random() < 0.95
        organization = chance.choice(ORGANIZATIONS[tenant] if mostly else list(USERS))
        key = chance.choice((*KEYS, None, None))
        intent_id = self.new_uuid()
        ask = {
            "tenant_id": tenant,
            "intent_id": str(intent_id),
            "organization_id": organization,
            "user_id": chance.choice(USERS[organization] if mostly else ("cat",)),
            "area_code": "313",
            "near": chance.choice((["313"], ["212", "313"])),
            "wish": {
                "nickname": chance.choice((None, "desk ", "")),
                "cost_center": chance.choice((None, "c1")),
                "tags": chance.choice(([], ["x", "y"])),
                "inbound_agent_id": chance.choice((None, None, "agent-1")),
                "outbound_agent_id": chance.choice((None, None, "agent-2")),
            },
            "key": key,
            "fingerprint": chance.choice(("00ff", "00ff", "00ff", "aa")),
            "mark": f"[{TAGS[tenant]}{key.upper() if key else '99'}{0 if key else self.count:06d}] ",
            "request_id": f"request {self.count}",
            "replica": str(chance.choice(REPLICAS)),
            "price": 3,
            "lease_seconds": chance.choice((5.0, 210.0)),
            "wait_seconds": chance.choice((1.0, LONGEST_WAIT)),
            **({"by_account": True} if mostly else {}),
        }
        self.intents.append(ask)
        await self._admit(ask)

    async def _admit(self, ask: dict[str, Any]) -> Any:
        """Of numbers to be had that were found at the same time it is nobody's promise which one is offered."""

        def ranked(admission: Admission) -> Any:
            offered = admission.said.get("spare")
            if offered is None:
                return admission
            orphan = self.world.orphans[UUID(offered["orphan_id"])]
            return replace(admission, said=admission.said | {"spare": (orphan.area_code, orphan.created_at)})

        role: Role = "worker" if "order_id" in ask else "api"
        return await self.both.ask("ledger", "admit", ask, arrange=ranked, role=role)

    async def admit_again(self, chance: Random) -> None:
        """As one who waits for its turn does, and as a repeated key."""
        if self.intents:
            await self._admit(chance.choice(self.intents[-6:]))

    async def crowd(self, chance: Random) -> None:
        """More than can be sent at once, from two processes, asking again and again; now and then one is done."""
        await self.admit(chance)
        first, asked = self.intents[-1], [self.intents[-1]]
        for _ in range(chance.choice((3, 6, 10))):
            ask = first | {
                "intent_id": str(self.new_uuid()),
                "key": None,
                "user_id": chance.choice((first["user_id"], *USERS[first["organization_id"]])),
                "replica": str(chance.choice(REPLICAS)),
                "wait_seconds": chance.choice((1.0, LONGEST_WAIT)),
            }
            self.intents.append(ask)
            asked.append(ask)
            await self._admit(ask)
            self.both.still.pass_time(chance.choice((0.0, 0.3)))
        for _ in range(12):
            self.both.still.pass_time(chance.choice((0.2, 0.8, 1.7, 3.5)))
            ask = chance.choice(asked)
            if UUID(ask["intent_id"]) not in self.world.intents:
                await self._admit(ask)
            elif chance.random() < 0.5:
                await self._refuse(ask)

    async def keyed(self, chance: Random) -> None:
        """One key, refused and asked again: soon or late, by the same body or another."""
        await self.admit(chance)
        asked = self.intents[-1] | {"key": "again", "intent_id": str(self.new_uuid())}
        for fingerprint in ("00ff", "00ff", chance.choice(("00ff", "00ff", "aa"))):
            ask = asked | {"intent_id": str(self.new_uuid()), "fingerprint": fingerprint}
            self.intents.append(ask)
            await self._admit(ask)
            if UUID(ask["intent_id"]) in self.world.intents:
                question = {
                    "tenant_id": ask["tenant_id"], "intent_id": ask["intent_id"], "request_id": "r", "actor": "key:1",
                    "verdict": "refused", "reason": chance.choice(("presumed", "said", "said")),
                    "evidence": {"at": utc_now().isoformat(), "kind": "never_sent"}, "answer": {"status": 409},
                }  # fmt: skip
                await self.both.ask("ledger", "settle", question)
            self.both.still.pass_time(chance.choice((10, 61)))

    async def settle(self, chance: Random) -> None:
        if not self.intents:
            return
        asked = chance.choice(self.intents)
        if chance.random() < 0.95 and self.world.intents:
            asked = self._asked(chance.choice(list(self.world.intents)[-8:]))
        verdict = chance.choice(("owned", "owned", "owned", "refused", "doubtful", "doubtful"))
        phone_number = chance.choice(PHONES)
        question: dict[str, Any] = {
            "tenant_id": asked["tenant_id"] if chance.random() < 0.95 else chance.choice(list(TENANTS)),
            "intent_id": asked["intent_id"] if chance.random() < 0.97 else str(self.new_uuid()),
            "request_id": asked["request_id"],
            "actor": "key:1",
            "verdict": verdict,
            "reason": chance.choice(("presumed", "operator", "said", "bad_request"))
            if verdict == "refused"
            else "because",
            "evidence": chance.choice(
                (
                    {"at": utc_now().isoformat(), "kind": "broken", "status": None, "headers": {}, "body": None,
                     "detail": "reset"},
                    {"at": utc_now().isoformat().replace("+00:00", "Z"), "kind": "answer", "status": 200,
                     "headers": {"a": "b"}, "body": "{}", "detail": None},
                    {"at": utc_now().isoformat(), "kind": "listing", "detail": "seen"},
                )
            ),
        }  # fmt: skip
        if verdict == "owned":
            question["number"] = {
                "id": str(self.new_uuid()),
                "phone_number": phone_number,
                "pretty": f"pretty {phone_number}",
                "area_code": phone_number[2:5],
                "type": chance.choice((None, "local")),
            }
        elif chance.random() < 0.5:
            question["number"] = {"phone_number": phone_number} if verdict == "doubtful" else None
        if verdict != "doubtful":
            question["answer"] = {"status": 200 if verdict == "owned" else 409, "headers": {"x": "y"}, "body": "text"}
        # Only a sender says "doubtful", and it acts for its tenant.
        role = "worker" if verdict != "doubtful" and question["tenant_id"] == asked["tenant_id"] else "api"
        await self.both.ask("ledger", "settle", question, role=role if chance.random() < 0.3 else "api")

    def _asked(self, intent_id: UUID) -> dict[str, Any]:
        return next(ask for ask in self.intents if ask["intent_id"] == str(intent_id))

    async def named_by(self, chance: Random) -> None:
        await self.both.ask("ledger", "named_by", TenantId(chance.choice(list(TENANTS))), chance.choice(KEYS))

    async def look(self, chance: Random) -> None:
        if self.intents:
            tenant = TenantId(chance.choice(list(TENANTS)))
            await self.both.ask("ledger", "look", tenant, UUID(chance.choice(self.intents)["intent_id"]))

    async def undelivered(self, chance: Random) -> None:
        """The answer of some request was not delivered, and mostly an equal one comes after a while."""
        if not self.intents:
            return
        asked = chance.choice(self.intents[-6:])
        tenant = asked["tenant_id"] if chance.random() < 0.95 else chance.choice(list(TENANTS))
        await self.both.ask("ledger", "undelivered", TenantId(tenant), UUID(asked["intent_id"]))
        self.both.still.pass_time(chance.choice((1, 500, 601)))
        for _ in range(chance.choice((0, 1, 2))):
            again = asked | {"intent_id": str(self.new_uuid()), "key": chance.choice((None, None, asked["key"]))}
            self.intents.append(again)
            await self._admit(again)

    async def leave_queue(self, chance: Random) -> None:
        if self.intents:
            asked = chance.choice(self.intents)
            await self.both.ask("ledger", "leave_queue", TenantId(asked["tenant_id"]), UUID(asked["intent_id"]))

    async def lapse(self, chance: Random) -> None:
        await self.both.ask("ledger", "lapse", limit=chance.choice((1, 100)), role="worker")

    async def keep_lost(self, chance: Random) -> None:
        tenant = chance.choice(list(TENANTS))
        sale = LostSale(TENANTS[tenant], "north", "ann", "313", chance.choice(PHONES), "[MARK]", self.new_uuid())
        await self.both.ask("ledger", "keep_lost", TenantId(tenant), sale)

    async def purchase(self, chance: Random) -> None:
        """One as it goes mostly: admitted, sold, its row seen."""
        await self.admit(chance)
        asked = self.intents[-1]
        intent = self.world.intents.get(UUID(asked["intent_id"]))
        if intent is None or intent.state != "sending":
            return
        free = [phone for phone in PHONES if self.world.live(intent.account_id, phone) is None]
        again = [phone for phone in free if (intent.account_id, phone) in self.world.acquisitions]
        phone_number = chance.choice(again if again and chance.random() < 0.5 else free or PHONES)
        question = {
            "tenant_id": intent.tenant_id, "intent_id": asked["intent_id"], "request_id": "r", "actor": "key:1",
            "verdict": "owned", "reason": "answer", "answer": {"status": 200, "headers": {}, "body": "{}"},
            "evidence": {"at": utc_now().isoformat(), "kind": "answer", "status": 200, "headers": {}, "body": "{}"},
            "number": {"id": str(self.new_uuid()), "phone_number": phone_number, "pretty": "", "area_code": "313"},
        }  # fmt: skip
        settled = await self.both.ask("ledger", "settle", question)
        taken = {row_id for account_id, row_id in self.world.owners if account_id == intent.account_id}
        rows = [row for row in ROWS if row not in taken]
        if settled["state"] == "owned" and rows and chance.random() < 0.8:
            assert intent.number_id is not None
            number = await self.both.ask_both("numbers", "get", intent.number_id, None, role="worker")
            row = row_of(chance.choice(rows), phone_number, intent.user_id, intent.mark)
            await self.both.ask(
                "numbers", "confirm", number, row, None, unmark_after=60.0, request_id="r", role="worker"
            )

    async def doubt(self, chance: Random) -> None:
        """A send whose outcome is not proved."""
        await self.admit(chance)
        asked = self.intents[-1]
        intent = self.world.intents.get(UUID(asked["intent_id"]))
        if intent is None or intent.state != "sending":
            return
        question = {
            "tenant_id": intent.tenant_id, "intent_id": asked["intent_id"], "request_id": "r", "actor": "key:1",
            "verdict": "doubtful", "reason": "reset",
            "evidence": {"at": utc_now().isoformat(), "kind": "broken", "detail": "reset"},
        }  # fmt: skip
        granted = intent.tenant_id, intent.organization_id
        if chance.random() < 0.15:
            await self.both.change(lambda world: world.revoke(*granted), "grants")
        held = [number for number in self.world.numbers.values() if number.account_id == intent.account_id]
        if held and chance.random() < 0.4:
            phone_number = chance.choice(held).phone_number
            sold = {"id": str(self.new_uuid()), "phone_number": phone_number, "pretty": "", "area_code": "313"}
            question |= {"verdict": "owned", "number": sold, "answer": {"status": 200}}
        await self.both.ask("ledger", "settle", question)

    async def _refuse(self, asked: dict[str, Any]) -> None:
        question = {
            "tenant_id": asked["tenant_id"], "intent_id": asked["intent_id"], "request_id": "r", "actor": "key:1",
            "verdict": "refused", "reason": "said", "answer": {"status": 409},
            "evidence": {"at": utc_now().isoformat(), "kind": "never_sent"},
        }  # fmt: skip
        await self.both.ask("ledger", "settle", question)
