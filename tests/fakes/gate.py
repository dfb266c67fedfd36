"""The gate in memory: what `enter.lua` and `leave.lua` do, with lives by the kit's clock."""

from typing import Literal

import orjson

from service.idempotency.answers import Answer
from service.idempotency.keys import Ask
from service.kit.clock import wall
from service.kit.types import TenantId
from service.quotas.errors import QuotaExceeded
from service.quotas.gate import ANSWER_LIFE, FULL_LIFE, NOTED, REFUSAL_LIFE, Entry, Gate, read_note


class GateInMemory(Gate):
    def __init__(self) -> None:
        self._answers: dict[tuple[str, str], tuple[float, bytes, Answer]] = {}
        self._full: dict[str, tuple[float, bytes]] = {}

    async def enter(self, tenant: TenantId, ask: Ask) -> Entry:
        now = wall()
        if ask.key is not None and (kept := self._answers.get((tenant, ask.key))) is not None:
            if now < kept[0]:
                return Entry(fingerprint=kept[1], answer=kept[2])
            del self._answers[tenant, ask.key]
        if (note := self._full.get(tenant)) is not None:
            if now < note[0]:
                return Entry(full=read_note(note[1]))
            del self._full[tenant]
        return Entry()

    async def leave(
        self,
        tenant: TenantId,
        ask: Ask,
        *,
        answer: Answer | None = None,
        quota: Literal["same", "freed"] | QuotaExceeded = "same",
    ) -> None:
        now = wall()
        if answer is not None and ask.key is not None:
            life = ANSWER_LIFE if answer.status < 300 else REFUSAL_LIFE
            self._answers[tenant, ask.key] = (now + life / 1000, ask.fingerprint, answer)
        if isinstance(quota, QuotaExceeded):
            found = quota.members["quota"]
            self._full[tenant] = (now + FULL_LIFE / 1000, orjson.dumps({name: found[name] for name in NOTED}))
        elif quota == "freed":
            self._full.pop(tenant, None)

    def flush(self) -> None:
        """Redis has lost everything."""
        self._answers.clear()
        self._full.clear()
