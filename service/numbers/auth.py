"""Who may change which member of a number."""

from collections.abc import Collection

from service.numbers.members import AGENTS
from service.tenants.principals import Principal

# Whoever administers changes any number that is seen.
STAFF = "admin:write"


def check_may_set(caller: Principal, members: Collection[str]) -> None:
    """Whoever may name a number as it is bought may do so later; agents take a scope of their own.

    Raises: ScopeMissing.
    """
    if caller.may(STAFF):
        return
    if any(name in AGENTS for name in members):
        caller.need("agents:link")
    if any(name not in AGENTS for name in members) and not caller.may("numbers:create"):
        caller.need("numbers:update")
