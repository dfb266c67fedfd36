"""The gate in memory: what the scripts do, with lives by the kit's clock."""

from dataclasses import dataclass, replace
from math import ceil
from typing import Literal

import orjson

from service.idempotency.answers import Answer
from service.idempotency.keys import Ask
from service.kit.clock import wall
from service.kit.types import TenantId
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import ANSWER_LIFE, FULL_LIFE, OPEN_LIFE, REVISION_LIFE, Entry, Gate, Revisions, read_note
from service.quotas.rates import Turn, pour
from service.tenants.principals import Rate


@dataclass(slots=True)
class Known:
    """Of a tenant's quota: the revision, and the note that it is full with the time until which it holds.

    `open`: until when nobody is refused by that.
    """

    revision: int | None
    expires: float
    full: bytes | None = None
    until: float = 0
    open: float = 0


@dataclass(slots=True)
class Bucket:
    """What a tenant's requests have come to, at a time, and when all of it has drained."""

    level: float
    at: float
    expires: float


class GateInMemory(Gate):
    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}
        self._answers: dict[tuple[str, str], tuple[float, bytes, Answer]] = {}
        self._known: dict[str, Known] = {}
        self._revisions = Revisions()

    async def count(self, tenant: TenantId, rate: Rate) -> Turn:
        return self._poured(tenant, rate, 1)

    def _poured(self, tenant: TenantId, rate: Rate, weight: int) -> Turn:
        now = wall()
        kept = self._buckets.get(tenant)
        level, at = (kept.level, kept.at) if kept is not None and now < kept.expires else (0.0, now)
        granted, level = pour(rate, level, now - at, weight)
        if granted and weight:
            life = ceil(level / rate.per_second * 1000) / 1000
            self._buckets[tenant] = Bucket(level, now, now + life)
        return self._turn(tenant, rate, [int(granted), repr(level).encode()])

    async def enter(self, tenant: TenantId, key: str | None, rate: Rate | None) -> Entry:
        entry = self._entry(tenant, key)
        return replace(entry, turn=rate and self._poured(tenant, rate, 0 if entry.answer else 1))

    def _entry(self, tenant: TenantId, key: str | None) -> Entry:
        now = wall()
        if key is not None and (kept := self._answers.get((tenant, key))) is not None:
            if now < kept[0]:
                return Entry(fingerprint=kept[1], answer=kept[2])
            del self._answers[tenant, key]
        known = self._quota(tenant, now)
        if known is None or known.full is None:
            return Entry()
        if (known.revision or 0) < self._revisions.of(tenant) or now >= known.until:
            known.full = None
            return Entry()
        if now < known.open:
            return Entry()
        return Entry(full=read_note(known.full))

    async def leave(
        self,
        tenant: TenantId,
        ask: Ask,
        *,
        answer: Answer | None = None,
        quota: QuotaExceeded | int | Literal["later"] | None = None,
    ) -> None:
        now = wall()
        if answer is not None and answer.status < 300 and ask.key is not None:
            self._answers[tenant, ask.key] = (now + ANSWER_LIFE / 1000, ask.fingerprint, answer)
        if quota is None:
            return
        known = self._quota(tenant, now)
        revision = quota.revision if isinstance(quota, QuotaExceeded) else quota
        if revision == "later":
            revision = ((known and known.revision) or 0) + 1
        else:
            self._revisions.heard(tenant, revision)
        if known is not None and known.revision is not None and known.revision > revision:
            return
        full = orjson.dumps(quota.word) if isinstance(quota, QuotaExceeded) else None
        is_open = known.open if known else 0
        self._known[tenant] = Known(revision, now + REVISION_LIFE / 1000, full, now + FULL_LIFE / 1000, is_open)

    async def undelivered(self, tenant: TenantId) -> None:
        now = wall()
        until = now + OPEN_LIFE / 1000
        known = self._quota(tenant, now) or Known(None, until)
        known.open, known.expires = until, max(known.expires, until)
        self._known[tenant] = known

    def _quota(self, tenant: TenantId, now: float) -> Known | None:
        known = self._known.get(tenant)
        return known if known is not None and now < known.expires else None

    def flush(self) -> None:
        """Redis has lost everything."""
        self._answers.clear()
        self._known.clear()
        self._buckets.clear()
