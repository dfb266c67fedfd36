"""The gate in Redis: replays at once, and refuses fast a tenant that asks too often, or that Postgres has found full.

It never admits: what passes here is decided by Postgres, in the transaction that writes the intent. So a Redis that
was flushed, is stale or is gone can cost time and never money. The note "full" is left only after Postgres refused,
lives a second, and is taken away by whatever frees quota. Which of two words is the later tells the revision of the
quota's row: a Redis that stands lower than what this process has heard of Postgres is stale, and is not believed.

Of how often a tenant asks Redis alone keeps count; without Redis each process lets through its share of the rate.

Only what was sold is kept for replay: a refusal may be followed by a purchase under the same key, and a Redis restored
from a snapshot would repeat it.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import orjson

from service.idempotency.answers import Answer, seal, unseal
from service.idempotency.keys import Ask
from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue, RedisAway
from service.observability.metrics import RATE_LIMITED
from service.quotas.counting import tell_shadow
from service.quotas.errors import QuotaExceeded, RateLimited
from service.quotas.rates import MOST_TENANTS, LocalRates, Turn, read_level
from service.tenants.principals import Rate

HERE = Path(__file__).parent
ANSWER_LIFE = 86_400_000
FULL_LIFE = 1_000
REVISION_LIFE = 3_600_000
# As long as the ledger lets an answer be taken over.
OPEN_LIFE = 600_000


@dataclass(frozen=True, slots=True)
class Entry:
    """What the gate knows: an answer with the fingerprint it was given for, or that the tenant is full, or nothing.

    `turn`: where the tenant has a rate; of a replay, which counts for nothing, how that stands.
    """

    answer: Answer | None = None
    fingerprint: bytes | None = None
    full: QuotaExceeded | None = None
    turn: Turn | None = None

    @property
    def refusal(self) -> RateLimited | QuotaExceeded | None:
        return (self.turn and self.turn.refusal) or self.full


class Revisions:
    """The highest revision of each tenant's quota that this process has heard of; the longest unheard is forgotten."""

    def __init__(self) -> None:
        self._highest: OrderedDict[TenantId, int] = OrderedDict()

    def of(self, tenant: TenantId) -> int:
        return self._highest.get(tenant, 0)

    def heard(self, tenant: TenantId, revision: int) -> None:
        self._highest[tenant] = max(revision, self.of(tenant))
        self._highest.move_to_end(tenant)
        if len(self._highest) > MOST_TENANTS:
            self._highest.popitem(last=False)


class Gate:
    def __init__(self, kv: KeyValue, secret: Secret, *, replicas: int) -> None:
        """`replicas`: how many processes there are at most, that share a tenant's rate while Redis is away."""
        self._secret = secret
        self._revisions = Revisions()
        self._local = LocalRates(replicas)
        self._enter = kv.script(HERE / "gcra.lua", HERE / "enter.lua")
        self._count = kv.script(HERE / "gcra.lua", HERE / "count.lua")
        self._leave = kv.script(HERE / "leave.lua")
        self._undelivered = kv.script(HERE / "undelivered.lua")

    def _keys(self, tenant: TenantId, key: str | None) -> list[str]:
        named = hashlib.sha256(key.encode()).hexdigest() if key else ""
        return [f"ng:{{{tenant}}}:answer:{named}", f"ng:{{{tenant}}}:quota"]

    async def count(self, tenant: TenantId, rate: Rate) -> Turn:
        """One request more, of any kind but a create. One round trip."""
        try:
            said = await self._count(keys=[_bucket(tenant)], args=_limits(rate))
        except RedisAway:
            said = None
        return self._turn(tenant, rate, said)

    async def enter(self, tenant: TenantId, key: str | None, rate: Rate | None) -> Entry:
        """A create, under its idempotency key. One round trip. Without Redis: no answer is known, go on."""
        keys = [*self._keys(tenant, key), _bucket(tenant)]
        try:
            said = await self._enter(keys=keys, args=[self._revisions.of(tenant), *_limits(rate)])
        except RedisAway:
            said = None
        match said:
            case [b"answer", bytes(stored), *turn] if key and (found := unseal(self._secret, tenant, key, stored)):
                known = Entry(fingerprint=found[0], answer=found[1])
            case [b"full", bytes(note), *turn]:
                known = Entry(full=read_note(note))
            case [b"go", bytes(), *turn]:
                known = Entry()
            case _:  # What our script never says, or not with our seal.
                known, turn = Entry(), []
        return known if rate is None else replace(known, turn=self._turn(tenant, rate, *turn[:1]))

    def _turn(self, tenant: TenantId, rate: Rate, said: Any = None) -> Turn:
        """As Redis said it, or else as this process counts it."""
        if (found := read_level(said)) is not None:
            source, turn = "redis", Turn(tenant, rate, *found)
        else:
            source, turn = "local", self._local.count(tenant, rate)
        if turn.refusal is not None:
            RATE_LIMITED.labels(source).inc()
        elif not turn.granted:
            tell_shadow([turn.word])
        return turn

    async def leave(
        self,
        tenant: TenantId,
        ask: Ask,
        *,
        answer: Answer | None = None,
        quota: QuotaExceeded | int | Literal["later"] | None = None,
    ) -> None:
        """One round trip, best effort.

        `quota`: that it is full, or the revision at which there was room again; "later" where it is not known.
        """
        stored, note, revision = b"", b"", ""
        if answer is not None and answer.status < 300 and ask.key is not None:
            stored = seal(self._secret, tenant, ask.key, ask.fingerprint, answer)
        if isinstance(quota, QuotaExceeded):
            note, revision = orjson.dumps(quota.word), str(quota.revision)
            self._revisions.heard(tenant, quota.revision)
        elif quota is not None:
            revision = str(quota)
            if quota != "later":
                self._revisions.heard(tenant, quota)
        if not stored and not revision:
            return
        try:
            await self._leave(
                keys=self._keys(tenant, ask.key), args=[stored, ANSWER_LIFE, revision, note, FULL_LIFE, REVISION_LIFE]
            )
        except RedisAway:
            return

    async def undelivered(self, tenant: TenantId) -> None:
        """An answer of this tenant waits for whoever asks again without a key: let all of these through for a while."""
        try:
            await self._undelivered(keys=self._keys(tenant, None)[1:], args=[OPEN_LIFE])
        except RedisAway:
            return

    async def freed(self, tenant: TenantId, revision: int | None = None) -> None:
        """There is room again, by something else than a purchase, as of this revision, where it is known."""
        await self.leave(tenant, Ask(None, b""), quota="later" if revision is None else revision)


def _bucket(tenant: TenantId) -> str:
    return f"ng:{{{tenant}}}:rate"


def _limits(rate: Rate | None) -> list[str | bytes | int]:
    return ["", ""] if rate is None else [repr(rate.per_second), rate.burst]


def read_note(note: bytes) -> QuotaExceeded | None:
    """The refusal that a note "full" stands for; None for what we never wrote: then Postgres is asked."""
    try:
        return QuotaExceeded(**orjson.loads(note))
    except (ValueError, TypeError, KeyError):
        return None
