"""Which credits of an invoice give back what was disputed: pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be given back of a disputed line; oldest first."""

    dispute_id: UUID
    line: int
    micros: int
    phone_number: str | None
    subscription_id: str | None


@dataclass(frozen=True, slots=True)
class Credit:
    """A line of an invoice that gives back `micros`, more than 0."""

    place: int
    micros: int
    phone_number: str | None
    subscription_id: str | None


class Given(NamedTuple):
    """That a credit gives back so much of a disputed line."""

    place: int
    dispute_id: UUID
    line: int
    micros: int


def credited(told: Sequence[Credit], owed: Sequence[Owed]) -> list[Given]:
    """By subscription or number, what is the same amount first, else the oldest; a credit that names neither is for a
    dispute of which just that much is owed.
    """
    left = {(one.dispute_id, one.line): one.micros for one in owed}
    given: list[Given] = []

    def give(credit: Credit, one: Owed, most: int) -> int:
        micros = min(most, left[one.dispute_id, one.line])
        if micros:
            given.append(Given(credit.place, one.dispute_id, one.line, micros))
            left[one.dispute_id, one.line] -= micros
        return micros

    for credit in sorted(told, key=lambda one: one.place):
        rest = credit.micros
        if credit.subscription_id is None and credit.phone_number is None:
            for dispute in dict.fromkeys(one.dispute_id for one in owed):
                its = [one for one in owed if one.dispute_id == dispute]
                if sum(left[dispute, one.line] for one in its) == rest:
                    for one in its:
                        rest -= give(credit, one, rest)
                    break
            continue
        same = [one for one in owed if _same(credit, one)]
        for one in sorted(same, key=lambda one: left[one.dispute_id, one.line] != credit.micros):
            rest -= give(credit, one, rest)
    return given


def _same(credit: Credit, one: Owed) -> bool:
    if credit.subscription_id is not None and one.subscription_id is not None:
        return credit.subscription_id == one.subscription_id
    return credit.phone_number is not None and credit.phone_number == one.phone_number
