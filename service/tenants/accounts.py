"""Upstream accounts: the deployment's own, from its settings, and further ones with keys of their own.

A key comes in and never goes out again: it is sealed for its account and for the origin of that account's URL, so that
a row that was copied or changed does not open, and no key is sent where it does not belong.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, func, select, table, text, update
from sqlalchemy import column as named
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.actions import Action
from service.audit.entries import note
from service.db import Database
from service.kit.crypto import Secret
from service.kit.errors import Fault, InvalidRequest, NotFound, StateConflict
from service.kit.pagination import Cursors, total
from service.kit.sealing import CannotOpen, Keyring, Sealed
from service.kit.types import new_id
from service.kit.urls import origin, scheme_and_host
from service.tenants.administration import Author
from service.tenants.models import Account, AccountKey, Moment
from service.tenants.upstreams import DEFAULT, place_of
from service.tenants.version import bump

SEND_SLOTS = 64
# Of a key shorter than that a hint would be too much of it.
HINTED_FROM = 16
AT_ONCE = 100
log = structlog.get_logger()

# How Teli takes its purchases, which whoever sends them notes.
FLOW = table("account_flow", named("account_id"), named("rests_until", Moment))
ACCOUNTS = (
    select(Account, AccountKey, FLOW.c.rests_until)
    .join(AccountKey, AccountKey.account_id == Account.id, isouter=True)
    .join(FLOW, FLOW.c.account_id == Account.id, isouter=True)
)


async def ensure_account(database: Database, *, base_url: str, teli_tenant_id: str) -> None:
    """File the deployment's own account with its send slots, or note that its upstream has moved."""
    async with database.acting(duty="admin") as session:
        # Processes start together: whoever comes second waits here for the first to commit, and then reads its row.
        filed = await session.scalar(
            insert(Account)
            .values(id=new_id(), name=DEFAULT, base_url=base_url, teli_tenant_id=teli_tenant_id)
            .on_conflict_do_nothing(index_elements=[Account.name])
            .returning(Account.id)
        )
        if filed is not None:
            await _add_slots(session, filed)
            await bump(session)
            return
        account = (await session.scalars(select(Account).where(Account.name == DEFAULT))).one()
        if (account.base_url, account.teli_tenant_id) != (base_url, teli_tenant_id):
            account.base_url, account.teli_tenant_id = base_url, teli_tenant_id
            await bump(session)


async def _add_slots(session: AsyncSession, account_id: UUID) -> None:
    await session.execute(
        text("INSERT INTO send_slots (account_id, slot) SELECT :account, generate_series(1, :slots)"),
        {"account": account_id, "slots": SEND_SLOTS},
    )


@dataclass(slots=True)
class Reencrypted:
    """How many keys were encrypted anew, how many had been before, and which cannot be opened."""

    anew: int = 0
    before: int = 0
    not_opened: tuple[str, ...] = ()


class Accounts:
    def __init__(
        self, database: Database, secret: Secret, keyring: Keyring, cursors: Cursors, *, key_environment: str
    ) -> None:
        self._key_environment = key_environment
        self._database = database
        self._secret = secret
        self._keyring = keyring
        self._cursors = cursors

    async def page(self, *, limit: int, cursor: str | None) -> dict[str, Any]:
        """Accounts, in the order in which they were filed. Raises: InvalidRequest for a cursor of another list."""
        query = {"list": "accounts"}
        page = ACCOUNTS.order_by(Account.id).limit(limit + 1)
        if cursor is not None:
            [after] = self._cursors.open(query, cursor)
            page = page.where(Account.id > UUID(after))
        async with self._database.acting(duty="admin") as session:
            found = (await session.execute(page)).all()
            counted = (await session.scalars(select(func.count()).select_from(Account))).one()
        more = len(found) > limit
        return {
            "items": [self._told(row) for row in found[:limit]],
            "next_cursor": self._cursors.seal(query, [str(found[limit - 1][0].id)]) if more else None,
            "total": total(counted),
        }

    async def one(self, account_id: UUID) -> dict[str, Any]:
        """Raises: NotFound."""
        async with self._database.acting(duty="admin") as session:
            return await self._of(session, account_id)

    async def create(
        self, author: Author, *, name: str, base_url: str, teli_tenant_id: str, key: str
    ) -> dict[str, Any]:
        """A further account. Nothing is bought through it before the worker has listed what it holds.

        Raises: InvalidRequest for a URL on loopback beside live keys; IdempotencyKeyReused; StateConflict for a name,
            or a tenant of Teli, that another account has, and where there is nothing to encrypt a key with.
        """
        self._check_url(base_url)
        # Fingerprints are shown to operators. One of a body with a key in it must not let a key be tried out.
        keyed = self._secret.keyed_hash("account", author.once.fingerprint)
        once = replace(author.once, fingerprint=keyed)
        async with self._database.acting(duty="admin") as session:
            if (named := await once.before(session)) is not None:
                return await self._of(session, UUID(named.answer["id"]))
            await bump(session)  # First, so that one account at a time is filed or changed.
            account = Account(id=new_id(), name=name, base_url=base_url, teli_tenant_id=teli_tenant_id)
            await _alone(session, account)
            session.add(account)
            await session.flush()
            await _add_slots(session, account.id)
            session.add(AccountKey(account_id=account.id, changed_by=author.actor, **self._sealed(account, key)))
            await session.flush()
            _note(session, author, "account.created", account, None, _seen(account))
            await once.keep(session, answer={"id": str(account.id)})
            told = await self._of(session, account.id)
        log.info("account filed", account=name, actor=author.actor)
        return told

    async def put(self, author: Author, account_id: UUID, changes: dict[str, Any]) -> dict[str, Any]:
        """Change `name`, `base_url`, `teli_tenant_id` or `key`; what is absent stays as it is.

        Raises: NotFound; InvalidRequest for another URL without a key, and as `create`; StateConflict as `create`, and
            for the deployment's own account.
        """
        self._check_url(changes.get("base_url"))
        async with self._database.acting(duty="admin") as session:
            await bump(session)
            account, held = await self._stored(session, account_id)
            was = _seen(account)
            key = changes.pop("key", None)
            if key is None and changes.get("base_url", account.base_url) != account.base_url:
                raise InvalidRequest(
                    Fault("/key", "is required with another base_url: a key is sent to the URL only that it came with")
                )
            for column, value in changes.items():
                setattr(account, column, value)
            await _alone(session, account)
            becomes = _seen(account)
            if key is not None:
                self._replace(author, account, held, key)
            if becomes != was:
                _note(session, author, "account.put", account, was, becomes)
            if key is not None:
                _note(session, author, "account.key_replaced", account, None, {"name": account.name})
            await session.flush()
            told = await self._of(session, account_id)
        log.info("account changed", account=told["name"], actor=author.actor, key_replaced=key is not None)
        return told

    def _check_url(self, base_url: str | None) -> None:
        """Raises: InvalidRequest where whoever listens on this machine would sell numbers to live keys."""
        if self._key_environment == "live" and base_url is not None and scheme_and_host(base_url)[0] != "https":
            raise InvalidRequest(
                Fault("/base_url", "must be https where NUMBERGATE_KEY_ENVIRONMENT is live, on loopback too")
            )

    async def _stored(self, session: AsyncSession, account_id: UUID) -> tuple[Account, AccountKey]:
        """Raises: NotFound; StateConflict for the deployment's own."""
        account = await session.get(Account, account_id)
        if account is None:
            raise NotFound("There is no such account.")
        held = await session.get(AccountKey, account_id, with_for_update=True)
        if held is None:
            raise StateConflict(
                "This is the deployment's own account: change TELI_BASE_URL, TELI_API_KEY and"
                " NUMBERGATE_TELI_TENANT_ID, and start its processes again."
            )
        return account, held

    def _replace(self, author: Author, account: Account, held: AccountKey, key: str) -> None:
        for column, value in self._sealed(account, key).items():
            setattr(held, column, value)
        held.revision += 1
        account.key_refused_at = None  # Nobody has asked with this one.
        held.changed_by = author.actor
        held.changed_at = func.clock_timestamp()

    def _sealed(self, account: Account, key: str) -> dict[str, Any]:
        """Raises: StateConflict."""
        try:
            sealed = self._keyring.seal(key, *place_of(account.id, account.base_url))
        except CannotOpen:
            raise StateConflict(
                "There is nothing to encrypt a key with: set NUMBERGATE_ACCOUNT_KEYS in every process first."
            ) from None
        return {
            "sealed": sealed.data,
            "key_id": sealed.key_id,
            "hint": key[-4:] if len(key) >= HINTED_FROM else "",
        }

    async def reencrypt(self, author: Author) -> Reencrypted:
        """Encrypt every key under the first of the keyring, so that the others can be taken away.

        Safe to be stopped, run again, and run beside anything else: whoever replaces a key meanwhile is not undone.

        Raises: StateConflict where the keyring is empty.
        """
        first = self._keyring.first
        if first is None:
            raise StateConflict("There is nothing to encrypt with: set NUMBERGATE_ACCOUNT_KEYS first.")
        done, after = Reencrypted(), UUID(int=0)
        while True:
            async with self._database.acting(duty="admin") as session:
                rows = (
                    await session.execute(
                        ACCOUNTS.where(AccountKey.account_id > after).order_by(AccountKey.account_id).limit(AT_ONCE)
                    )
                ).all()
                for account, held, _ in rows:
                    await self._reencrypt(session, author, done, account, held)
            if len(rows) < AT_ONCE:
                return done
            after = rows[-1][0].id

    async def _reencrypt(
        self, session: AsyncSession, author: Author, done: Reencrypted, account: Account, held: AccountKey
    ) -> None:
        place, was = place_of(account.id, account.base_url), Sealed(held.key_id, held.sealed)
        try:
            key = self._keyring.open(was, *place)
        except CannotOpen as error:
            done.not_opened += (f"{account.name}: {error}",)
            return
        if held.key_id == self._keyring.first:
            done.before += 1
            return
        sealed = self._keyring.seal(key, *place)
        changed = await session.execute(
            update(AccountKey)
            .where(AccountKey.account_id == account.id, AccountKey.sealed == was.data)
            .values(sealed=sealed.data, key_id=sealed.key_id)
            .returning(AccountKey.account_id)
            .execution_options(synchronize_session=False)
        )
        if changed.first() is None:
            return  # Replaced meanwhile, and sealed anew by whoever did.
        done.anew += 1
        before, after = {"encrypted_with": was.key_id}, {"encrypted_with": sealed.key_id}
        _note(session, author, "account.reencrypted", account, before, after)

    async def _of(self, session: AsyncSession, account_id: UUID) -> dict[str, Any]:
        found = (
            await session.execute(ACCOUNTS.where(Account.id == account_id).execution_options(populate_existing=True))
        ).one_or_none()
        if found is None:
            raise NotFound("There is no such account.")
        return self._told(found)

    def _told(self, row: Row[Account, AccountKey, datetime | None]) -> dict[str, Any]:
        account, held, rests_until = row
        return {
            "id": account.id,
            **_seen(account),
            "mode": account.mode,
            "listed_at": account.listed_at,
            "created_at": account.created_at,
            "in_service": account.key_refused_at is None and (held is None or self._opens(account, held)),
            "key_refused_at": account.key_refused_at,
            "rests_until": rests_until,
            "key": None
            if held is None
            else {
                "hint": held.hint,
                "encrypted_with": held.key_id,
                "changed_at": held.changed_at,
                "changed_by": held.changed_by,
            },
        }

    def _opens(self, account: Account, held: AccountKey) -> bool:
        try:
            self._keyring.open(Sealed(held.key_id, held.sealed), *place_of(account.id, account.base_url))
        except CannotOpen:
            return False
        return True


async def _alone(session: AsyncSession, account: Account) -> None:
    """Raises: StateConflict."""
    with session.no_autoflush:
        others = (await session.scalars(select(Account).where(Account.id != account.id))).all()
    for other in others:
        if other.name == account.name:
            raise StateConflict(f"There is an account {account.name} already.", account_id=str(other.id))
        if (origin(other.base_url), other.teli_tenant_id) == (origin(account.base_url), account.teli_tenant_id):
            raise StateConflict(
                f"The account {other.name} is of the same tenant at Teli already: each would see the other's numbers as"
                " strangers. Replace its key instead.",
                account_id=str(other.id),
            )


def _seen(account: Account) -> dict[str, Any]:
    return {"name": account.name, "base_url": account.base_url, "teli_tenant_id": account.teli_tenant_id}


def _note(
    session: AsyncSession,
    author: Author,
    action: Action,
    account: Account,
    before: dict[str, Any] | None,
    after: dict[str, Any],
) -> None:
    note(
        session, actor=author.actor, action=action, of=("account", account.name), before=before, after=after,
        request_id=author.request_id,
    )  # fmt: skip
