"""How Teli takes an account's purchases, as one process hears it: when to let it rest, and when to send less. Pure.

A process that hears so many failures in a row, over so long, opens the account's circuit for all: nothing is bought
until a read has shown that Teli answers again. What orders send at a time grows by one with each round that goes well,
and is halved where Teli says that it was asked too often (additive increase, multiplicative decrease).
"""

from dataclasses import dataclass
from typing import Literal

from service.teli.heard import Heard
from service.teli.reading import OUT_OF_STOCK

Felt = Literal["well", "limited", "failed", "nothing"]
# In a row, and from the first to the last of them in seconds: a burst of one moment opens nothing.
OPENS_AFTER = 5
OPENS_OVER = 5.0
FIRST_REST, LONGEST_REST = 5.0, 300.0
HALVED, SLOWED = 0.5, 0.8
# A create is slow that takes so many times what it usually does, and longer than this in seconds.
SLOW_TIMES, SLOW_FROM = 3.0, 1.0
LEARNED = 0.05


def felt(heard: Heard) -> Felt:
    """What a call says of Teli, whatever it says of the purchase. `nothing`: it was ours that it was not sent."""
    if heard.kind == "never_sent":
        ours = (heard.detail or "").startswith(("DeadlinePassed", "stopped listening"))
        return "nothing" if ours else "failed"
    if heard.kind == "broken" or heard.status is None:
        return "nothing" if (heard.detail or "").startswith("stopped listening") else "failed"
    if heard.status == 429:
        return "limited"
    if heard.status in (401, 403):
        return "failed"
    if heard.status >= 500:
        message = heard.object().get("message")
        return "well" if isinstance(message, str) and OUT_OF_STOCK.fullmatch(message) else "failed"
    return "well"


def rest(opened: int) -> float:
    """Seconds to rest when the circuit opens, or stays open, for the so-manieth time, from 0."""
    return float(min(LONGEST_REST, FIRST_REST * 2 ** min(opened, 20)))


def asked_to_wait(heard: Heard) -> float:
    """Seconds that Teli asks for by `Retry-After`; 1 where it does not say, or says a date."""
    said = heard.headers.get("retry-after", "")
    return min(float(said), LONGEST_REST) if said.isascii() and said.isdigit() else 1.0


@dataclass(slots=True)
class Pulse:
    """`failures`: in a row, the first of them at `since`, by the monotonic clock. `usual`: seconds of a create."""

    failures: int = 0
    since: float = 0.0
    usual: float | None = None

    def beat(self, now: float, what: Felt) -> bool:
        """Whether that is so many in a row that the circuit is to be opened."""
        if what == "well":
            self.failures = 0
        if what in ("limited", "failed"):
            self.since = now if self.failures == 0 else self.since
            self.failures += 1
        return self.failures >= OPENS_AFTER and now - self.since >= OPENS_OVER

    def is_slow(self, seconds: float) -> bool:
        """Whether a create took much longer than usual; what is usual follows."""
        usual = seconds if self.usual is None else self.usual
        self.usual = usual + LEARNED * (seconds - usual)
        return seconds > SLOW_FROM and seconds > SLOW_TIMES * usual
