"""Who asks. One table; a new role is one line of it.

A role that does not ask with an API key names in `sends` what it sends instead: headers, or a function of the world
that makes them (a session's cookie, a token of an identity provider).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.tenants.administration import STAFF_SCOPES, TENANT_SCOPES

if TYPE_CHECKING:
    from tests.access.world import World

NEAR = "1762896364768x389173798861431550"
Sends = dict[str, str] | Callable[["World"], Awaitable[dict[str, str]]]
EVERYTHING = tuple(scope for scope in TENANT_SCOPES if scope != "inventory:org")


@dataclass(frozen=True)
class Role:
    """`tenant`: whose key, None of none. `sees`: organisations seen whole. `refused`: the code of its 401."""

    name: str
    scopes: tuple[str, ...] = ()
    tenant: str | None = None
    sees: tuple[str, ...] = ()
    kind: str = "service"
    refused: str | None = None
    sends: Sends | None = None

    def may(self, *any_of: str) -> bool:
        return any(one in self.scopes or f"{one.split(':')[0]}:*" in self.scopes for one in any_of)

    @property
    def is_staff(self) -> bool:
        """Whether it may act for all, so that no row is foreign to it."""
        return self.may("admin:read", "admin:write", "operator:read", "operator:write")

    def sees_organization(self, organization: str | None) -> bool:
        return "*" in self.sees or (organization is not None and organization in self.sees)


ROLES = {
    role.name: role
    for role in (
        Role("no key", refused="missing_key", sends={}),
        Role("malformed key", refused="invalid_key", sends={"X-API-Key": "nonsense"}),
        Role("mistyped key", refused="invalid_key", sends={"X-API-Key": "ngk_test_" + 38 * "0"}),
        Role("another scheme", refused="missing_key", sends={"Authorization": "Basic bmdrOm5naw=="}),
        Role("unknown key", refused="invalid_key"),
        Role("revoked key", EVERYTHING, "one", refused="revoked_key"),
        Role("expired key", EVERYTHING, "one", refused="expired_key"),
        Role("closed tenant", EVERYTHING, "closed", refused="invalid_key"),
        Role("revoked administrator", STAFF_SCOPES["admin"], None, ("*",), "admin", "revoked_key"),
        Role("tenant, reads", ("numbers:read",), "one"),
        Role("tenant, buys only", ("numbers:create",), "one"),
        Role("tenant, links only", ("agents:link",), "one"),
        Role("tenant, releases only", ("numbers:release",), "one"),
        Role("tenant, no scope of use", ("billing:read",), "one"),
        Role("tenant", EVERYTHING, "one"),
        Role("tenant, sees its organisation", TENANT_SCOPES, "one", (NEAR,)),
        Role("tenant of the same organisation", EVERYTHING, "peer"),
        Role("tenant of another organisation", EVERYTHING, "far"),
        Role("suspended tenant", EVERYTHING, "suspended"),
        Role("administrator", STAFF_SCOPES["admin"], None, ("*",), "admin"),
        Role("administrator, reads", ("admin:read",), None, ("*",), "admin"),
        Role("administrator of one organisation", ("numbers:read", "inventory:org"), None, (NEAR,), "admin"),
        Role("finance", STAFF_SCOPES["finance"], None, ("*",), "finance"),
        Role("operator", STAFF_SCOPES["operator"], None, ("*",), "operator"),
        Role("operator, reads", ("operator:read",), None, ("*",), "operator"),
        Role("operator, decides only", ("operator:write",), None, ("*",), "operator"),
    )
}
