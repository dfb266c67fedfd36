"""The several forms in which Teli names one thing."""

import secrets
import time
import uuid

_NAMESPACE = uuid.UUID("5f1f0f5e-2f7a-4d55-8d1e-7e11a51b0001")


def unique_id() -> str:
    """Milliseconds, an `x` and 18 digits, as organisations and users are named in requests."""
    return f"{time.time_ns() // 1_000_000}x{10**17 + secrets.randbelow(9 * 10**17)}"


def uuid_of(unique_id: str) -> str:
    """The UUID that rows show for this `unique_id`; always the same, so that a restart does not change it."""
    return str(uuid.uuid5(_NAMESPACE, unique_id))


def row_id() -> str:
    """A new UUID, for a row of its own."""
    return str(uuid.uuid4())


def hexadecimal(prefix: str) -> str:
    """`agent_` or `call_` and 26 hexadecimal digits."""
    return f"{prefix}_{uuid.uuid4().hex[:26]}"
