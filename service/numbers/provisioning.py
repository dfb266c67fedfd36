"""One purchase: admitted, sent once, settled; or joined, where its key is already known.

The purchase is a task of its own that neither a caller who leaves nor a deadline stops. What the caller waits for is
only the telling of its outcome.
"""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

import structlog

from service.db import CommitUnknown
from service.idempotency.answers import Answer
from service.idempotency.keys import Ask, IdempotencyKeyInProgress, IdempotencyKeyReused
from service.kit.clock import monotonic
from service.kit.crypto import Secret
from service.kit.errors import ServiceError, StorageUnavailable
from service.kit.phone import neighbours
from service.kit.types import TenantId, new_id
from service.numbers.admission import Admissions
from service.numbers.drain import Drain
from service.numbers.errors import (
    Draining,
    PurchasesStopped,
    UnknownUser,
    UpstreamUnavailable,
)
from service.numbers.ledger import Admission, Ledger
from service.numbers.marks import make_mark
from service.numbers.policy import refusal_of
from service.numbers.purchases import OPERATION_STATES, Answered, Ordered, Pending, Purchase, Wish
from service.numbers.sending import Sending, lease
from service.observability.metrics import ADMISSIONS, JOINED, PURCHASES_IN_FLIGHT, REPLAYS
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import Entry, Gate
from service.tenants.directory import Directory
from service.tenants.principals import NotYourOrganization, Principal

# Seconds that an admission takes where it need not wait for a lane, and many more.
QUICKLY = 0.25
log = structlog.get_logger()


class Provisioning:
    def __init__(
        self,
        *,
        ledger: Ledger,
        gate: Gate,
        sending: Sending,
        directory: Directory,
        secret: Secret,
        drain: Drain,
        answer_within: float,
        upstream_timeout: float,
        price: int,
    ) -> None:
        self._ledger = ledger
        self._gate = gate
        self._sending = sending
        self._directory = directory
        self._secret = secret
        self._answer_within = answer_within
        self._lease = lease(upstream_timeout)
        self._price = price
        self._admissions = Admissions(ledger, wait_at_most=answer_within)
        self._replica = new_id()
        self._under_way: dict[UUID, Purchase] = {}
        self._by_key: dict[tuple[TenantId, str], Purchase] = {}
        self._looks: WeakValueDictionary[TenantId, asyncio.Lock] = WeakValueDictionary()
        self._drain = drain

    async def buy(
        self,
        caller: Principal,
        wish: Wish,
        ask: Ask,
        entry: Entry,
        *,
        within: float | None,
        gone: "asyncio.Future[None]",
        request_id: str,
    ) -> Answered | Pending:
        """Buy one number, or tell what became of the purchase this key already names.

        Without a key an equal request's purchase is told instead, where that one was not told; and what this one is not
        told, since it is still pending or the caller is gone, is left for the next.
        `entry`: what the gate knew. `within`: seconds the caller wants to wait for the outcome; None is the default
        patience. `gone`: done once the caller is.
        Raises: QuotaExceeded, RateLimited, IdempotencyKeyReused, IdempotencyKeyInProgress, LaneBusy, UnknownUser,
            NotYourOrganization, InvalidAreaCode and InvalidRequest where the tenant's policy forbids it,
            PurchasesStopped, UpstreamUnavailable, Draining, StorageUnavailable: in each case nothing was bought by
            this request.
        """
        until = monotonic() + (self._answer_within if within is None else within)
        if entry.answer is not None:
            if entry.fingerprint != ask.fingerprint:
                raise IdempotencyKeyReused
            REPLAYS.labels("redis").inc()
            return Answered(entry.answer, replayed=True)
        if entry.refusal is not None and ask.key is None:
            raise entry.refusal
        if self._drain.begun:
            raise Draining

        first = self._by_key.get((caller.tenant, ask.key)) if ask.key else None
        if first is not None and first.ask.fingerprint != ask.fingerprint:
            raise IdempotencyKeyReused
        if entry.refusal is not None and first is None:
            # Redis may have forgotten what it answered to this key; a refusal of then may be tried again, but not now.
            said = await self._named(caller, ask)
            if said is None or said["state"] == "refused":
                raise entry.refusal
            return await self._join(caller, ask, said, until=until, gone=gone)
        if first is None and (refusal := refusal_of(caller.policy, wish.area_code, wish.extras())) is not None:
            # The policy may have changed since this key was first used: what was answered then still holds.
            known = await self.known(caller, ask, within=within, gone=gone)
            if known is None:
                ADMISSIONS.labels("against_policy").inc()
                raise refusal
            return known
        purchase = first or self._start(caller, wish, ask, request_id)
        # Who comes second may be told to come again, once the first seems to stand in a queue; who came first has asked
        # for a purchase, and is told of that.
        patience = None if first is None else max(QUICKLY, until - monotonic())
        await asyncio.wait({purchase.admitted}, timeout=patience)
        if not purchase.admitted.done():
            raise IdempotencyKeyInProgress
        admission, outcome = purchase.admitted.result(), None
        intent_id = UUID(admission.said["intent_id"]) if admission.outcome == "known" else purchase.intent_id
        try:
            if admission.outcome == "known":
                outcome = await self._join(caller, ask, admission.said, until=until, gone=gone)
            else:
                outcome = await self._outcome(purchase, until=until, gone=gone, replayed=first is not None)
                outcome = replace(outcome, tightest=admission.said["quota"]["tightest"])
        finally:
            if ask.key is None and (not isinstance(outcome, Answered) or gone.done()):
                await self._leave_to_the_next(caller.tenant, intent_id)
        return outcome

    async def send_ordered(
        self, caller: Principal, wish: Wish, ordered: Ordered, request_id: str
    ) -> "tuple[str, asyncio.Task[Answered | None]]":
        """Buy one number of an order, where there is room for it now: no turn is waited for.

        Returns the outcome of its admission, as the database says it, or "lane" where its user's lane is taken; and,
        of what was admitted, the purchase, which goes on by itself.
        Raises: QuotaExceeded, RateLimited; Draining, StorageUnavailable.
        """
        if self._drain.begun:
            raise Draining
        purchase = self._start(caller, wish, Ask(None, b""), request_id, ordered)
        admission = await purchase.admitted
        in_lane = admission.outcome == "busy" and admission.said.get("lane")
        return "lane" if in_lane else admission.outcome, purchase.task

    async def _leave_to_the_next(self, tenant: TenantId, intent_id: UUID) -> None:
        """Best effort: where it fails, whoever asks again without a key buys."""
        try:
            await self._ledger.undelivered(tenant, intent_id)
        except (StorageUnavailable, CommitUnknown):
            log.warning("an undelivered answer could not be left to be taken over", intent=str(intent_id))
        else:
            await self._gate.undelivered(tenant)

    async def known(
        self, caller: Principal, ask: Ask, *, within: float | None, gone: "asyncio.Future[None]"
    ) -> Answered | Pending | None:
        """What became of the purchase that this key names, or None where it names none.

        For a request that could not be admitted as it stands now, and may have been before: a grant has changed.
        Raises: IdempotencyKeyReused; StorageUnavailable.
        """
        until = monotonic() + (self._answer_within if within is None else within)
        said = await self._named(caller, ask)
        return None if said is None else await self._join(caller, ask, said, until=until, gone=gone)

    async def _named(self, caller: Principal, ask: Ask) -> dict[str, Any] | None:
        """The purchase that this key names. One look of a tenant at a time: many of them must cost others nothing."""
        if ask.key is None:
            return None
        async with self._looks.setdefault(caller.tenant, asyncio.Lock()):
            said = await self._ledger.named_by(caller.tenant, ask.key, self._mark(caller, ask.key))
        if said is not None:
            said["fingerprint_equal"] = said.pop("fingerprint") in (ask.fingerprint, None)
        return said

    async def drain(self) -> None:
        """Let purchases under way finish for a while, then stop listening and leave doubts. Nothing new is begun."""
        self._drain.begin()
        await self._ended(within=self._answer_within)
        for purchase in self._under_way.values():
            if purchase.exchange is not None:
                purchase.exchange.cancel()
        await self._ended(within=5)
        for purchase in self._under_way.values():
            if purchase.heard is not None:
                self._sending.alarm("an outcome was not written before the process ended", purchase, purchase.heard)

    async def _ended(self, *, within: float) -> None:
        if tasks := [purchase.task for purchase in self._under_way.values()]:
            await asyncio.wait(tasks, timeout=within)

    def _start(
        self, caller: Principal, wish: Wish, ask: Ask, request_id: str, ordered: Ordered | None = None
    ) -> Purchase:
        intent_id = new_id()
        purchase = Purchase(
            caller,
            wish,
            ask,
            request_id,
            mark=self._mark(caller, ordered.names if ordered is not None else ask.key or str(intent_id)),
            intent_id=intent_id,
            admitted=asyncio.get_running_loop().create_future(),
            ordered=ordered,
        )
        self._under_way[intent_id] = purchase
        if purchase.key:
            self._by_key[purchase.key] = purchase
        purchase.task = asyncio.create_task(self._run(purchase), name=f"purchase {intent_id}")
        purchase.task.add_done_callback(lambda task: self._forget(purchase, task))
        return purchase

    def _mark(self, caller: Principal, names: str) -> str:
        return make_mark(self._secret, tenant=caller.tenant, tag=caller.tag or "", names=names)

    def _forget(self, purchase: Purchase, task: "asyncio.Task[Answered | None]") -> None:
        del self._under_way[purchase.intent_id]
        self._let_others_try(purchase)
        if not purchase.admitted.cancel() and not purchase.admitted.cancelled():
            purchase.admitted.exception()  # Seen, though its caller may have left.
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a purchase failed unforeseen", exc_info=error, intent=str(purchase.intent_id))

    def _let_others_try(self, purchase: Purchase) -> None:
        if purchase.key and self._by_key.get(purchase.key) is purchase:
            del self._by_key[purchase.key]

    async def _run(self, purchase: Purchase) -> Answered | None:
        try:
            admission = await self._admit(purchase)
        except CommitUnknown:
            purchase.admitted.set_exception(StorageUnavailable())
            self._let_others_try(purchase)
            await self._sending.never_sent(purchase)
            return None
        except Exception as error:
            purchase.admitted.set_exception(error)
            if isinstance(error, QuotaExceeded) and error.lasts and purchase.ordered is None:
                await self._gate.leave(purchase.caller.tenant, purchase.ask, quota=error)
            if not isinstance(error, ServiceError):
                raise
            return None
        purchase.admitted.set_result(admission)
        if admission.outcome != "admitted":
            return None
        with PURCHASES_IN_FLIGHT.track_inprogress():
            answered = await self._sending.reuse(purchase, admission)
            if answered is None:
                purchase.heard = await self._sending.listen(purchase, admission)
                answered = await self._sending.settle(purchase, purchase.heard)
        self._admissions.freed(admission.said["account_id"], purchase.wish.user_id)
        return answered

    async def _admit(self, purchase: Purchase) -> Admission:
        """Raises: see `buy`; CommitUnknown."""
        caller, wish, ask = purchase.caller, purchase.wish, purchase.ask
        question = {
            "tenant_id": caller.tenant,
            "intent_id": str(purchase.intent_id),
            "organization_id": wish.organization_id,
            "user_id": wish.user_id,
            "area_code": wish.area_code,
            "near": caller.policy.to_reuse((wish.area_code, *neighbours(wish.area_code))),
            "wish": wish.extras(),
            "key": ask.key,
            "fingerprint": ask.fingerprint.hex(),
            "mark": purchase.mark,
            "request_id": purchase.request_id,
            "replica": str(self._replica),
            "lease_seconds": self._lease,
            "price": self._price,
            "by_account": True,
        }
        if purchase.ordered is not None:
            admission = await self._ledger.admit(question | purchase.ordered.as_json())
            if (deadline := purchase.ordered.deadline) is not None:
                admission = replace(admission, send_by=admission.send_by.and_by(deadline))
            return admission
        admission = await self._admissions.admit(question)
        if admission.outcome == "unknown_user":
            account_id = UUID(admission.said["account_id"])
            if not await self._directory.file_user(account_id, caller.tenant, wish.organization_id, wish.user_id):
                raise UnknownUser
            admission = await self._admissions.admit(question)
        match admission.outcome:
            case "admitted" | "known":
                return admission
            case "not_your_organization":
                raise NotYourOrganization
            case "stopped":
                raise PurchasesStopped(suspended=caller.suspended, why=admission.said.get("why"))
            case "resting":
                raise UpstreamUnavailable(
                    "Teli has failed again and again and is left alone until it answers; nothing was bought.",
                    after=admission.said["after"],
                )
            case "not_listed":
                raise UpstreamUnavailable(
                    "The account's numbers are being listed for the first time; nothing was bought.", after=2
                )
            case outcome:
                raise AssertionError(f"admission answered {outcome}")

    async def _outcome(
        self, purchase: Purchase, *, until: float, gone: "asyncio.Future[None]", replayed: bool
    ) -> Answered | Pending:
        """An admitted purchase's answer, or that it is pending; never an error, for what was admitted may be bought."""
        task = purchase.task
        await self._drain.wait({task, gone}, until=until)
        if (
            task.done()
            and not task.cancelled()
            and task.exception() is None
            and (answered := task.result()) is not None
        ):
            return replace(answered, replayed=replayed)
        return Pending(purchase.intent_id, "pending")

    async def _join(
        self, caller: Principal, ask: Ask, said: dict[str, Any], *, until: float, gone: "asyncio.Future[None]"
    ) -> Answered | Pending:
        """Wait for a purchase that is there already, in whichever process, as its first caller would."""
        if not said["fingerprint_equal"]:
            raise IdempotencyKeyReused
        intent_id, joined = UUID(said["intent_id"]), "joined" in said
        if joined:
            JOINED.inc()
            log.info("an undelivered answer was taken over", intent=said["intent_id"])
        state, answer, pause = said["state"], said["answer"], 0.05
        if answer is not None:
            await self._gate.leave(caller.tenant, ask, answer=Answer.of(answer))
        while answer is None and state in ("sending", "doubtful") and (left := self._drain.left(until)) > 0:
            await asyncio.wait({gone}, timeout=min(pause, left))
            if gone.done():
                break
            pause = min(pause * 1.5, 0.5)
            state, answer = await self._ledger.look(caller.tenant, intent_id)
        if answer is None:
            return Pending(intent_id, OPERATION_STATES[state], joined=joined)
        if not joined:
            REPLAYS.labels("postgres").inc()
        return Answered(Answer.of(answer), replayed=not joined, joined=joined)
