"""Calls and idle numbers as they are answered."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from service.http.pages import Page


class CallList(BaseModel):
    """Teli's rows as they came, those alone that you may see."""

    success: Literal[True] = True
    count: int
    calls: list[dict[str, Any]]
    powered_by: str
    warnings: list[str] | None = None


class CallOut(BaseModel):
    success: Literal[True] = True
    call: dict[str, Any]
    powered_by: str
    warnings: list[str] | None = None


class IdleNumber(BaseModel):
    """Silence. `monthly` and `spent_on_silence` in micro-units: of one month, and of those begun since it is idle."""

    id: UUID
    phone_number: str
    state: str
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    acquired_at: datetime
    last_inbound_call_at: datetime | None
    last_outbound_call_at: datetime | None
    idle_since: datetime
    idle_days: int
    spent_on_silence: int
    monthly: int
    currency: str
    next_charge_at: datetime | None


class Judged(BaseModel):
    """Of the active numbers that were asked for: of how many it is known since when they are idle.

    `calls_read_until`: of the organisation that is furthest behind; what Teli files later is not seen yet.
    """

    active: int
    judged: int
    unknown: int
    share: float | None = Field(description="judged / active; null where there are none")
    calls_read_until: datetime | None


class Amount(BaseModel):
    micros: int
    currency: str


class Spent(Amount):
    """In the deployment's currency; `also`: in others, for what is of two cannot be added up."""

    also: list[Amount]


class Selection(BaseModel):
    """What releases them: `filters` means all that are idle so long, `ids` those of this page."""

    filters: dict[str, Any]
    ids: list[UUID]


class IdlePage(Page[IdleNumber]):
    """Idle numbers, the longest first. What is not known to be idle is not among them.

    `spent_on_silence` is that of all, to 25,000 numbers.
    """

    judged: Judged
    spent_on_silence: Spent
    selection: Selection
