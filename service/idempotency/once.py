"""Once, however often it is sent: a key is filed in the very transaction of the change that it names.

So there is no claim that a crash could leave behind: key and change are there both, or neither. Who sends the same key
meanwhile waits for that transaction to end, and finds what it came to. A purchase's key is filed by `admit`.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Self
from uuid import UUID

from sqlalchemy import ColumnElement, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from service.idempotency.keys import KEPT_WITHOUT_NUMBER, IdempotencyKeyReused
from service.idempotency.models import IdempotencyKey
from service.observability.metrics import REPLAYS

# What a key names from `before` to `keep`; nobody else ever sees it.
NOTHING_YET: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Named:
    """What a key names: a step, which is the operation, or what the answer is made of."""

    step_id: UUID | None
    answer: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Once:
    """A request as far as it must be told from another; `owner` and `scope` as the columns of `IdempotencyKey`.

    `headers`: the answer's; a replay is told there.
    """

    owner: str
    scope: str
    key: str | None
    fingerprint: bytes
    headers: MutableMapping[str, str] = field(default_factory=dict)

    def by(self, actor: str) -> Self:
        """Of somebody who acts for no tenant."""
        return replace(self, owner=f"@{actor}")

    def of(self, tenant: str | None, actor: str) -> Self:
        """The tenant's; of somebody who acts for none, theirs alone."""
        return self.by(actor) if tenant is None else replace(self, owner=tenant)

    def alone(self, actor: str) -> Self:
        """Of this key or person of its owner alone, where another of them need not be allowed to see the answer."""
        return replace(self, scope=f"{self.scope} by {actor}")

    def replays(self) -> None:
        REPLAYS.labels("postgres").inc()
        self.headers["Idempotent-Replayed"] = "true"

    async def before(self, session: AsyncSession) -> Named | None:
        """What an earlier request with this key came to. None where there was none: then `keep` must follow.

        Stands first in its transaction. Raises: IdempotencyKeyReused.
        """
        if self.key is None:
            return None
        filed = insert(IdempotencyKey).values(
            tenant_id=self.owner,
            scope=self.scope,
            key=self.key,
            fingerprint=self.fingerprint,
            answer=NOTHING_YET,
            expires_at=func.clock_timestamp() + KEPT_WITHOUT_NUMBER,
        )
        # An update that changes nothing, for it waits for who else files this key, and then returns the other's row.
        found = filed.on_conflict_do_update(
            index_elements=["tenant_id", "scope", "key"], set_={"key": filed.excluded.key}
        ).returning(IdempotencyKey.fingerprint, IdempotencyKey.step_id, IdempotencyKey.answer)
        return self._named((await session.execute(found)).one())

    async def earlier(self, session: AsyncSession) -> Named | None:
        """As `before`, but files nothing and waits for nobody: for whoever asks others, outside of any transaction,
        whether a request that is new may be. `before` must follow all the same. Raises: IdempotencyKeyReused.
        """
        if self.key is None:
            return None
        filed = select(IdempotencyKey.fingerprint, IdempotencyKey.step_id, IdempotencyKey.answer).where(*self._row())
        found = (await session.execute(filed)).one_or_none()
        return None if found is None else self._named(found)

    async def keep(
        self, session: AsyncSession, *, step_id: UUID | None = None, answer: dict[str, Any] | None = None
    ) -> None:
        """The key names this step, or this answer, from the commit on."""
        if self.key is not None:
            await session.execute(update(IdempotencyKey).where(*self._row()).values(step_id=step_id, answer=answer))

    def _row(self) -> tuple[ColumnElement[bool], ...]:
        return (
            IdempotencyKey.tenant_id == self.owner,
            IdempotencyKey.scope == self.scope,
            IdempotencyKey.key == self.key,
        )

    def _named(self, row: Row[tuple[bytes, UUID | None, dict[str, Any] | None]]) -> Named | None:
        """Raises: IdempotencyKeyReused."""
        if row.answer == NOTHING_YET:
            return None
        if row.fingerprint != self.fingerprint:
            raise IdempotencyKeyReused
        self.replays()
        return Named(row.step_id, row.answer or {})


UNKEYED = Once("", "", None, b"")
