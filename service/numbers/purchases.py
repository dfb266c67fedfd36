"""What a purchase is while it is under way, and what becomes of it."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from service.idempotency.answers import Answer
from service.idempotency.keys import Ask
from service.kit.types import OrganizationId, TenantId, UserId
from service.numbers.ledger import Admission
from service.teli.heard import Heard
from service.tenants.principals import Principal

OperationState = Literal["pending", "succeeded", "failed", "unresolved"]
OPERATION_STATES: dict[str, OperationState] = {
    "sending": "pending",
    "doubtful": "pending",
    "owned": "succeeded",
    "refused": "failed",
    "unresolved": "unresolved",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One number to be bought, as asked for and checked. `warnings` name what was not understood."""

    organization_id: OrganizationId
    user_id: UserId
    area_code: str
    nickname: str | None = None
    cost_center: str | None = None
    tags: tuple[str, ...] = ()
    inbound_agent_id: str | None = None
    outbound_agent_id: str | None = None
    warnings: tuple[str, ...] = ()

    def extras(self) -> dict[str, Any]:
        """What the ledger keeps of it beside area code and owner."""
        return {
            "nickname": self.nickname,
            "cost_center": self.cost_center,
            "tags": list(self.tags),
            "inbound_agent_id": self.inbound_agent_id,
            "outbound_agent_id": self.outbound_agent_id,
        }


@dataclass(frozen=True, slots=True)
class Answered:
    """The outcome is known, and this is its answer, byte for byte as every replay will be.

    `tightest`: where it was admitted just now, the limit with the fewest purchases left.
    `joined`: it is that of an equal request, which did not get it.
    """

    answer: Answer
    replayed: bool = False
    tightest: dict[str, Any] | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Pending:
    """Not known in time; the operation tells later."""

    operation_id: UUID
    state: OperationState
    tightest: dict[str, Any] | None = None
    joined: bool = False


@dataclass(frozen=True, slots=True)
class Ordered:
    """The item of an order that a purchase is for, after so many `tries`; under `place` it stands in the queue. At its
    `deadline` nothing is sent any more, though it was admitted before.

    Whoever asks for its admission does so with an intent of its own: where one does not know what became of that, it
    refuses that intent, and never the purchase of another who was admitted for the same item meanwhile.
    """

    order_id: UUID
    seq: int
    tries: int
    place: UUID
    deadline: datetime | None = None

    @property
    def names(self) -> str:
        """What its mark is derived from: the item, whichever try and intent, for a restore may lose both. No key has a
        line break.
        """
        return f"{self.order_id}\n{self.seq}"

    def as_json(self) -> dict[str, Any]:
        return {"order_id": str(self.order_id), "seq": self.seq, "tries": self.tries, "place": str(self.place)}


@dataclass(slots=True, eq=False)
class Purchase:
    """A purchase under way in this process. `admitted` tells the outcome of its admission, or why there is none.

    `account_id`: of the account that it is sent by, as the admission said. `ordered`: where it is one of an order.
    """

    caller: Principal
    wish: Wish
    ask: Ask
    request_id: str
    mark: str
    intent_id: UUID
    admitted: "asyncio.Future[Admission]"
    ordered: Ordered | None = None
    task: "asyncio.Task[Answered | None]" = field(init=False)
    account_id: UUID | None = None
    exchange: "asyncio.Task[Heard] | None" = None
    heard: Heard | None = None

    @property
    def key(self) -> tuple[TenantId, str] | None:
        return (self.caller.tenant, self.ask.key) if self.ask.key else None
