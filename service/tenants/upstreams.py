"""Clients of the upstream accounts, each with its own key for its own origin: opened when first wanted, and replaced
when an account's key or URL was changed.

The deployment's own account is the one named `default`: its URL and key come from the environment. The keys of all
others are sealed in the ledger. What is heard of a rotation, by the version row, is one client less and another more:
calls under way end with the client that they began with.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

import structlog
from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError

from service.db import Database
from service.kit.errors import StorageUnavailable
from service.kit.sealing import CannotOpen, Keyring, Sealed
from service.kit.urls import origin
from service.observability.metrics import ACCOUNTS_OUT_OF_SERVICE
from service.teli.client import TeliClient
from service.teli.errors import UpstreamUnavailable
from service.tenants.models import Account, AccountKey
from service.tenants.version import VersionWatch, bump

DEFAULT = "default"
EVERY = 0.5
OPEN_AT_MOST = 128
# Whoever took a client just before it was replaced has begun its call by then.
CLOSED_AFTER = 60.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Filed:
    """An account as the ledger has it. `sealed`: None for the deployment's own. `key_refused`: by Teli, as it told
    whichever process asked last.
    """

    name: str
    base_url: str
    revision: int
    sealed: Sealed | None
    key_refused: bool


def place_of(account_id: UUID, base_url: str) -> tuple[str, str, str]:
    """What a key is bound to: it opens for no other account, and for no other origin."""
    return "teli key", str(account_id), origin(base_url)


async def filed_accounts(database: Database) -> Mapping[UUID, Filed]:
    """All accounts, oldest first. Raises: StorageUnavailable."""
    async with database.acting(duty="upstream") as session:
        accounts = (await session.scalars(select(Account).order_by(Account.created_at, Account.id))).all()
        keys = {key.account_id: key for key in await session.scalars(select(AccountKey))}
    filed: dict[UUID, Filed] = {}
    for account in accounts:
        sealed: Sealed | None
        if (key := keys.get(account.id)) is not None:
            sealed = Sealed(key.key_id, key.sealed)
            revision = key.revision
        elif account.name == DEFAULT:
            sealed, revision = None, 0
        else:
            continue
        refused = account.key_refused_at is not None
        filed[account.id] = Filed(account.name, account.base_url, revision, sealed, refused)
    return filed


class AccountUpstreams:
    """`default` is closed with the others."""

    def __init__(
        self, database: Database, version: VersionWatch, keyring: Keyring, default: TeliClient, *, listen: float
    ) -> None:
        self._database = database
        self._version = version
        self._keyring = keyring
        self.default = default
        self._listen = listen
        self._seen_at = -1
        self._filed: Mapping[UUID, Filed] = {}
        self._faults: Mapping[UUID, str] = {}
        self._open: OrderedDict[UUID, tuple[Filed, TeliClient]] = OrderedDict()
        self._noted: dict[TeliClient, bool] = {}
        self._retired: list[tuple[float, TeliClient]] = []

    @property
    def accounts(self) -> Mapping[UUID, str]:
        """Names of all accounts that were known at the last look."""
        return {account_id: filed.name for account_id, filed in self._filed.items()}

    @property
    def out_of_service(self) -> Mapping[str, str]:
        """Accounts whose keys cannot be opened here, by name, and why."""
        return {self._filed[account_id].name: why for account_id, why in self._faults.items()}

    @property
    def refused(self) -> Sequence[str]:
        """Names of the accounts whose keys Teli refuses, as it told whichever process asked last."""
        return [filed.name for filed in self._filed.values() if filed.key_refused]

    def stand(self) -> Literal["ok", "partly_out_of_service", "key_refused"]:
        """How their keys stand, the worst of them."""
        return "key_refused" if self.refused else "partly_out_of_service" if self.out_of_service else "ok"

    async def of(self, account_id: UUID) -> TeliClient:
        """As `service.teli.client.Upstreams.of`."""
        filed = self._filed.get(account_id)
        if filed is None:
            await self.refresh()
            filed = self._filed.get(account_id)
            if filed is None:
                raise UpstreamUnavailable("There is no such upstream account.")
        if filed.sealed is None:
            return self.default
        found = self._open.get(account_id)
        if found is not None and _same(found[0], filed):
            self._open.move_to_end(account_id)
            return found[1]
        client = self._opened(account_id, filed)
        if found is not None:
            self._retire(account_id)
        self._open[account_id] = filed, client
        if len(self._open) > OPEN_AT_MOST:
            self._retire(next(iter(self._open)))
        return client

    def _opened(self, account_id: UUID, filed: Filed) -> TeliClient:
        assert filed.sealed is not None
        try:
            key = self._keyring.open(filed.sealed, *place_of(account_id, filed.base_url))
        except CannotOpen:
            raise UpstreamUnavailable(
                "The upstream account is out of service: its key cannot be opened.", after=30
            ) from None
        return TeliClient(filed.base_url, key, listen=self._listen, name=filed.name)

    def _retire(self, account_id: UUID) -> None:
        _, client = self._open.pop(account_id)
        self._retired.append((time.monotonic(), client))

    async def refresh(self) -> None:
        """Look at all accounts. Raises: StorageUnavailable."""
        seen_at = self._version.revision
        filed = await filed_accounts(self._database)
        for name in {one.name for one in self._filed.values()} - {one.name for one in filed.values()}:
            with suppress(KeyError):
                ACCOUNTS_OUT_OF_SERVICE.remove(name)
        self._filed, self._seen_at = filed, seen_at
        for account_id in [one for one in self._open if one not in filed or not _same(self._open[one][0], filed[one])]:
            self._retire(account_id)
        self._look_for_faults()

    def _look_for_faults(self) -> None:
        faults = {}
        for account_id, filed in self._filed.items():
            if filed.sealed is None:
                continue
            try:
                self._keyring.open(filed.sealed, *place_of(account_id, filed.base_url))
            except CannotOpen as error:
                faults[account_id] = str(error)
            ACCOUNTS_OUT_OF_SERVICE.labels(filed.name).set(account_id in faults)
            if account_id in faults and account_id not in self._faults:
                log.error("an upstream account is out of service", account=filed.name, why=faults[account_id])
            elif account_id in self._faults and account_id not in faults:
                log.info("an upstream account is back in service", account=filed.name)
        self._faults = faults

    async def follow(self) -> None:
        """Look at the accounts where the version row has moved, close what nobody uses any more, and note whether Teli
        takes their keys.

        Raises: StorageUnavailable.
        """
        if self._version.revision != self._seen_at:
            await self.refresh()
        until = time.monotonic() - CLOSED_AFTER
        for one in [one for one in self._retired if one[0] < until and not one[1].under_way]:
            self._retired.remove(one)
            await one[1].close()
        await self._note_refusals()

    async def _note_refusals(self) -> None:
        """What this process heard of a key since it noted it last: of two that heard otherwise the later one counts."""
        clients = {account_id: client for account_id, (_, client) in self._open.items()}
        for account_id, filed in self._filed.items():
            client = self.default if filed.sealed is None else clients.get(account_id)
            if client is None or client.key_refused is None or client.key_refused == self._noted.get(client):
                continue
            refused = client.key_refused
            if refused != filed.key_refused:
                async with self._database.acting(duty="admin") as session:
                    at = func.clock_timestamp() if refused else None
                    await session.execute(update(Account).where(Account.id == account_id).values(key_refused_at=at))
                    await bump(session)
                if refused:
                    log.error("Teli refuses the key of an upstream account", account=filed.name)
                else:
                    log.info("Teli takes the key of an upstream account again", account=filed.name)
            self._noted[client] = refused
        self._noted = {
            client: told for client, told in self._noted.items() if client in {self.default, *clients.values()}
        }

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(StorageUnavailable, SQLAlchemyError):
                await self.follow()
            await asyncio.sleep(EVERY)

    async def close(self) -> None:
        clients = [self.default, *(client for _, client in (*self._open.values(), *self._retired))]
        self._open.clear()
        self._retired.clear()
        for client in clients:
            await client.close()


def _same(one: Filed, other: Filed) -> bool:
    """Of the same key for the same place, however it is encrypted now."""
    return (one.base_url, one.revision, one.name) == (other.base_url, other.revision, other.name)
