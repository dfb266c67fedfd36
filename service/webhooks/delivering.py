"""Delivering events, by the workers: each endpoint in turns, for itself, and by one worker at a time.

A worker takes endpoints that are due, each under a lease, and has a task for each, so that none waits for another's
network. In a turn it sends events in rounds: a round's outcomes are filed in one transaction, which also reads what the
next round sends; none is open while anything is sent. Whoever dies with a lease leaves the endpoint where its last
round began, and what that round had delivered is delivered again, with the same ids.

Events of one thing (a number, a purchase, an order) go one after another; where one waits to be tried again, those that
come later wait behind it. All others pass by.

A worker has so many turns at once. Endpoints that let us wait have places of their own, as have those that are new, and
leave theirs after each round in which they did: however many there are, the others' places are free.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import CursorResult
from sqlalchemy.exc import SQLAlchemyError

from service.audit.entries import note
from service.db import Database
from service.kit.clock import monotonic, random_bytes, utc_now
from service.kit.errors import ServiceError
from service.kit.sealing import CannotOpen, Keyring
from service.kit.types import new_id
from service.observability.metrics import WEBHOOK_LAG, WEBHOOKS, WEBHOOKS_DISABLED, WEBHOOKS_FAILING
from service.outbox.catalogue import THINGS
from service.outbox.events import record
from service.outbox.feed import envelope, head_of
from service.webhooks.circuit import OPENS_AFTER, SLOW_FOR, Health, Outcome, is_given_up, is_slow, judged, next_try
from service.webhooks.errors import TargetRefused
from service.webhooks.models import WebhookEndpoint
from service.webhooks.repository import FORGOTTEN, Waiting, WebhookRepository
from service.webhooks.secrets import secrets_of
from service.webhooks.sending import AT_ONCE, Line, Sender, refused

# Endpoints that one worker has at once: of those that count as slow, and of the others.
PLACES = {True: 64, False: 192}
# Events of a round; of those that wait, so many that while they do nothing new is taken up.
ROUND, MOST_WAITING = 100, 1_000
# Seconds in which a round begins to send; after a turn of these others may have the endpoint, at a fresh address.
ROUND_LASTS, TURN_LASTS = 10.0, 60.0
# Longer than a round with its last attempt.
LEASE = 60.0
BATCH = 1_000
WORKER = "worker"
log = structlog.get_logger()


@dataclass(slots=True)
class Item:
    """One event in a round; `outcome`: None while, and where, it was not sent."""

    waiting: Waiting
    body: dict[str, Any]
    things: frozenset[tuple[str, str]]
    outcome: Outcome | None = None

    @classmethod
    def of(cls, waiting: Waiting) -> "Item":
        body = envelope(waiting.event)
        things = {(name, str(body["data"][name])) for name in THINGS if name in body["data"]}
        return cls(waiting, body, frozenset(things))

    def is_due(self) -> bool:
        row = self.waiting.delivery
        return row is None or row.next_at is None or row.next_at <= utc_now()


@dataclass(frozen=True, slots=True)
class Round:
    """`items`: what is to have a row after it: what is sent, and what is new. Up to `position` no event is left out."""

    endpoint: WebhookEndpoint
    items: Sequence[Item]
    to_send: Sequence[Item]
    position: int
    began_at: int


class Delivering:
    def __init__(self, database: Database, sender: Sender, keyring: Keyring) -> None:
        self._database = database
        self._sender = sender
        self._keyring = keyring
        # With whether it has a place of the slow. Of one endpoint there may be two: a turn that has given it back is
        # still hanging up.
        self._turns: dict[asyncio.Task[None], bool] = {}
        # Turns wait here for as long as it takes, and leave connections to whatever else the worker does.
        self._at_ledger = asyncio.Semaphore(max(1, database.pool // 2))
        self._stopping = False

    async def run(self) -> bool:
        """Begin a turn with each endpoint that is due, as long as there is a place. Returns whether one was due."""
        taken, lease, claimed = list(self._turns.values()), new_id(), dict[UUID, bool]()
        async with self._database.acting() as session:
            webhooks = WebhookRepository(session)
            for slow, places in PLACES.items():
                found = await webhooks.claim(lease, LEASE, slow=slow, most=max(0, places - taken.count(slow)))
                claimed |= dict.fromkeys(found, slow)
        for endpoint_id, slow in claimed.items():
            task = asyncio.create_task(self._turn(endpoint_id, lease))
            self._turns[task] = slow
            task.add_done_callback(self._turns.pop)
        return bool(claimed)

    async def finish(self) -> None:
        """Wait for the turns under way; each ends with its round, for no new one is begun."""
        self._stopping = True
        await self.rest()

    async def rest(self) -> None:
        """Wait for the turns under way."""
        if self._turns:
            await asyncio.wait(set(self._turns))

    async def measure(self) -> None:
        async with self._database.acting() as session:
            WEBHOOKS_FAILING.set(await WebhookRepository(session).failing())

    async def prune(self) -> None:
        """Forget deliveries of events that are forgotten."""
        deleted = BATCH
        while deleted == BATCH:
            async with self._database.acting() as session:
                found = await session.execute(FORGOTTEN, {"most": BATCH})
                assert isinstance(found, CursorResult)
                deleted = found.rowcount

    async def _turn(self, endpoint_id: UUID, lease: UUID) -> None:
        """A lease that is not given back ends by itself."""
        try:
            await self._rounds(endpoint_id, lease)
        except (ServiceError, SQLAlchemyError) as error:
            log.warning("could not be done now", job="webhooks", endpoint=str(endpoint_id), error=str(error)[:300])
        except Exception as error:
            log.error("failed unforeseen", job="webhooks", endpoint=str(endpoint_id), exc_info=error)

    async def _rounds(self, endpoint_id: UUID, lease: UUID) -> None:
        began = monotonic()
        until = began + TURN_LASTS
        found = await self._next(endpoint_id, lease, None)
        if found is None:
            return
        try:
            while found is not None:
                began, (url, secrets) = monotonic(), _place_of(self._keyring, found.endpoint)
                async with self._sender.line(url, secrets) as line:
                    # A new URL, and secrets that were rotated or are over, hold from the next round on.
                    while found is not None and (url, secrets) == _place_of(self._keyring, found.endpoint):
                        await _send(line, found.to_send)
                        last = self._stopping or monotonic() >= until
                        found = await self._next(endpoint_id, lease, found, last=last)
        except (TargetRefused, CannotOpen) as refusal:
            assert found is not None
            if isinstance(refusal, TargetRefused):
                await self._failed(endpoint_id, lease, found, refusal, monotonic() - began)
            else:
                await self._failed(endpoint_id, lease, found, TargetRefused(f"has a secret, and {refusal}"))
        except (ServiceError, SQLAlchemyError):
            raise
        except Exception as error:
            log.error("failed unforeseen", job="webhooks", endpoint=str(endpoint_id), exc_info=error)
            if found is not None:
                # Counted, so that it is tried ever later, and comes to an end.
                await self._failed(endpoint_id, lease, found, TargetRefused("was not tried, by a fault of ours"))

    async def _failed(
        self, endpoint_id: UUID, lease: UUID, found: Round, said: TargetRefused, seconds: float = 0.0
    ) -> None:
        """End the turn: of a few events that were to be sent it is filed why they were not, after so many `seconds`."""
        for item in found.to_send[:OPENS_AFTER]:
            item.outcome = item.outcome or refused(said, seconds)
        await self._next(endpoint_id, lease, found, last=True)

    async def _next(self, endpoint_id: UUID, lease: UUID, done: Round | None, *, last: bool = False) -> Round | None:
        """File what came of a round, and read the next; None where the turn is over: nothing is due, the endpoint let
        us wait, is disabled, deleted or somebody else's by now, or this was to be the `last` one.
        """
        async with self._at_ledger, self._database.acting() as session:
            webhooks = WebhookRepository(session)
            endpoint = await webhooks.endpoint(endpoint_id, lock=True)
            if endpoint is None:
                return None
            if endpoint.lease != lease:  # It took too long, and another has it: what was sent is filed all the same.
                await webhooks.file([_row(endpoint, item) for item in done.to_send if item.outcome] if done else [])
                return None
            if done is not None:
                if endpoint.url != done.endpoint.url:
                    _forget_failures(done)
                await _settle(webhooks, endpoint, done)
                if is_slow(item.outcome for item in done.to_send if item.outcome):
                    endpoint.slow_until = utc_now() + SLOW_FOR
                    last = True
            found = None if endpoint.state != "active" else await _read(webhooks, endpoint)
            if found is not None and found.to_send and not last:
                endpoint.leased_until = utc_now() + timedelta(seconds=LEASE)
                return found
            if found is not None and not found.to_send:
                await _file(webhooks, endpoint, found)
            await _rest(webhooks, endpoint, more=found is not None and bool(found.to_send))
            return None


def _place_of(keyring: Keyring, endpoint: WebhookEndpoint) -> tuple[str, list[str]]:
    """Where it is sent to, and the secrets that sign now. Raises: CannotOpen."""
    return endpoint.url, secrets_of(keyring, endpoint)


def _forget_failures(done: Round) -> None:
    """They are of the URL before: the new one is tried at once, as if nothing had failed."""
    for item in done.to_send:
        if item.outcome is not None and not item.outcome.delivered:
            item.outcome = None


async def _read(webhooks: WebhookRepository, endpoint: WebhookEndpoint) -> Round:
    waiting = await webhooks.waiting(endpoint, most=MOST_WAITING)
    began_at = position = endpoint.position
    items, at_once = [Item.of(one) for one in waiting], ROUND
    if endpoint.retry_at is not None:
        at_once = 1 if endpoint.retry_at <= utc_now() else 0
        if items or not at_once:  # The oldest, to see whether it answers again.
            return Round(endpoint, items[:at_once], items[:at_once], position, began_at)
    if len(waiting) < MOST_WAITING:
        new, position = await webhooks.new(endpoint, most=ROUND)
        items = sorted([*items, *map(Item.of, new)], key=lambda one: int(one.body["sequence"]))
    to_send = list(islice(_free(items), at_once))
    sent = {item.waiting.event.seq for item in to_send}
    filed = [item for item in items if item.waiting.delivery is None or item.waiting.event.seq in sent]
    return Round(endpoint, filed, to_send, position, began_at)


def _free(items: Iterable[Item]) -> Iterable[Item]:
    """Those that are due, and come behind none of the same thing that is not."""
    held: set[tuple[str, str]] = set()
    for item in items:
        if not item.is_due() or item.things & held:
            held |= item.things
        else:
            yield item


async def _send(line: Line, items: Sequence[Item]) -> None:
    """Send what is free, a few at once, those of one thing one after another. Begins nothing any more after a while, or
    after so many failures with no success between them that the endpoint is seen to be dead.
    """
    until, at_once, lately = monotonic() + ROUND_LASTS, asyncio.Semaphore(AT_ONCE), deque[bool](maxlen=OPENS_AFTER)

    async def one(item: Item, earlier: Sequence["asyncio.Task[bool]"]) -> bool:
        if not all([await task for task in earlier]):
            return False
        async with at_once:
            if monotonic() >= until or (len(lately) == OPENS_AFTER and not any(lately)):
                return False
            item.outcome = await line.send(item.body)
        lately.append(item.outcome.delivered)
        WEBHOOKS.labels("delivered" if item.outcome.delivered else "failed").inc()
        if item.outcome.delivered and (item.waiting.delivery is None or not item.waiting.delivery.attempts):
            WEBHOOK_LAG.observe(max(0.0, (utc_now() - item.waiting.event.at).total_seconds()))
        return item.outcome.delivered

    latest: dict[tuple[str, str], asyncio.Task[bool]] = {}
    async with asyncio.TaskGroup() as group:
        for item in items:
            earlier = list({latest[thing] for thing in item.things if thing in latest})
            task = group.create_task(one(item, earlier))
            latest.update(dict.fromkeys(item.things, task))


async def _settle(webhooks: WebhookRepository, endpoint: WebhookEndpoint, done: Round) -> None:
    ended = sorted((item.outcome for item in done.to_send if item.outcome), key=lambda one: one.at)
    after = judged(Health(endpoint.failures, endpoint.failing_since, endpoint.retry_at), ended, _chance())
    endpoint.failures, endpoint.failing_since, endpoint.retry_at = after.failures, after.failing_since, after.retry_at
    # Of an endpoint that is disabled no event is given up: all wait until it is active again.
    await _file(webhooks, endpoint, done, gives_up=after.disabled is None)
    if after.disabled is not None and endpoint.state == "active":
        await _disable(webhooks, endpoint, after.disabled, after)


def _row(endpoint: WebhookEndpoint, item: Item, *, gives_up: bool = True) -> dict[str, Any]:
    """A delivery after a round, sent or not."""
    before, event, outcome = item.waiting.delivery, item.waiting.event, item.outcome
    row: dict[str, Any] = {
        "endpoint_id": endpoint.id,
        "seq": event.seq,
        "id": before.id if before is not None else new_id(),
        "tenant_id": endpoint.tenant_id,
        "event_id": event.event_id,
        "kind": event.kind,
        "state": "waiting",
        "attempts": before.attempts if before is not None else 0,
    } | {
        name: getattr(before, name, None) for name in ("first_at", "tried_at", "next_at", "status", "error", "seconds")
    }
    if outcome is None:
        return row
    first_at = row["first_at"] or outcome.at
    attempts = row["attempts"] + 1
    tried = {"attempts": attempts, "first_at": first_at, "tried_at": outcome.at, "status": outcome.status}
    row |= tried | {"error": outcome.error, "seconds": outcome.seconds, "next_at": None}
    if outcome.delivered:
        row["state"] = "delivered"
    elif gives_up and is_given_up(first_at, outcome):
        row["state"] = "given_up"
        WEBHOOKS.labels("given_up").inc()
        log.warning("an event was given up", endpoint=str(endpoint.id), id=str(event.event_id), error=outcome.error)
    else:
        row["next_at"] = next_try(attempts, outcome, _chance())
    return row


async def _file(webhooks: WebhookRepository, endpoint: WebhookEndpoint, done: Round, *, gives_up: bool = True) -> None:
    await webhooks.file([_row(endpoint, item, gives_up=gives_up) for item in done.items])
    # Unless somebody has moved it back meanwhile, to have events sent again.
    if endpoint.position == done.began_at:
        endpoint.position = done.position


async def _rest(webhooks: WebhookRepository, endpoint: WebhookEndpoint, *, more: bool) -> None:
    """Let go of it, until there is something to do. Its row is locked: what is numbered from now on wakes it."""
    endpoint.lease = endpoint.leased_until = None
    if endpoint.state != "active":
        endpoint.due_at = None
    elif endpoint.retry_at is not None:
        endpoint.due_at = endpoint.retry_at
    elif more or (await head_of(webhooks.session, endpoint.tenant_id)).seq > endpoint.position:
        endpoint.due_at = utc_now()
    else:
        endpoint.due_at = await webhooks.next_at(endpoint)


async def _disable(webhooks: WebhookRepository, endpoint: WebhookEndpoint, why: str, health: Health) -> None:
    endpoint.state, endpoint.disabled_because = "disabled", why
    note(
        webhooks.session,
        actor=WORKER,
        action="webhook.disabled",
        of=("webhook", str(endpoint.id)),
        tenant=endpoint.tenant_id,
        before={"state": "active"},
        after={"state": "disabled", "because": why},
    )
    await record(
        webhooks.session,
        endpoint.tenant_id,
        "webhook.disabled",
        endpoint_id=endpoint.id,
        url=endpoint.url,
        reason=why,
        failing_since=health.failing_since,
    )
    WEBHOOKS_DISABLED.labels(why).inc()
    log.warning("a webhook endpoint was disabled", endpoint=str(endpoint.id), tenant=endpoint.tenant_id, because=why)


def _chance() -> float:
    return int.from_bytes(random_bytes(4)) / 0xFFFFFFFF
