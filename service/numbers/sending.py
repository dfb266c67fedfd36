"""The one send of a purchase, and writing down what was heard, as often as it takes.

No transaction is open while Teli is waited for. What was heard is never dropped: it becomes evidence in the ledger, or
where the ledger cannot take it, an alarm in the log with all that a person needs to find the number.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import structlog

from service.http.problems import MEDIA_TYPE, problem_body
from service.idempotency.answers import Answer
from service.kit.clock import monotonic, rfc3339, utc_now
from service.kit.errors import ServiceError
from service.kit.phone import E164, area_code_of, pretty
from service.kit.types import new_id
from service.numbers.answers import refusal, sale
from service.numbers.circuits import Circuits
from service.numbers.drain import Drain
from service.numbers.ledger import SEND_WITHIN, Admission, Ledger, LostSale, NoSuchIntent
from service.numbers.marks import mark_of
from service.numbers.purchases import Answered, Purchase
from service.observability.metrics import ALARMS, PURCHASES, SETTLE_RETRIES, UPSTREAM_SECONDS
from service.quotas.gate import Gate
from service.teli.client import SendBy, Upstreams
from service.teli.heard import DETAIL_LIMIT, Heard
from service.teli.reading import Refused, Sold, read_create

# The lease outlives the sender's patience, so that it has written its outcome before anybody else may judge it.
LONGEST_MARGIN = 30.0
# Longer than Postgres lets a statement run, for one outlives the connection it came by.
ADMISSION_ENDED = 35.0
log = structlog.get_logger()


def lease(upstream_timeout: float) -> float:
    """Seconds from the admission to the moment by which its send has provably ended, and its sender has said so."""
    return upstream_timeout + min(LONGEST_MARGIN, max(2 * SEND_WITHIN, upstream_timeout))


class Sending:
    def __init__(
        self,
        ledger: Ledger,
        gate: Gate,
        upstreams: Upstreams,
        drain: Drain,
        circuits: Circuits | None = None,
    ) -> None:
        """`circuits`: what is told of how Teli takes purchases, if anything."""
        self._ledger = ledger
        self._gate = gate
        self._upstreams = upstreams
        self._drain = drain
        self._circuits = circuits

    async def listen(self, purchase: Purchase, admission: Admission) -> Heard:
        wish = purchase.wish
        body = {
            "area_code": wish.area_code,
            "user_id": wish.user_id,
            "organization_id": wish.organization_id,
            "tenant_id": admission.said["teli_tenant_id"],
            "nickname": (purchase.mark + (wish.nickname or "")).rstrip(),
        }
        purchase.account_id = UUID(admission.said["account_id"])
        purchase.exchange = asyncio.create_task(self._send(purchase, body, admission.send_by))
        try:
            return await purchase.exchange
        except asyncio.CancelledError:
            if not (self._drain.begun and purchase.exchange.cancelled()):
                raise
            return Heard("broken", detail="stopped listening: this process is stopping")

    async def _send(self, purchase: Purchase, body: Mapping[str, Any], send_by: SendBy) -> Heard:
        account_id = purchase.account_id
        assert account_id is not None
        try:
            teli = await self._upstreams.of(account_id)
        except ServiceError as error:  # The intent is there already, and gives back what it reserved.
            return Heard("never_sent", detail=error.detail)
        with UPSTREAM_SECONDS.labels(teli.name).time():
            began = monotonic()
            heard = await teli.create(body, send_by=send_by)
        if self._circuits is not None:
            self._circuits.hear(account_id, heard, monotonic() - began, ordered=purchase.ordered is not None)
        return heard

    async def reuse(self, purchase: Purchase, admission: Admission) -> Answered | None:
        """Take the number that a refused intent bought after all, where admission named one, instead of buying.

        None where there is none, or somebody else was quicker: then it is still to be bought.
        """
        spare = admission.said.get("spare")
        if spare is None:
            return None
        phone_number = E164(spare["phone_number"])
        sold = Sold(phone_number, pretty(phone_number), area_code_of(phone_number), number_type=None)
        question = _question(purchase, {"at": rfc3339(utc_now()), "kind": "reuse", "detail": str(spare)[:DETAIL_LIMIT]})
        question |= _owned(purchase, sold, "reused")
        question["number"] |= {
            "orphan_id": spare["orphan_id"],
            "nickname": spare["nickname"],
            "mark": mark_of(spare["nickname"]),
        }
        settled = await self._write(question)
        if settled["reason"] == "not_to_be_had":
            return None
        return await self._tell(purchase, "owned", settled)

    async def settle(self, purchase: Purchase, heard: Heard) -> Answered | None:
        """Write down what was heard, as often as it takes; the answer that holds, or None for a doubt."""
        reading = read_create(heard, area_code=purchase.wish.area_code)
        question = _question(purchase, heard.evidence())
        match reading:
            case Sold():
                question |= _owned(purchase, reading, "answer")
            case Refused():
                error = refusal(reading, purchase.wish.area_code, keyed=purchase.ask.key is not None)
                body = problem_body(error, purchase.request_id).decode()
                answer = Answer(error.status, {"content-type": MEDIA_TYPE, **error.headers}, body)
                question |= {"verdict": "refused", "reason": reading.reason, "answer": answer.as_json()}
            case unclear:
                question |= {"verdict": "doubtful", "reason": unclear.reason[:200]}
        try:
            settled = await self._write(question)
        except NoSuchIntent:
            if not isinstance(reading, Sold):
                raise
            await self._sold_without_an_intent(purchase, heard, reading)
            return None
        return await self._tell(purchase, question["verdict"], settled)

    async def _tell(self, purchase: Purchase, verdict: str, settled: Mapping[str, Any]) -> Answered | None:
        PURCHASES.labels(settled["state"], verdict).inc()
        if settled["state"] == "doubtful":
            log.warning("doubt", intent=str(purchase.intent_id), reason=settled["reason"])
        held = Answer.of(settled["answer"]) if settled["answer"] else None
        await self._gate.leave(
            purchase.caller.tenant,
            purchase.ask,
            answer=held,
            quota=settled.get("quota") if settled["state"] == "refused" else None,
        )
        return Answered(held) if held else None

    async def _sold_without_an_intent(self, purchase: Purchase, heard: Heard, sold: Sold) -> None:
        """The ledger has lost the intent (a fail-over to a copy that lagged): the proof is kept as an orphan."""
        self.alarm("a number was bought for an intent that is gone", purchase, heard)
        await self._ledger.keep_lost(
            purchase.caller.tenant,
            LostSale(
                account_id=purchase.account_id,
                organization_id=purchase.wish.organization_id,
                user_id=purchase.wish.user_id,
                area_code=sold.area_code,
                phone_number=sold.phone_number,
                nickname=purchase.mark.strip(),
                intent_id=purchase.intent_id,
            ),
        )

    def alarm(self, words: str, purchase: Purchase, heard: Heard) -> None:
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

    async def never_sent(self, purchase: Purchase) -> None:
        """The admission may have been committed, or be so yet, and must not be sent: refuse it once it is there."""
        nothing = Heard("never_sent", detail="the admission's own outcome is unknown")
        until, pause = monotonic() + ADMISSION_ENDED, 0.1
        while monotonic() < until and not self._drain.begun:
            try:
                await self.settle(purchase, nothing)
            except NoSuchIntent:
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2)
            else:
                return

    async def _write(self, question: dict[str, Any]) -> dict[str, Any]:
        """Settle, again and again until it is done: what was heard must not be lost.

        Raises: NoSuchIntent when there is no such intent.
        """
        pause = 0.1
        while True:
            try:
                return await self._ledger.settle(question)
            except NoSuchIntent:
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


def _question(purchase: Purchase, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tenant_id": purchase.caller.tenant,
        "intent_id": str(purchase.intent_id),
        "request_id": purchase.request_id,
        "actor": purchase.caller.actor,
        "evidence": evidence,
    }


def _owned(purchase: Purchase, sold: Sold, reason: str) -> dict[str, Any]:
    number_id = new_id()
    answer = sale(sold, number_id=number_id, operation_id=purchase.intent_id, warnings=purchase.wish.warnings)
    return {
        "verdict": "owned",
        "reason": reason,
        "number": {"id": str(number_id), **sold.as_json()},
        "answer": answer.as_json(),
    }
