"""How often the simulated machines and the network between them do what."""

from dataclasses import dataclass, fields, replace
from random import Random
from typing import Self


@dataclass(frozen=True, slots=True)
class Weather:
    """Each the share of calls, or of moments, at which it happens, 0 to 1. All zero is fine weather."""

    # A call to a store or to Teli.
    refused: float = 0.0  # Nothing leaves.
    lost: float = 0.0  # It breaks on the way, and has no effect.
    unanswered: float = 0.0  # It has its effect; the answer is lost.
    late: float = 0.0  # It breaks for the caller, and has its effect later.
    slow: float = 0.0  # Seconds instead of milliseconds.

    # A moment, one in each second.
    kills: float = 0.0
    freezes: float = 0.0
    cuts: float = 0.0  # One process from its stores.
    strikes: float = (
        0.0  # Of creates and releases that leave: their process is killed, frozen or cut off there and then.
    )
    flushes: float = 0.0  # Redis loses everything.
    strangers_buy: float = 0.0
    strangers_release: float = 0.0

    @classmethod
    def drawn(cls, chance: Random) -> Self:
        """Of calls, between a third and a half meet a fault; in which shares, chance says."""
        total = chance.uniform(0.35, 0.5)
        shares = [0.01 + chance.random() * often for often in (chance.choice((0, 1, 1)) for _ in range(4))]
        shares.append(0.1 + 2 * chance.random())  # Else most of what takes several calls would never come to its end.
        scale = total / sum(shares)
        refused, lost, unanswered, late, slow = (share * scale for share in shares)
        return cls(
            refused=refused,
            lost=lost,
            unanswered=unanswered,
            late=late,
            slow=slow,
            kills=chance.choice((0.0, chance.uniform(0, 0.1))),
            freezes=chance.choice((0.0, chance.uniform(0, 0.1))),
            cuts=chance.choice((0.0, chance.uniform(0, 0.1))),
            strikes=chance.choice((0.0, chance.uniform(0, 0.8))),
            flushes=chance.choice((0.0, chance.uniform(0, 0.2))),
            strangers_buy=chance.choice((0.0, chance.uniform(0, 0.05))),
            strangers_release=chance.choice((0.0, chance.uniform(0, 0.08))),
        )

    def without(self, *names: str) -> Self:
        return replace(self, **dict.fromkeys(names, 0.0))

    def __str__(self) -> str:
        return " ".join(f"{one.name}={getattr(self, one.name):.2f}" for one in fields(self) if getattr(self, one.name))
