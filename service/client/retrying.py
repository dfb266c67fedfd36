"""When a call is sent once more, and what is told when it is not. Pure: both clients do as it says."""

import random
from collections.abc import Callable

from service.client.errors import (
    IdempotencyKeyInProgress,
    IdempotencyKeyReused,
    InternalError,
    NoAnswer,
    NoNumbersAvailable,
    NumbergateError,
    OutcomeUnknown,
    QuotaExceeded,
    Refused,
    UnexpectedAnswer,
    UpstreamRefused,
)

SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
# Answers that are worth a second try, whatever their code, save for what is named in `is_worth_repeating`.
PASSING = {408, 429, 500, 502, 503, 504}
# With these the gateway says what became of the key, and not of this one request alone.
OF_THE_KEY = (NoNumbersAvailable, UpstreamRefused, IdempotencyKeyReused)


def is_worth_repeating(failure: NumbergateError) -> bool:
    """Whether the same request may fare better a moment later."""
    if isinstance(failure, NoAnswer | IdempotencyKeyInProgress):
        return True
    return failure.status in PASSING and not isinstance(failure, UpstreamRefused | QuotaExceeded)


def leaves_a_doubt(failure: NumbergateError) -> bool:
    """Whether the request may have done what it says nevertheless.

    The gateway's own refusals say that nothing was done. What stands before it, a proxy, cannot know.
    """
    if isinstance(failure, NoAnswer):
        return failure.sent
    if isinstance(failure, UnexpectedAnswer | InternalError | IdempotencyKeyInProgress):
        return True
    return failure.code is None and (failure.status or 0) >= 500


class Attempts:
    """The attempts at one call, which have `within` seconds in all.

    `changes`: whether it does anything; `repeatable`: whether doing it twice does no more than once.
    """

    def __init__(
        self,
        *,
        changes: bool,
        repeatable: bool,
        idempotency_key: str | None,
        within: float,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._changes = changes
        self._repeatable = repeatable
        self._key = idempotency_key
        self._within = within
        self._chance = chance
        self._failed = 0
        self._in_doubt = False

    def pause_after(self, failure: NumbergateError, *, spent: float) -> float:
        """Seconds until the next attempt; `spent`: since the first began.

        Raises: the failure, where there is to be none; OutcomeUnknown, where an attempt may have done it, and the last
        does not tell.
        """
        doubt = leaves_a_doubt(failure)
        self._in_doubt |= doubt
        worth = is_worth_repeating(failure) or (doubt and self._changes)
        if worth and (self._repeatable or not doubt):
            pause = self._pause(failure.retry_after)
            if spent + pause <= self._within:
                self._failed += 1
                return pause
        if self._changes and self._in_doubt and not _tells_of_the_key(failure):
            raise OutcomeUnknown(self._key, failure) from failure
        raise failure

    def _pause(self, asked: float | None) -> float:
        """Never less than was asked for; longer with each failure; by chance, so that not all come at once."""
        if asked is not None:
            return asked + SHORTEST_PAUSE * self._chance()
        longest = min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0**self._failed)
        return longest * (0.5 + self._chance() / 2)


def _tells_of_the_key(failure: NumbergateError) -> bool:
    return isinstance(failure, OF_THE_KEY) or (isinstance(failure, Refused) and failure.replayed)
