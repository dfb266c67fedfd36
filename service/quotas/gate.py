"""The gate in Redis: replays at once, and refuses fast a tenant that Postgres has just found full.

It never admits: what passes here is decided by Postgres, in the transaction that writes the intent. So a Redis that
was flushed, is stale or is gone can cost time and never money. The note "full" is left only after Postgres refused,
lives a second, and is taken away by whatever frees quota.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from service.idempotency.answers import Answer, seal, unseal
from service.idempotency.keys import Ask
from service.kit.crypto import Secret
from service.kit.types import TenantId
from service.kv import KeyValue, RedisAway
from service.quotas.errors import QuotaExceeded

HERE = Path(__file__).parent
ANSWER_LIFE = 86_400_000
REFUSAL_LIFE = 60_000
FULL_LIFE = 1_000
NOTED = ("limit", "used", "reserved")


@dataclass(frozen=True, slots=True)
class Entry:
    """What the gate knows: an answer with the fingerprint it was given for, or that the tenant is full, or nothing."""

    answer: Answer | None = None
    fingerprint: bytes | None = None
    full: QuotaExceeded | None = None


class Gate:
    def __init__(self, kv: KeyValue, secret: Secret) -> None:
        self._secret = secret
        self._enter = kv.script(HERE / "enter.lua")
        self._leave = kv.script(HERE / "leave.lua")

    def _keys(self, tenant: TenantId, key: str | None) -> list[str]:
        named = hashlib.sha256(key.encode()).hexdigest() if key else ""
        return [f"ng:{{{tenant}}}:answer:{named}", f"ng:{{{tenant}}}:full"]

    async def enter(self, tenant: TenantId, ask: Ask) -> Entry:
        """One round trip. Without Redis: nothing is known, go on."""
        try:
            said = await self._enter(keys=self._keys(tenant, ask.key), args=[])
        except RedisAway:
            return Entry()
        match said:
            case [b"answer", bytes(stored)] if ask.key and (found := unseal(self._secret, tenant, ask.key, stored)):
                return Entry(fingerprint=found[0], answer=found[1])
            case [b"full", bytes(note)]:
                return Entry(full=read_note(note))
            case _:  # "go", or what our script never says.
                return Entry()

    async def leave(
        self,
        tenant: TenantId,
        ask: Ask,
        *,
        answer: Answer | None = None,
        quota: Literal["same", "freed"] | QuotaExceeded = "same",
    ) -> None:
        """One round trip, best effort."""
        stored, life = b"", 0
        if answer is not None and ask.key is not None:
            stored = seal(self._secret, tenant, ask.key, ask.fingerprint, answer)
            life = ANSWER_LIFE if answer.status < 300 else REFUSAL_LIFE
        note = b""
        if isinstance(quota, QuotaExceeded):
            found = quota.members["quota"]
            note = orjson.dumps({name: found[name] for name in NOTED})
        try:
            await self._leave(
                keys=self._keys(tenant, ask.key),
                args=[stored, life, "full" if note else str(quota), note, FULL_LIFE],
            )
        except RedisAway:
            return

    async def freed(self, tenant: TenantId) -> None:
        """Quota was given back outside a purchase: take the note away."""
        await self.leave(tenant, Ask(None, b""), quota="freed")


def read_note(note: bytes) -> QuotaExceeded | None:
    """The refusal that a note "full" stands for; None for what we never wrote: then Postgres is asked."""
    try:
        found = orjson.loads(note)
        return QuotaExceeded(**{name: int(found[name]) for name in NOTED})
    except (ValueError, TypeError, KeyError):
        return None
