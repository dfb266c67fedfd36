"""Small types shared by every layer."""

import os
import time
from typing import NewType
from uuid import UUID

TenantId = NewType("TenantId", str)
OrganizationId = NewType("OrganizationId", str)
UserId = NewType("UserId", str)


def new_id() -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7): ids made later sort later, which keeps B-tree inserts together."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | int.from_bytes(os.urandom(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
