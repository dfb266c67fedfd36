"""What becomes of an endpoint and of an event after an attempt: again when, until when, and in whose turn. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 3600.0
# So much less or more than its pause each attempt waits, so that not all come back at once.
JITTER = 0.25
# After so many failures with no success between them nothing is sent but one event at a time.
OPENS_AFTER = 5
GIVES_UP_AFTER = timedelta(days=3)
# Seconds that nobody lets us wait for an answer but who counts as slow, for so long from then on.
SLOW, SLOW_FOR = 3.0, timedelta(minutes=5)
GONE = 410
Reason = Literal["failing", "gone"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of an attempt, `at` its begin. `status`: None where there was no answer. `retry_after`: seconds, as it asked."""

    at: datetime
    seconds: float
    status: int | None = None
    error: str | None = None
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        return self.error is None


@dataclass(frozen=True, slots=True)
class Health:
    """Of an endpoint; as the columns of `WebhookEndpoint`. `disabled`: why it is to be, now."""

    failures: int = 0
    failing_since: datetime | None = None
    retry_at: datetime | None = None
    disabled: Reason | None = None


def pause(attempt: int, chance: float) -> float:
    """Seconds to wait after the so-manieth attempt in vain, from 1. `chance`: from 0 to 1."""
    doubled = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(attempt - 1, 20))
    return float(doubled * (1 + JITTER * (2 * chance - 1)))


def next_try(attempt: int, outcome: Outcome, chance: float) -> datetime:
    wished = min(outcome.retry_after or 0.0, LONGEST_PAUSE)
    return outcome.at + timedelta(seconds=max(pause(attempt, chance), wished))


def is_given_up(first_at: datetime, outcome: Outcome) -> bool:
    return outcome.at - first_at >= GIVES_UP_AFTER


def is_slow(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome.seconds >= SLOW for outcome in outcomes)


def judged(before: Health, outcomes: Iterable[Outcome], chance: float) -> Health:
    """`outcomes`: in the order in which they ended."""
    health = before
    for outcome in outcomes:
        if outcome.delivered:
            health = Health(disabled=health.disabled)
            continue
        failures, since = health.failures + 1, health.failing_since or outcome.at
        retry_at = next_try(failures - OPENS_AFTER + 1, outcome, chance) if failures >= OPENS_AFTER else None
        health = Health(failures, since, retry_at, health.disabled)
        if outcome.status == GONE:
            health = replace(health, disabled="gone")
        elif health.disabled is None and outcome.at - since >= GIVES_UP_AFTER:
            health = replace(health, disabled="failing")
    return health
