"""A tenant's webhook endpoints: filed, changed, rotated, tested; what became of each event, and sending it again."""

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.idempotency.once import Once
from service.kit.clock import rfc3339, utc_now
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import COUNTED, Cursors, total
from service.kit.sealing import CannotOpen, Keyring
from service.kit.types import TenantId, new_id
from service.outbox.feed import head_of
from service.tenants.accounts import Reencrypted
from service.tenants.administration import Author
from service.tenants.models import Tenant
from service.tenants.principals import Principal
from service.webhooks.circuit import SLOW_FOR
from service.webhooks.errors import TargetRefused
from service.webhooks.models import WebhookDelivery, WebhookEndpoint
from service.webhooks.repository import WebhookRepository
from service.webhooks.secrets import make_secret, seal, seal_anew, secrets_of
from service.webhooks.sending import Sender

# Endpoints of a tenant.
MOST = 100
TESTS_AT_ONCE = 16
TEST = "webhook.test"
ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext('webhooks of ' || :tenant))")


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to become of an endpoint; only what is named in `given` counts. `types`: None is all."""

    given: frozenset[str]
    url: str = ""
    description: str | None = None
    types: tuple[str, ...] | None = None
    state: str = "active"


class Webhooks:
    def __init__(self, database: Database, cursors: Cursors, sender: Sender, keyring: Keyring) -> None:
        self._database = database
        self._cursors = cursors
        self._sender = sender
        self._keyring = keyring
        self._tests = asyncio.Semaphore(TESTS_AT_ONCE)

    async def create(self, caller: Principal, wish: Wish, request_id: str, once: Once) -> dict[str, Any]:
        """A new endpoint, which is told what happens from now on. Its secret is shown this once.

        Raises: InvalidRequest for a URL that nothing is sent to; IdempotencyKeyReused; StateConflict for too many, and
            where there is nothing to encrypt a secret with.
        """
        tenant, secret = caller.tenant, make_secret()
        await self._check_new(tenant, wish.url, once)
        async with self._database.acting(tenant=tenant) as session:
            if (named := await once.before(session)) is not None:
                return told(await _one(session, tenant, UUID(named.answer["id"]))) | {"secret": None}
            await session.execute(ONE_AT_A_TIME, {"tenant": tenant})
            if (await WebhookRepository(session).endpoints(tenant, after=None, limit=0))[1] >= MOST:
                raise StateConflict(f"There are {MOST} endpoints already; delete one, or change it.")
            endpoint_id = new_id()
            sealed = seal(self._keyring, endpoint_id, secret)
            endpoint = WebhookEndpoint(
                id=endpoint_id,
                tenant_id=tenant,
                url=wish.url,
                description=wish.description,
                types=None if wish.types is None else list(wish.types),
                state="active",
                sealed=sealed.data,
                key_id=sealed.key_id,
                position=(await head_of(session, tenant)).seq,
                failures=0,
                # Until it was seen to answer.
                slow_until=utc_now() + SLOW_FOR,
                created_at=utc_now(),
            )
            session.add(endpoint)
            _note(session, caller, "webhook.created", endpoint_id, None, _seen(endpoint), request_id)
            await once.keep(session, answer={"id": str(endpoint_id)})
        return told(endpoint) | {"secret": secret}

    async def page(self, caller: Principal, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """In the order in which they were made. Raises: InvalidRequest for a cursor of another list."""
        query = {"list": "webhooks", "tenant": caller.tenant}
        after = None if cursor is None else UUID(self._cursors.open(query, cursor)[0])
        async with self._database.acting(tenant=caller.tenant) as session:
            found, counted = await WebhookRepository(session).endpoints(caller.tenant, after=after, limit=limit + 1)
        more = len(found) > limit
        return {
            "items": [told(one) for one in found[:limit]],
            "next_cursor": self._cursors.seal(query, [str(found[limit - 1].id)]) if more else None,
            "total": total(counted),
        }

    async def get(self, caller: Principal, endpoint_id: UUID) -> dict[str, Any]:
        """Raises: NotFound, also for another tenant's; so do all below."""
        async with self._database.acting(tenant=caller.tenant) as session:
            return told(await _one(session, caller.tenant, endpoint_id))

    async def change(
        self, caller: Principal, endpoint_id: UUID, wish: Wish, request_id: str, once: Once
    ) -> dict[str, Any]:
        """Another URL, and an endpoint that is active again, are tried at once, as if nothing had failed before.

        Raises: NotFound; InvalidRequest as `create`; IdempotencyKeyReused.
        """
        if "url" in wish.given:
            await self._check_new(caller.tenant, wish.url, once)
        async with self._database.acting(tenant=caller.tenant) as session:
            if await once.before(session) is not None:
                return told(await _one(session, caller.tenant, endpoint_id))
            endpoint = await _one(session, caller.tenant, endpoint_id, lock=True)
            before, url = _seen(endpoint), endpoint.url
            for name in wish.given & {"url", "description"}:
                setattr(endpoint, name, getattr(wish, name))
            if "types" in wish.given:
                endpoint.types = None if wish.types is None else list(wish.types)
            if "state" in wish.given and wish.state != endpoint.state:
                endpoint.state = wish.state
                endpoint.disabled_because = "asked" if wish.state == "disabled" else None
                url = ""
            if endpoint.url != url:
                endpoint.failures, endpoint.failing_since, endpoint.retry_at = 0, None, None
                endpoint.due_at = utc_now() if endpoint.state == "active" else None
                await WebhookRepository(session).anew(endpoint)
            if _seen(endpoint) != before:
                _note(session, caller, "webhook.changed", endpoint_id, before, _seen(endpoint), request_id)
            await once.keep(session, answer={"id": str(endpoint_id)})
        return told(endpoint)

    async def delete(self, caller: Principal, endpoint_id: UUID, request_id: str) -> None:
        """With what became of its deliveries. Raises: NotFound."""
        async with self._database.acting(tenant=caller.tenant) as session:
            endpoint = await _one(session, caller.tenant, endpoint_id, lock=True)
            await session.delete(endpoint)
            _note(session, caller, "webhook.deleted", endpoint_id, _seen(endpoint), None, request_id)

    async def rotate(
        self, caller: Principal, endpoint_id: UUID, *, overlap: float, request_id: str, once: Once
    ) -> dict[str, Any]:
        """A new secret, shown this once; for `overlap` seconds the one before signs too.

        Raises: NotFound; IdempotencyKeyReused; StateConflict while an overlap lasts, which another rotation would end,
            and where there is nothing to encrypt a secret with.
        """
        secret = make_secret()
        async with self._database.acting(tenant=caller.tenant) as session:
            if await once.before(session) is not None:
                return told(await _one(session, caller.tenant, endpoint_id)) | {"secret": None}
            endpoint = await _one(session, caller.tenant, endpoint_id, lock=True)
            if overlap and (lasts := endpoint.previous_until) is not None and lasts > utc_now():
                raise StateConflict(
                    f"This secret was rotated, and the one before signs too until {rfc3339(lasts)}: rotate it then, or"
                    " at once, with overlap_seconds 0, which ends that too.",
                    previous_secret_until=rfc3339(lasts),
                )
            sealed = seal(self._keyring, endpoint_id, secret)
            endpoint.previous_sealed, endpoint.previous_key_id = endpoint.sealed, endpoint.key_id
            endpoint.previous_until = utc_now() + timedelta(seconds=overlap)
            endpoint.sealed, endpoint.key_id = sealed.data, sealed.key_id
            after = {"previous_until": rfc3339(endpoint.previous_until)}
            _note(session, caller, "webhook.secret_rotated", endpoint_id, None, after, request_id)
            await once.keep(session, answer={"id": str(endpoint_id)})
        return told(endpoint) | {"secret": secret}

    async def reencrypt(self, author: Author) -> Reencrypted:
        """Encrypt every secret that signs under the first of the keyring, tenant by tenant; as `Accounts.reencrypt`."""
        done = Reencrypted()
        async with self._database.acting(duty="admin", sees=("*",)) as session:
            tenants = (await session.scalars(select(Tenant.id).order_by(Tenant.id))).all()
        for tenant in tenants:
            async with self._database.acting(tenant=tenant) as session:
                for endpoint in await WebhookRepository(session).all_of(tenant):
                    self._seal_anew(session, author, done, endpoint)
        return done

    def _seal_anew(self, session: AsyncSession, author: Author, done: Reencrypted, endpoint: WebhookEndpoint) -> None:
        before = {"encrypted_with": endpoint.key_id}
        try:
            anew = seal_anew(self._keyring, endpoint)
        except CannotOpen as error:
            done.not_opened += (f"webhook endpoint {endpoint.id} of {endpoint.tenant_id}: {error}",)
            return
        if not anew:
            done.before += 1
            return
        done.anew += 1
        note(
            session, actor=author.actor, action="webhook.reencrypted", of=("webhook", str(endpoint.id)),
            tenant=endpoint.tenant_id, before=before, after={"encrypted_with": endpoint.key_id},
        )  # fmt: skip

    async def test(self, caller: Principal, endpoint_id: UUID) -> dict[str, Any]:
        """Send an event that nothing has happened, now and once, and tell what came of it; a disabled one is tried too.

        Raises: NotFound; StateConflict where its secret cannot be opened.
        """
        async with self._database.acting(tenant=caller.tenant) as session:
            endpoint = await _one(session, caller.tenant, endpoint_id)
        try:
            secrets = secrets_of(self._keyring, endpoint)
        except CannotOpen as error:
            raise StateConflict(f"Its secret cannot be opened: {error}. Rotate it.") from None
        event = {
            "id": str(new_id()),
            "type": TEST,
            "timestamp": rfc3339(utc_now()),
            "tenant_id": caller.tenant,
            "sequence": 0,
            "data": {"endpoint_id": str(endpoint_id)},
        }
        async with self._tests:
            outcome = await self._sender.send(endpoint.url, secrets, event)
        return {
            "event_id": event["id"],
            "delivered": outcome.delivered,
            "status": outcome.status,
            "error": outcome.error,
            "seconds": round(outcome.seconds, 3),
        }

    async def deliveries(
        self, caller: Principal, endpoint_id: UUID, state: str | None, *, limit: int, cursor: str | None
    ) -> dict[str, Any]:
        """What became of each event, newest first. Raises: NotFound; InvalidRequest for a cursor of another list."""
        query = {"list": "deliveries", "endpoint": str(endpoint_id), "state": state}
        before = None if cursor is None else self._cursors.open(query, cursor)[0]
        async with self._database.acting(tenant=caller.tenant) as session:
            await _one(session, caller.tenant, endpoint_id)
            found, counted = await WebhookRepository(session).deliveries(
                endpoint_id, state, before=before, limit=limit + 1
            )
        more = len(found) > limit
        return {
            "items": [_delivery(one) for one in found[:limit]],
            "next_cursor": self._cursors.seal(query, [found[limit - 1].seq]) if more else None,
            "total": total(counted),
        }

    async def redeliver(
        self, caller: Principal, endpoint_id: UUID, delivery_id: UUID, request_id: str, once: Once
    ) -> dict[str, Any]:
        """Have one event sent again, as soon as may be. Raises: NotFound; StateConflict for a disabled endpoint."""
        async with self._database.acting(tenant=caller.tenant) as session:
            webhooks = WebhookRepository(session)
            named = await once.before(session)
            endpoint = await _one(session, caller.tenant, endpoint_id, lock=True)
            delivery = await webhooks.delivery(endpoint_id, delivery_id)
            if delivery is None:
                raise NotFound("There is no such delivery of this endpoint.")
            if named is None:
                _have_sent(endpoint)
                delivery.state, delivery.attempts, delivery.first_at, delivery.next_at = "waiting", 0, None, None
                after = {"delivery_id": str(delivery_id), "event_id": str(delivery.event_id)}
                _note(session, caller, "webhook.redelivered", endpoint_id, None, after, request_id)
                await once.keep(session, answer={"id": str(delivery_id)})
        return _delivery(delivery)

    async def redeliver_since(
        self, caller: Principal, endpoint_id: UUID, since: datetime, request_id: str, once: Once
    ) -> dict[str, Any]:
        """Have all events from a time on sent again, in order, those that were delivered too.

        Raises: NotFound; StateConflict for a disabled endpoint.
        """
        async with self._database.acting(tenant=caller.tenant) as session:
            webhooks = WebhookRepository(session)
            if (named := await once.before(session)) is not None:
                return named.answer
            endpoint = await _one(session, caller.tenant, endpoint_id, lock=True)
            first, counted = await webhooks.since(endpoint, since)
            _have_sent(endpoint)
            if first is not None:
                endpoint.position = min(endpoint.position, first - 1)
            answer = {"events": {"value": min(counted, COUNTED), "exact": counted <= COUNTED}}
            after = {"since": rfc3339(since), "events": counted}
            _note(session, caller, "webhook.redelivered", endpoint_id, None, after, request_id)
            await once.keep(session, answer=answer)
        return answer

    async def _check_new(self, tenant: TenantId, url: str, once: Once) -> None:
        """Not of a request that was done before: it has its answer, though the name may not be known now.

        Raises: InvalidRequest; IdempotencyKeyReused.
        """
        async with self._database.acting(tenant=tenant) as session:
            if await once.earlier(session) is not None:
                return
        try:
            await self._sender.targets.find(url)
        except TargetRefused as refusal:
            raise InvalidRequest(Fault("/url", str(refusal))) from None


async def _one(session: AsyncSession, tenant: TenantId, endpoint_id: UUID, *, lock: bool = False) -> WebhookEndpoint:
    """Raises: NotFound, also for another tenant's."""
    found = await WebhookRepository(session).endpoint(endpoint_id, lock=lock)
    if found is None or found.tenant_id != tenant:
        raise NotFound("There is no such webhook endpoint.")
    return found


def _have_sent(endpoint: WebhookEndpoint) -> None:
    """Raises: StateConflict."""
    if endpoint.state != "active":
        raise StateConflict("This endpoint is disabled; set its state to active, and what waits is sent.")
    if endpoint.retry_at is None:
        endpoint.due_at = utc_now()


def told(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "description": endpoint.description,
        "types": endpoint.types,
        "state": endpoint.state,
        "disabled_because": endpoint.disabled_because,
        "sequence": endpoint.position,
        "failing_since": endpoint.failing_since,
        "next_try_at": endpoint.retry_at,
        "previous_secret_until": endpoint.previous_until,
        "created_at": endpoint.created_at,
    }


def _seen(endpoint: WebhookEndpoint) -> dict[str, Any]:
    return {name: getattr(endpoint, name) for name in ("url", "description", "types", "state")}


def _delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event_id": delivery.event_id,
        "type": delivery.kind,
        "sequence": delivery.seq,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "first_tried_at": delivery.first_at,
        "tried_at": delivery.tried_at,
        "next_try_at": delivery.next_at,
        "status": delivery.status,
        "error": delivery.error,
        "seconds": delivery.seconds,
    }


def _note(
    session: AsyncSession,
    caller: Principal,
    action: Action,
    endpoint_id: UUID,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    request_id: str,
) -> None:
    note(
        session, actor=caller.actor, action=action, of=("webhook", str(endpoint_id)), tenant=caller.tenant,
        before=before, after=after, request_id=request_id,
    )  # fmt: skip
