"""One purchase: admitted, sent once, settled; or joined, where its key is already known.

The purchase is a task of its own that neither a caller who leaves nor a deadline stops. What the caller waits for is
only the telling of its outcome.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import structlog
from sqlalchemy import text

from service.db import CommitUnknown, Database
from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.idempotency.keys import Ask, IdempotencyKeyInProgress, IdempotencyKeyReused
from service.kit.crypto import Secret
from service.kit.errors import ServiceError, StorageUnavailable
from service.kit.types import OrganizationId, TenantId, UserId, new_id
from service.numbers.admission import SEND_WITHIN, Admission, Admissions
from service.numbers.answers import refusal, sale
from service.numbers.drain import Drain
from service.numbers.errors import (
    Draining,
    PurchasesStopped,
    UnknownUser,
    UpstreamUnavailable,
)
from service.numbers.marks import make_mark
from service.observability.metrics import (
    ALARMS,
    PURCHASES,
    PURCHASES_IN_FLIGHT,
    REPLAYS,
    SETTLE_RETRIES,
    UPSTREAM_SECONDS,
)
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import Gate
from service.teli.client import SendBy, TeliClient
from service.teli.heard import Heard
from service.teli.reading import Refused, Sold, read_create
from service.tenants.directory import Directory
from service.tenants.principals import NotYourOrganization, Principal

# The lease outlives the sender's patience, so that it has written its outcome before anybody else may judge it.
LONGEST_MARGIN = 30.0
# Seconds that an admission takes where it need not wait for a lane, and many more.
QUICKLY = 0.25
# Longer than Postgres lets a statement run, for one outlives the connection it came by.
ADMISSION_ENDED = 35.0
log = structlog.get_logger()

OperationState = Literal["pending", "succeeded", "failed", "unresolved"]
OPERATION_STATES: dict[str, OperationState] = {
    "sending": "pending",
    "doubtful": "pending",
    "owned": "succeeded",
    "refused": "failed",
    "unresolved": "unresolved",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One number to be bought, as asked for and checked. `warnings` name what was not understood."""

    organization_id: OrganizationId
    user_id: UserId
    area_code: str
    nickname: str | None = None
    cost_center: str | None = None
    tags: tuple[str, ...] = ()
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    warnings: tuple[str, ...] = ()

    def extras(self) -> dict[str, Any]:
        """What the ledger keeps of it beside area code and owner."""
        return {
            "nickname": self.nickname,
            "cost_center": self.cost_center,
            "tags": list(self.tags),
            "inbound_agent_id": self.inbound_agent_id,
            "outbound_agent_id": self.outbound_agent_id,
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome is known, and this is its answer, byte for byte as every replay will be."""

    answer: Answer
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """Not known in time; the operation tells later."""

    operation_id: UUID
    state: OperationState


@dataclass(slots=True, eq=False)
class Purchase:
    """A purchase under way in this process. `admitted` tells the outcome of its admission, or why there is none."""

    caller: Principal
    wish: Wish
    ask: Ask
    request_id: str
    mark: str
    intent_id: UUID
    admitted: "asyncio.Future[Admission]"
    task: "asyncio.Task[Answered | None]" = field(init=False)
    exchange: "asyncio.Task[Heard] | None" = None
    heard: Heard | None = None

    @property
    def key(self) -> tuple[TenantId, str] | None:
        return (self.caller.tenant, self.ask.key) if self.ask.key else None


class Provisioning:
    def __init__(
        self,
        *,
        database: Database,
        gate: Gate,
        teli: TeliClient,
        directory: Directory,
        secret: Secret,
        drain: Drain,
        answer_within: float,
        upstream_timeout: float,
    ) -> None:
        self._database = database
        self._gate = gate
        self._teli = teli
        self._directory = directory
        self._secret = secret
        self._answer_within = answer_within
        self._lease = lease(upstream_timeout)
        self._admissions = Admissions(database, wait_at_most=answer_within)
        self._replica = uuid4()
        self._under_way: dict[UUID, Purchase] = {}
        self._by_key: dict[tuple[TenantId, str], Purchase] = {}
        self._drain = drain

    async def buy(
        self, caller: Principal, wish: Wish, ask: Ask, *, within: float | None, request_id: str
    ) -> Answered | Pending:
        """Buy one number, or tell what became of the purchase this key already names.

        `within`: seconds the caller wants to wait for the outcome; None is the default patience.
        Raises: QuotaExceeded, IdempotencyKeyReused, IdempotencyKeyInProgress, LaneBusy, UnknownUser,
            NotYourOrganization, PurchasesStopped, UpstreamUnavailable, Draining, StorageUnavailable: in each case
            nothing was bought by this request.
        """
        until = time.monotonic() + (self._answer_within if within is None else within)
        entry = await self._gate.enter(caller.tenant, ask)
        if entry.answer is not None:
            if entry.fingerprint != ask.fingerprint:
                raise IdempotencyKeyReused
            REPLAYS.labels("redis").inc()
            return Answered(entry.answer, replayed=True)
        if entry.full is not None and ask.key is None:
            raise entry.full
        if self._drain.begun:
            raise Draining

        first = self._by_key.get((caller.tenant, ask.key)) if ask.key else None
        if first is not None and first.ask.fingerprint != ask.fingerprint:
            raise IdempotencyKeyReused
        purchase = first or self._start(caller, wish, ask, request_id)
        # Who comes second may be told to come again, once the first seems to stand in a queue; who came first has asked
        # for a purchase, and is told of that.
        patience = None if first is None else max(QUICKLY, until - time.monotonic())
        await asyncio.wait({purchase.admitted}, timeout=patience)
        if not purchase.admitted.done():
            raise IdempotencyKeyInProgress
        if (admission := purchase.admitted.result()).outcome == "known":
            return await self._join(caller, ask, admission.said, until=until)
        return await self._outcome(purchase, until=until, replayed=first is not None)

    async def known(self, caller: Principal, ask: Ask, *, within: float | None) -> Answered | Pending | None:
        """What became of the purchase that this key names, or None where it names none.

        For a request that could not be admitted as it stands now, and may have been before: a grant has changed.
        Raises: IdempotencyKeyReused; StorageUnavailable.
        """
        if ask.key is None:
            return None
        until = time.monotonic() + (self._answer_within if within is None else within)
        async with self._database.acting(tenant=caller.tenant) as session:
            row = (
                await session.execute(
                    text(
                        "SELECT k.fingerprint, i.id, i.state, i.answer FROM idempotency_keys k"
                        " JOIN intents i ON i.id = k.intent_id"
                        " WHERE k.tenant_id = :tenant AND k.scope = 'create' AND k.key = :key"
                    ),
                    {"tenant": caller.tenant, "key": ask.key},
                )
            ).one_or_none()
        if row is None:
            return None
        said = {
            "intent_id": str(row.id),
            "state": row.state,
            "answer": row.answer,
            "fingerprint_equal": row.fingerprint == ask.fingerprint,
        }
        return await self._join(caller, ask, said, until=until)

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
                self._alarm("an outcome could not be written before the process ended", purchase, purchase.heard)

    async def _ended(self, *, within: float) -> None:
        if tasks := [purchase.task for purchase in self._under_way.values()]:
            await asyncio.wait(tasks, timeout=within)

    def _start(self, caller: Principal, wish: Wish, ask: Ask, request_id: str) -> Purchase:
        intent_id = new_id()
        purchase = Purchase(
            caller,
            wish,
            ask,
            request_id,
            mark=make_mark(self._secret, tenant=caller.tenant, tag=caller.tag or "", names=ask.key or str(intent_id)),
            intent_id=intent_id,
            admitted=asyncio.get_running_loop().create_future(),
        )
        self._under_way[intent_id] = purchase
        if purchase.key:
            self._by_key[purchase.key] = purchase
        purchase.task = asyncio.create_task(self._run(purchase), name=f"purchase {intent_id}")
        purchase.task.add_done_callback(lambda task: self._forget(purchase, task))
        return purchase

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
            await self._never_sent(purchase)
            return None
        except Exception as error:
            purchase.admitted.set_exception(error)
            if isinstance(error, QuotaExceeded):
                await self._gate.leave(purchase.caller.tenant, purchase.ask, quota=error)
            if not isinstance(error, ServiceError):
                raise
            return None
        purchase.admitted.set_result(admission)
        if admission.outcome == "known":
            return None
        with PURCHASES_IN_FLIGHT.track_inprogress():
            purchase.heard = await self._listen(purchase, admission)
            answered = await self._settle(purchase, purchase.heard)
        self._admissions.freed(admission.said["account_id"], purchase.wish.user_id)
        return answered

    async def _admit(self, purchase: Purchase) -> Admission:
        """Raises: see `buy`; CommitUnknown."""
        caller, wish, ask = purchase.caller, purchase.wish, purchase.ask
        question = {
            "tenant_id": caller.tenant,
            "account_id": str(caller.account_id),
            "intent_id": str(purchase.intent_id),
            "organization_id": wish.organization_id,
            "user_id": wish.user_id,
            "area_code": wish.area_code,
            "wish": wish.extras(),
            "key": ask.key,
            "fingerprint": ask.fingerprint.hex(),
            "mark": purchase.mark,
            "request_id": purchase.request_id,
            "replica": str(self._replica),
            "lease_seconds": self._lease,
        }
        admission = await self._admissions.admit(question)
        if admission.outcome == "unknown_user":
            if not await self._directory.file_user(caller.tenant, wish.organization_id, wish.user_id):
                raise UnknownUser
            admission = await self._admissions.admit(question)
        match admission.outcome:
            case "admitted" | "known":
                return admission
            case "not_your_organization":
                raise NotYourOrganization
            case "stopped":
                raise PurchasesStopped
            case "not_listed":
                raise UpstreamUnavailable(
                    "The account's numbers are being listed for the first time; nothing was bought.", after=2
                )
            case outcome:
                raise AssertionError(f"admission answered {outcome}")

    async def _listen(self, purchase: Purchase, admission: Admission) -> Heard:
        wish = purchase.wish
        body = {
            "area_code": wish.area_code,
            "user_id": wish.user_id,
            "organization_id": wish.organization_id,
            "tenant_id": admission.said["teli_tenant_id"],
            "nickname": (purchase.mark + (wish.nickname or "")).rstrip(),
        }
        purchase.exchange = asyncio.create_task(self._send(body, admission.send_by))
        try:
            return await purchase.exchange
        except asyncio.CancelledError:
            if not (self._drain.begun and purchase.exchange.cancelled()):
                raise
            return Heard("broken", detail="stopped listening: this process is stopping")

    async def _send(self, body: Mapping[str, Any], send_by: SendBy) -> Heard:
        with UPSTREAM_SECONDS.time():
            return await self._teli.create(body, send_by=send_by)

    async def _settle(self, purchase: Purchase, heard: Heard) -> Answered | None:
        """Write down what was heard, as often as it takes; the answer that holds, or None for a doubt."""
        reading = read_create(heard, area_code=purchase.wish.area_code)
        question: dict[str, Any] = {
            "tenant_id": purchase.caller.tenant,
            "intent_id": str(purchase.intent_id),
            "request_id": purchase.request_id,
            "actor": purchase.caller.actor,
            "evidence": heard.evidence(),
        }
        match reading:
            case Sold():
                number_id = new_id()
                answer = sale(
                    reading, number_id=number_id, operation_id=purchase.intent_id, warnings=purchase.wish.warnings
                )
                question |= {
                    "verdict": "owned",
                    "reason": "answer",
                    "number": {"id": str(number_id), **reading.as_json()},
                    "answer": answer.as_json(),
                }
            case Refused():
                error = refusal(reading, purchase.wish.area_code, keyed=purchase.ask.key is not None)
                body = problem_body(error, purchase.request_id).decode()
                answer = Answer(error.status, {"content-type": MEDIA_TYPE, **error.headers}, body)
                question |= {"verdict": "refused", "reason": reading.reason, "answer": answer.as_json()}
            case unclear:
                question |= {"verdict": "doubtful", "reason": unclear.reason[:200]}
        try:
            settled = await self._write(question)
        except asyncpg.NoDataFoundError:
            if not isinstance(reading, Sold):
                raise
            await self._sold_without_an_intent(purchase, heard, reading)
            return None
        PURCHASES.labels(settled["state"], question["verdict"]).inc()
        if settled["reason"] == "late_proof":
            ALARMS.labels("late_proof").inc()
            log.error("a purchase its intent does not own", intent=str(purchase.intent_id))
        if settled["state"] == "doubtful":
            log.warning("doubt", intent=str(purchase.intent_id), reason=settled["reason"])
        held = Answer.of(settled["answer"]) if settled["answer"] else None
        await self._gate.leave(
            purchase.caller.tenant,
            purchase.ask,
            answer=held,
            quota="freed" if settled["state"] == "refused" else "same",
        )
        return Answered(held) if held else None

    async def _sold_without_an_intent(self, purchase: Purchase, heard: Heard, sold: Sold) -> None:
        """The ledger has lost the intent (a fail-over to a copy that lagged): the proof is kept as an orphan."""
        self._alarm("a number was bought for an intent that is gone", purchase, heard)
        async with self._database.acting(tenant=purchase.caller.tenant) as session:
            await session.execute(
                text(
                    "INSERT INTO orphans (account_id, tenant_id, organization_id, user_id, area_code, phone_number,"
                    " nickname, intent_id, reason) VALUES (:account, :tenant, :organization, :user, :area_code,"
                    " :number, :nickname, :intent, 'intent_lost')"
                ),
                {
                    "account": purchase.caller.account_id,
                    "tenant": purchase.caller.tenant,
                    "organization": purchase.wish.organization_id,
                    "user": purchase.wish.user_id,
                    "area_code": sold.area_code,
                    "number": sold.phone_number,
                    "nickname": purchase.mark.strip(),
                    "intent": purchase.intent_id,
                },
            )

    def _alarm(self, words: str, purchase: Purchase, heard: Heard) -> None:
        """The log is where the proof is kept when the ledger cannot: all that a person needs to find the number."""
        ALARMS.labels("proof_not_written").inc()
        log.error(
            words,
            intent=str(purchase.intent_id),
            tenant_id=purchase.caller.tenant,
            organization=purchase.wish.organization_id,
            user=purchase.wish.user_id,
            mark=purchase.mark.strip(),
            heard=str(heard.evidence()),
        )

    async def _never_sent(self, purchase: Purchase) -> None:
        """The admission may have been committed, or be so yet, and must not be sent: refuse it once it is there."""
        nothing = Heard("never_sent", detail="the admission's own outcome is unknown")
        until, pause = time.monotonic() + ADMISSION_ENDED, 0.1
        while time.monotonic() < until and not self._drain.begun:
            try:
                await self._settle(purchase, nothing)
            except asyncpg.NoDataFoundError:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2)
            else:
                return

    async def _write(self, question: dict[str, Any]) -> dict[str, Any]:
        """Settle, again and again until it is done: what was heard must not be lost.

        Raises: asyncpg.NoDataFoundError when there is no such intent.
        """
        pause = 0.1
        while True:
            try:
                return await self._database.call("settle", question)
            except asyncpg.NoDataFoundError:
                raise
            except Exception as error:
                SETTLE_RETRIES.inc()
                log.warning(
                    "an outcome could not be written, trying again",
                    intent=question["intent_id"],
                    error=f"{type(error).__name__}: {error}"[:300],
                )
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5)

    async def _outcome(self, purchase: Purchase, *, until: float, replayed: bool) -> Answered | Pending:
        """An admitted purchase's answer, or that it is pending; never an error, for what was admitted may be bought."""
        task = purchase.task
        await self._drain.wait({task}, until=until)
        if (
            task.done()
            and not task.cancelled()
            and task.exception() is None
            and (answered := task.result()) is not None
        ):
            return replace(answered, replayed=replayed)
        return Pending(purchase.intent_id, "pending")

    async def _join(self, caller: Principal, ask: Ask, said: dict[str, Any], *, until: float) -> Answered | Pending:
        """Wait for a purchase that this key already names, in whichever process, as its first caller would."""
        if not said["fingerprint_equal"]:
            raise IdempotencyKeyReused
        intent_id = UUID(said["intent_id"])
        if said["answer"] is not None:
            REPLAYS.labels("postgres").inc()
            answer = Answer.of(said["answer"])
            if answer.status < 300:  # A refusal has its minute from when it was given, not from now.
                await self._gate.leave(caller.tenant, ask, answer=answer)
            return Answered(answer, replayed=True)
        state, pause = said["state"], 0.05
        while state in ("sending", "doubtful") and (left := self._drain.left(until)) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, 0.5)
            state, answer_said = await self._look(caller.tenant, intent_id)
            if answer_said is not None:
                REPLAYS.labels("postgres").inc()
                return Answered(Answer.of(answer_said), replayed=True)
        return Pending(intent_id, OPERATION_STATES[state])

    async def _look(self, tenant: TenantId, intent_id: UUID) -> tuple[str, dict[str, Any] | None]:
        async with self._database.acting(tenant=tenant) as session:
            row = (
                await session.execute(text("SELECT state, answer FROM intents WHERE id = :id"), {"id": intent_id})
            ).one()
        return row.state, row.answer


def lease(upstream_timeout: float) -> float:
    """Seconds from the admission to the moment by which its send has provably ended, and its sender has said so."""
    return upstream_timeout + min(LONGEST_MARGIN, max(2 * SEND_WITHIN, upstream_timeout))
