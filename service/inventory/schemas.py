"""The inventory as it is answered."""

from datetime import datetime
from typing import Literal, get_args
from uuid import UUID

from pydantic import BaseModel

from service.http.pages import Page

State = Literal["active", "release_scheduled", "releasing", "released", "missing"]
STATES: tuple[str, ...] = get_args(State)
# One parameter, comma-separated: a parameter that comes twice is refused on every path.
STATES_PATTERN = rf"^({'|'.join(STATES)})(,({'|'.join(STATES)}))*$"


def known_states(text: str) -> str:
    """The text itself, where it names states. Raises: ValueError, naming the first that there is not."""
    for name in text.split(","):
        if name not in STATES:
            raise ValueError(f"names no state; known, separated by commas: {', '.join(STATES)}")
    return text


class NumberItem(BaseModel):
    """One acquisition; an E.164 that was released and bought again is two."""

    id: UUID
    phone_number: str
    state: State
    organization_id: str
    tenant_id: str
    user_id: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    acquired_at: datetime
    confirmed_at: datetime | None
    released_at: datetime | None


class NumberPage(Page[NumberItem]):
    """Numbers, oldest acquisition first. Where `total` is not exact, there are at least so many."""
