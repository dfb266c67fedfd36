"""The mark: short text at the head of the upstream nickname that ties a row to what it was bought for.

`[TTTTTHHHHHHHH] `, 16 characters: five of the tenant's tag, eight of an HMAC over tenant and idempotency key (or
item of an order, or intent id). Derived, not random, so that a gateway restored from an older backup still knows it. It
names the key or the item, not one intent: a refused intent and its successor share it.
"""

import re

from service.kit.crypto import Secret, base32_text

MARK = re.compile(r"\[([0-9A-HJKMNP-TV-Z]{13})\](?: |$)", re.IGNORECASE)


def make_mark(secret: Secret, *, tenant: str, tag: str, names: str) -> str:
    """The mark with its trailing space. `names`: the key, the item of an order, or the intent's id."""
    return f"[{tag}{base32_text(secret.keyed_hash('mark', tenant, names), 8)}] "


def mark_of(nickname: str | None) -> str | None:
    """The mark a nickname carries, in the form `make_mark` gives, or None. Case and white space around may differ."""
    found = MARK.match((nickname or "").lstrip())
    return f"[{found[1].upper()}] " if found else None


def without_mark(nickname: str | None) -> str | None:
    """What people see of a nickname: without the mark it may begin with, and without outer blanks; None where empty."""
    text = (nickname or "").strip()
    found = MARK.match(text)
    return (text[found.end() :].strip() if found else text) or None


def begins_with(told: str | None, shown: str | None) -> bool:
    """Whether what Teli shows may be what it keeps of a nickname that it was told: its beginning, or nothing.

    A mark counts in whichever case it comes back.
    """
    return _canonical(told).startswith(_canonical(shown))


def _canonical(nickname: str | None) -> str:
    return f"{mark_of(nickname) or ''}{without_mark(nickname) or ''}".strip()
