"""Small types shared by every layer."""

from typing import NewType
from uuid import UUID

from service.kit.clock import random_bytes, wall

TenantId = NewType("TenantId", str)
OrganizationId = NewType("OrganizationId", str)
UserId = NewType("UserId", str)


def new_id() -> UUID:
    """A version 7 UUID (RFC 9562, section 5.7): ids made later sort later, which keeps B-tree inserts together."""
    milliseconds = int(wall() * 1000)
    value = milliseconds << 80 | int.from_bytes(random_bytes(10))
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)
