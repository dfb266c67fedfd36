"""What the endpoints of numbers work with."""

from dataclasses import dataclass

from service.numbers.editing import Editing
from service.numbers.follow_ups import FollowUps
from service.numbers.grace import Grace
from service.numbers.listing import TeliListings
from service.numbers.lookup import Lookup
from service.numbers.operations import Operations
from service.numbers.provisioning import Provisioning
from service.numbers.repository import Numbers
from service.quotas.gate import Gate


@dataclass(frozen=True, slots=True)
class NumberServices:
    provisioning: Provisioning
    listings: TeliListings
    lookup: Lookup
    editing: Editing
    grace: Grace
    owned: Numbers
    follow_ups: FollowUps
    operations: Operations
    gate: Gate
    answer_within: float

    def patience(self, asked: float | None) -> float:
        """Seconds a caller waits who did or did not say how long."""
        return self.answer_within if asked is None else asked
