"""The ledger in memory: the functions `admit`, `settle` and `lapse_sends` of the database, line by line."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from math import ceil
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.exc import NoResultFound

from service.agents.models import AgentLink
from service.idempotency.models import IdempotencyKey
from service.kit.clock import utc_now
from service.kit.types import TenantId
from service.numbers.ledger import SEND_WITHIN, Admission, Ledger, LostSale, NoSuchIntent
from service.numbers.models import Attempt, Evidence, Intent, QueuePlace, SendSlot
from service.reconciliation.models import Orphan
from service.teli.client import SendBy
from service.tenants.upstreams import DEFAULT
from tests.fakes import orders, quotas
from tests.fakes.world import OPEN, World, alter, made

ALIVE = timedelta(seconds=3)
RENEWED_BELOW = timedelta(seconds=2)
PLACES_KEPT = timedelta(minutes=1)
# An item of an order takes no place in the queue before it has been told so for so long; and then leaves it soon.
BULK_GIVES_WAY_FOR = timedelta(seconds=10)
OF_AN_ITEM_KEPT = timedelta(seconds=5)
REFUSALS_REPEATED = timedelta(seconds=60)
TAKEN_OVER_WITHIN = timedelta(minutes=10)
STAND = ("presumed", "operator")
NEVER_TAKEN_OVER = ("unresolved",)
EVENTS = {"owned": "number.acquired", "refused": "number.refused", "doubtful": "number.doubtful"}

TYPE = re.compile(r'"phone_number_type"\s*:\s*"([^"\\]+)"')


class LedgerInMemory(Ledger):
    def __init__(self, world: World) -> None:
        self._world = world

    async def admit(self, ask: dict[str, Any]) -> Admission:
        send_by = SendBy.within(SEND_WITHIN)
        said = self._admit(ask, utc_now())
        return Admission(said["outcome"], said, send_by)

    def _admit(self, ask: dict[str, Any], now: datetime) -> dict[str, Any]:
        world, tenant_id, key = self._world, ask["tenant_id"], ask["key"]
        fingerprint = bytes.fromhex(ask["fingerprint"])
        item, in_bulk = None, False
        if "order_id" in ask:
            item = orders.item_to_send(world, ask, now)
            if item is None:
                return {"outcome": "gone"}
            in_bulk = item.busy_since is None or item.busy_since > now - BULK_GIVES_WAY_FOR
        else:
            known = self._known(tenant_id, key, fingerprint, now) if key else self._missed(tenant_id, fingerprint, now)
            if known is not None:
                return known
        tenant = world.tenants.get(tenant_id)
        organization, user = ask["organization_id"], ask["user_id"]
        bound = world.organizations[organization].account_id if organization in world.organizations else None
        account = world.accounts[bound or tenant.account_id] if tenant else None
        if (tenant and tenant.state != "active") or (
            world.stops
            and (
                any(scope == "global" for scope, _ in world.stops)
                or ("tenant", tenant_id) in world.stops
                or (account is not None and ("account", str(account.id)) in world.stops)
            )
        ):
            return {"outcome": "stopped"}
        if (tenant_id, organization) not in world.grants:
            return {"outcome": "not_your_organization"}
        assert account is not None  # A grant has a tenant.
        if (organization, user) not in world.users:
            return {"outcome": "unknown_user", "account_id": str(account.id)}
        if account.listed_at is None or (account.name != DEFAULT and "by_account" not in ask):
            return {"outcome": "not_listed"}

        intent_id, in_lanes = UUID(ask["intent_id"]), account.mode == "lane"
        standing = UUID(ask.get("place", ask["intent_id"]))
        line = user if in_lanes else ""
        taken = in_lanes and (account.id, user) in world.lanes
        if self._held_up(account.id, line, standing, ask["replica"], now) or taken:
            why = {} if item is None else {"lane": taken}
            if in_bulk:
                return {"outcome": "busy", "account_id": str(account.id), **why}
            return self._wait(account.id, line, standing, ask, now) | why
        slots = world.slots[account.id]
        # Of several a quarter is kept for purchases that are asked for one by one.
        headroom = ceil(len(slots) / 4) if in_bulk and len(slots) > 1 else 0
        slot = next((one for one in slots if one.slot > headroom and _is_free(one, now)), None)
        if slot is None:
            if in_bulk:
                return {"outcome": "busy", "account_id": str(account.id), "lane": False}
            return self._wait(account.id, "", standing, ask, now)
        if intent_id in world.intents:
            raise _violated("intents_pkey")
        if item is None:
            quota = quotas.reserve(world, ask, now)
        else:
            quota = quotas.send_ordered(world, item, ask["price"], now)
            alter(
                item, outcome="begun", intent_id=intent_id, area_code=ask["area_code"], reason=None,
                claimed_until=None, busy_since=None,
            )  # fmt: skip

        lease_until = now + timedelta(seconds=ask["lease_seconds"])
        alter(slot, intent_id=intent_id, held_until=lease_until)
        world.queue.pop(standing, None)
        if key is not None:
            if (found := world.keys.get((tenant_id, "create", key))) is not None:
                alter(found, intent_id=intent_id)
            else:
                world.keys[tenant_id, "create", key] = made(
                    IdempotencyKey, tenant_id=tenant_id, scope="create", key=key,
                    fingerprint=fingerprint, intent_id=intent_id,
                )  # fmt: skip
        world.add_intent(
            id=intent_id, tenant_id=tenant_id, account_id=account.id, organization_id=organization, user_id=user,
            area_code=ask["area_code"], wish=ask["wish"], idempotency_key=key, mark=ask["mark"],
            request_id=ask["request_id"], state="sending", admitted_at=now, lease_until=lease_until, slot=slot.slot,
            holds_lane=in_lanes, fingerprint=fingerprint if key is None and item is None else None,
            order_id=item and item.order_id, order_seq=item and item.seq, counted_at=item and item.counted_at,
        )  # fmt: skip
        world.attempts[intent_id] = made(Attempt, intent_id=intent_id, tenant_id=tenant_id, admitted_at=now)
        return {
            "outcome": "admitted",
            "account_id": str(account.id),
            "teli_tenant_id": account.teli_tenant_id,
            "slot": slot.slot,
            "lane": in_lanes,
            "quota": quota,
            "spare": self._spare(account.id, ask),
        }

    def _spare(self, account_id: UUID, ask: dict[str, Any]) -> dict[str, Any] | None:
        """The function `spare_number`."""
        near = ask.get("near") or ()
        found = [
            orphan
            for orphan in self._world.orphans_at.get(account_id, ())
            if orphan.state == "open"
            and orphan.reason == "refused_intent"
            and orphan.tenant_id == ask["tenant_id"]
            and orphan.user_id == ask["user_id"]
            and orphan.organization_id == ask["organization_id"]
            and orphan.area_code in near
            and (row := self._world.rows.get((account_id, orphan.row_id or ""))) is not None
            and row.gone_at is None
        ]
        if not found:
            return None
        first = min(found, key=lambda orphan: (near.index(orphan.area_code), orphan.created_at, orphan.id))
        return {
            "orphan_id": str(first.id),
            "phone_number": first.phone_number,
            "row_id": first.row_id,
            "nickname": first.nickname,
        }

    def _known(self, tenant_id: str, key: str, fingerprint: bytes, now: datetime) -> dict[str, Any] | None:
        found = self._world.keys.get((tenant_id, "create", key))
        if found is None or found.intent_id is None:
            return None
        intent, equal = self._world.intents[found.intent_id], found.fingerprint == fingerprint
        if intent.state == "refused" and intent.decision not in STAND and equal:
            assert intent.decided_at is not None
            if intent.decided_at < now - REFUSALS_REPEATED:
                return None
        return {
            "outcome": "known",
            "intent_id": str(intent.id),
            "state": intent.state,
            "fingerprint_equal": equal,
            "answer": intent.answer,
        }

    def _missed(self, tenant_id: str, fingerprint: bytes, now: datetime) -> dict[str, Any] | None:
        """An answer of an equal request without a key that was not delivered: it is this one's now."""
        missed = self._first_missed(tenant_id, fingerprint, now - TAKEN_OVER_WITHIN)
        if missed is None:
            return None
        self._world.deliver(missed)
        return {
            "outcome": "known",
            "intent_id": str(missed.id),
            "state": missed.state,
            "fingerprint_equal": True,
            "answer": missed.answer,
            "joined": True,
        }

    def _first_missed(self, tenant_id: str, fingerprint: bytes, since: datetime) -> Intent | None:
        found = [
            intent
            for intent in self._world.undelivered.get((tenant_id, fingerprint), {}).values()
            if intent.undelivered_at is not None
            and intent.undelivered_at > since
            and intent.state not in NEVER_TAKEN_OVER
        ]
        return min(found, key=lambda intent: intent.undelivered_at or since, default=None)

    def _held_up(self, account_id: UUID, line: str, intent_id: UUID, replica: str, now: datetime) -> bool:
        queue = self._world.queue
        if not queue:
            return False
        mine, asker = queue.get(intent_id), UUID(replica)
        return any(
            one.account_id == account_id
            and one.queue in (line, "")
            and one.alive_until > now
            and one is not mine
            and (mine is None or (one.place < mine.place and one.replica != asker))
            for one in queue.values()
        )

    def _wait(self, account_id: UUID, line: str, intent_id: UUID, ask: dict[str, Any], now: datetime) -> dict[str, Any]:
        """The function `wait_in_queue`. A place number is used up by each who asks, as by the identity's sequence."""
        world, replica, patience = self._world, UUID(ask["replica"]), ask.get("wait_seconds")
        world.places_given += 1
        mine = world.queue.get(intent_id)
        leaves_at = now + (OF_AN_ITEM_KEPT if patience is None else timedelta(seconds=patience))
        if mine is not None:
            alter(mine, queue=line)
            if patience is None:
                alter(mine, replica=replica, leaves_at=leaves_at)
        else:
            mine = world.queue[intent_id] = made(
                QueuePlace, account_id=account_id, queue=line, intent_id=intent_id, place=world.places_given,
                replica=replica, alive_until=now + ALIVE, leaves_at=leaves_at,
            )  # fmt: skip
        for one in world.queue.values():
            if (
                one.account_id == account_id
                and one.replica == replica
                and one.alive_until < min(one.leaves_at, now + RENEWED_BELOW)
            ):
                alter(one, alive_until=min(one.leaves_at, now + ALIVE))
        return {"outcome": "busy", "queue": line, "place": mine.place, "account_id": str(account_id)}

    async def settle(self, ask: dict[str, Any]) -> dict[str, Any]:
        world, tenant_id, now = self._world, ask["tenant_id"], utc_now()
        intent = world.intents.get(UUID(ask["intent_id"]))
        if intent is None or intent.tenant_id != tenant_id:
            raise NoSuchIntent
        verdict, reason, bought, state = ask["verdict"], ask.get("reason"), ask.get("number") or {}, intent.state
        is_open = state in OPEN
        spare = None
        if "orphan_id" in bought and state != "owned":
            spare = self._to_be_had(intent, UUID(bought["orphan_id"])) if is_open else None
            if spare is None:
                return {"state": state, "moved": False, "reason": "not_to_be_had", "answer": None}
        answered = ask["evidence"]["kind"] not in ("listing", "operator")
        if (
            verdict == "owned"
            and is_open
            and (
                self._held_elsewhere(intent, bought["phone_number"])
                or (answered and spare is None and self._known_before(intent, bought["phone_number"]))
            )
        ):
            verdict, reason = "doubtful", "number_already_held"
        moves = is_open if verdict in ("owned", "refused") else verdict == "doubtful" and state == "sending"
        if spare is not None:
            self._have(spare)
        if answered or moves:
            self._hear(intent, ask["evidence"])
        if verdict == "owned" and not moves and answered and self._is_news(intent, bought["phone_number"]):
            self._keep_late_proof(intent, bought["phone_number"], bought["area_code"])
            return {"state": state, "moved": False, "reason": "late_proof", "answer": intent.answer}
        if not moves:
            if answered and reason == "number_already_held" and intent.named_number is None:
                alter(intent, named_number=bought.get("phone_number"))
            if verdict == "owned" and answered and bought.get("type") is not None and intent.number_id is not None:
                alter(world.numbers[intent.number_id], number_type=bought["type"])
            return {"state": state, "moved": False, "reason": reason, "answer": intent.answer}

        world.free_slot(intent)
        keeps_lane = kept = False
        if verdict == "owned":
            self._own(intent, bought, ask, now)
            if intent.named_number not in (None, bought["phone_number"]):
                kept = self._keep_what_was_named(intent, intent.named_number)
        if verdict == "doubtful":
            # The user is seen through a grant, which may have been taken away meanwhile.
            granted = (tenant_id, intent.organization_id) in world.grants
            keeps_lane = intent.holds_lane and granted and world.is_exclusive(intent.organization_id, intent.user_id)
        quota = None if verdict == "doubtful" else quotas.settle(world, intent, owned=verdict == "owned")
        attempt, doubtful = world.attempts[intent.id], verdict == "doubtful"
        if attempt.ended_at is None:
            alter(attempt, ended_at=now)
        answer = None if doubtful else ask.get("answer")
        world.move(
            intent,
            verdict,
            holds_lane=keeps_lane,
            decided_at=None if doubtful else now,
            send_ended_at=intent.send_ended_at or now,
            decision=reason,
            number_id=UUID(bought["id"]) if verdict == "owned" else None,
            named_number=bought.get("phone_number") if doubtful else None,
            answer=answer,
        )
        orders.item_follows(world, intent)
        world.note(f"intent.{verdict}")
        world.tell(EVENTS[verdict])
        proof = {"proof_kept": True} if kept else {}
        return {"state": verdict, "moved": True, "reason": reason, "answer": answer, "quota": quota} | proof

    def _to_be_had(self, intent: Intent, orphan_id: UUID) -> Orphan | None:
        """An orphan that is reused, while it can be."""
        orphan = self._world.orphans.get(orphan_id)
        if orphan is None or orphan.tenant_id != intent.tenant_id or orphan.state != "open":
            return None
        return None if self._held_elsewhere(intent, orphan.phone_number) else orphan

    def _have(self, spare: Orphan) -> None:
        """With late proof of the same sale, which may have been filed beside its row."""
        alter(spare, state="adopted")
        for other in self._world.orphans_of_intent.get(spare.intent_id, ()) if spare.intent_id else ():
            if other.state == "open" and other.phone_number == spare.phone_number:
                alter(other, state="adopted")

    def _known_before(self, intent: Intent, phone_number: str) -> bool:
        """The function `known_before`."""
        world, account, at = self._world, intent.account_id, intent.admitted_at
        return (
            any(
                one.intent_id != intent.id and one.released_at is not None and one.released_at > at
                for one in world.acquisitions.get((account, phone_number), ())
            )
            or any(
                (world.carries_anothers_mark(intent, row.nickname) or world.listed_before(row, at, intent.mark))
                for row in world.rows.values()
                if row.account_id == account and row.phone_number == phone_number and row.gone_at is None
                and (account, row.row_id) not in world.owners
            )
            or any(
                one.phone_number == phone_number and one.state == "open" and one.row_id is None
                and one.created_at < at and one.intent_id != intent.id
                for one in world.orphans_at.get(account, ())
            )
        )  # fmt: skip

    def _held_elsewhere(self, intent: Intent, phone_number: str) -> bool:
        world = self._world
        live = world.live(intent.account_id, phone_number)
        if live is not None and live.intent_id != intent.id:
            return True
        return any(
            one.phone_number == phone_number and one.gone_at is None and one.account_id == intent.account_id
            for one in world.existing.values()
        )

    def _hear(self, intent: Intent, heard: dict[str, Any]) -> None:
        at = heard["at"]
        self._world.evidence.append(
            made(
                Evidence,
                id=len(self._world.evidence) + 1,
                intent_id=intent.id,
                tenant_id=intent.tenant_id,
                heard_at=datetime.fromisoformat(at),
                kind=heard["kind"],
                status=heard.get("status"),
                headers=heard.get("headers"),
                body=heard.get("body"),
                detail=heard.get("detail"),
            )
        )

    def _is_news(self, intent: Intent, phone_number: str) -> bool:
        """Proof of a purchase that this intent does not own."""
        owned = self._world.numbers.get(intent.number_id) if intent.number_id else None
        return intent.state == "refused" or owned is None or owned.phone_number != phone_number

    def _keep_what_was_named(self, intent: Intent, named: str) -> bool:
        """Its answer named a number that was held already, and its own is another."""
        world = self._world
        heard = max(
            (one.heard_at for one in world.evidence if one.intent_id == intent.id and is_sale(one)), default=None
        )
        is_explained = heard is not None and any(
            one.acquired_at <= heard and (one.released_at is None or one.released_at > heard)
            for one in world.acquisitions.get((intent.account_id, named), ())
        )
        return not is_explained and self._keep_late_proof(intent, named, named[2:5])

    def _keep_late_proof(self, intent: Intent, phone_number: str, area_code: str) -> bool:
        world = self._world
        if any(one.phone_number == phone_number for one in world.orphans_of_intent.get(intent.id, ())):
            return False
        world.add_orphan(
            intent.account_id, phone_number, "late_proof", tenant_id=intent.tenant_id, user_id=intent.user_id,
            organization_id=intent.organization_id, area_code=area_code, intent_id=intent.id,
        )  # fmt: skip
        world.tell("number.orphaned")
        return True

    def _own(self, intent: Intent, bought: dict[str, Any], ask: dict[str, Any], now: datetime) -> None:
        world, tenant_id, wish, request_id = self._world, intent.tenant_id, intent.wish, ask["request_id"]
        number_id, nickname, mark, shown = UUID(bought["id"]), wish.get("nickname"), intent.mark, bought.get("nickname")
        world.add_number(
            id=number_id, tenant_id=tenant_id, account_id=intent.account_id, organization_id=intent.organization_id,
            user_id=intent.user_id, phone_number=bought["phone_number"], pretty=bought["pretty"],
            area_code=bought["area_code"], number_type=self._type_of(intent, bought), nickname=nickname,
            upstream_nickname=(mark + (nickname or "")).rstrip(" ") if shown is None else shown,
            cost_center=wish.get("cost_center"), tags=list(wish.get("tags") or ()), state="active", intent_id=intent.id,
            mark=mark if bought.get("mark") is None else bought["mark"], acquired_at=now,
        )  # fmt: skip
        world.owe(tenant_id, number_id, "confirm", request_id=request_id)
        given = []
        for direction in ("inbound", "outbound"):
            if (agent := wish.get(f"{direction}_agent_id")) is not None:
                world.links.setdefault(number_id, {})[direction] = made(
                    AgentLink, number_id=number_id, direction=direction, tenant_id=tenant_id, desired=agent
                )
                given.append(f"{direction}_agent_id")
        if "orphan_id" in bought:
            given.append("nickname")
        if given:
            world.owe(tenant_id, number_id, "push", actor=ask["actor"], request_id=request_id, given=given)

    def _type_of(self, intent: Intent, bought: dict[str, Any]) -> str | None:
        """As its sale names it; else as what was sold to the organisation last."""
        if bought.get("type") is not None:
            return str(bought["type"])
        orphan = self._world.orphans.get(UUID(bought["orphan_id"])) if "orphan_id" in bought else None
        of = {intent.id, orphan.intent_id if orphan else None}
        for heard in reversed(self._world.evidence):
            body = heard.body or ""
            names_it = 200 <= (heard.status or 0) < 300 and bought["phone_number"] in body
            if heard.intent_id in of and names_it and (named := TYPE.search(body)) is not None:
                return named[1]
        typed = [
            one
            for one in self._world.numbers.values()
            if one.account_id == intent.account_id
            and one.organization_id == intent.organization_id
            and one.number_type is not None
        ]
        return max(typed, key=lambda one: (one.acquired_at, one.id)).number_type if typed else None

    async def named_by(self, tenant: TenantId, key: str, mark: str = "") -> dict[str, Any] | None:
        found = self._world.keys.get((tenant, "create", key))
        if found is None or found.intent_id is None:
            return None
        intent = self._world.intents[found.intent_id]
        return {
            "intent_id": str(intent.id),
            "state": intent.state,
            "answer": intent.answer,
            "fingerprint": found.fingerprint,
        }

    async def look(self, tenant: TenantId, intent_id: UUID) -> tuple[str, dict[str, Any] | None]:
        intent = self._world.intents.get(intent_id)
        if intent is None or intent.tenant_id != tenant:
            raise NoResultFound
        return intent.state, intent.answer

    async def undelivered(self, tenant: TenantId, intent_id: UUID) -> None:
        intent = self._world.intents.get(intent_id)
        if intent is not None and intent.tenant_id == tenant and intent.fingerprint is not None:
            self._world.leave_undelivered(intent)

    async def leave_queue(self, tenant: TenantId, intent_id: UUID) -> None:
        self._world.queue.pop(intent_id, None)

    async def lapse(self, *, limit: int) -> Sequence[UUID]:
        world, now = self._world, utc_now()
        over = [
            intent
            for intents in world.open_intents.values()
            for intent in intents.values()
            if intent.state == "sending" and intent.lease_until < now
        ]
        over.sort(key=lambda intent: (intent.lease_until, intent.id))
        for intent in over[:limit]:
            keeps_lane = intent.holds_lane and world.is_exclusive(intent.organization_id, intent.user_id)
            world.move(
                intent, "doubtful", holds_lane=keeps_lane, send_ended_at=intent.lease_until, decision="sender_lost"
            )
            world.free_slot(intent)
            world.note("intent.doubtful")
            world.tell("number.doubtful")
        for place in [one for one in world.queue.values() if one.alive_until < now - PLACES_KEPT]:
            del world.queue[place.intent_id]
        return [intent.id for intent in over[:limit]]

    async def keep_lost(self, tenant: TenantId, sale: LostSale) -> None:
        assert sale.account_id is not None  # A column that is never null.
        self._world.add_orphan(
            sale.account_id, sale.phone_number, "intent_lost", tenant_id=tenant, organization_id=sale.organization_id,
            user_id=sale.user_id, area_code=sale.area_code, nickname=sale.nickname, intent_id=sale.intent_id,
        )  # fmt: skip


def _is_free(slot: SendSlot, now: datetime) -> bool:
    return slot.intent_id is None or (slot.held_until is not None and slot.held_until < now)


def _violated(constraint: str) -> asyncpg.UniqueViolationError:
    error = asyncpg.UniqueViolationError(f'duplicate key value violates unique constraint "{constraint}"')
    error.constraint_name = constraint
    return error


def is_sale(heard: Evidence) -> bool:
    return heard.kind == "answer" and heard.status is not None and 200 <= heard.status < 300
