"""Who asks. One table; a new role is one line of it.

A role that does not ask with an API key names in `sends` what it sends instead: headers, or a function of the world
that makes them (a session's cookie, a token of an identity provider).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.tenants.administration import STAFF_SCOPES, TENANT_SCOPES
from service.tenants.people import AUDITOR_SCOPES, SCOPES_IN_ORGANIZATIONS
from tests.support.identity_provider import PUBLIC_URL

if TYPE_CHECKING:
    from tests.access.world import World

NEAR = "1762896364768x389173798861431550"
Sends = dict[str, str] | Callable[["World"], Awaitable[dict[str, str]]]
SESSION = "__Host-numbergate_session"
# The groups of an identity provider, and what those of them may do who log in.
GROUPS: dict[str, object] = {
    "admins": "admin",
    "detroit": {"role": "admin", "organization_ids": [NEAR]},
    "accounting": "finance",
    "operations": "operator",
    "revision": "auditor",
}
TOKENS_FOR = "numbergate-api"
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


def logged_in(group: str, *, until: str = "") -> Callable[["World"], Awaitable[dict[str, str]]]:
    """A person of this group, as a page of ours asks; `until` they logged out, where that is said."""

    async def sends(world: "World") -> dict[str, str]:
        services, person = world.gateway.services, f"person {group} {until}"
        if person not in world.keys:
            world.keys[person] = await services.sessions.begin(
                world.issuer, person, [group], actor=person, request_id="world"
            )
            if until:
                await services.sessions.end(world.keys[person], actor=person, request_id="world")
        assert services.people is not None
        token = services.people.csrf_token(world.keys[person])
        return {
            "Cookie": f"{SESSION}={world.keys[person]}", "X-CSRF-Token": token, "Origin": PUBLIC_URL,
            "Sec-Fetch-Site": "same-origin",
        }  # fmt: skip

    return sends


def token_of(tenant: str, scopes: tuple[str, ...], **claims: object) -> Callable[["World"], Awaitable[dict[str, str]]]:
    """A service with an access token of the identity provider."""

    async def sends(world: "World") -> dict[str, str]:
        name = f"token of {tenant} {scopes} {claims}"
        if name not in world.keys:
            told = {"tenant_id": f"tenant-{tenant}", "scope": " ".join(scopes), **claims}
            world.keys[name] = world.provider.token(name, audience=TOKENS_FOR, **told)
        return {"Authorization": f"Bearer {world.keys[name]}"}

    return sends


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
        Role("administrator, logged in", STAFF_SCOPES["admin"], None, ("*",), sends=logged_in("admins")),
        Role(
            "administrator of one organisation, logged in",
            SCOPES_IN_ORGANIZATIONS,
            None,
            (NEAR,),
            sends=logged_in("detroit"),
        ),
        Role("finance, logged in", STAFF_SCOPES["finance"], None, ("*",), sends=logged_in("accounting")),
        Role("operator, logged in", STAFF_SCOPES["operator"], None, ("*",), sends=logged_in("operations")),
        Role("auditor, logged in", AUDITOR_SCOPES, None, ("*",), sends=logged_in("revision")),
        Role("administrator, logged out", refused="expired_key", sends=logged_in("admins", until="logged out")),
        Role("tenant, by a token", EVERYTHING, "one", sends=token_of("one", EVERYTHING)),
        Role("tenant, reads by a token", ("numbers:read",), "one", sends=token_of("one", ("numbers:read",))),
        Role("tenant of another organisation, by a token", EVERYTHING, "far", sends=token_of("far", EVERYTHING)),
        Role("tenant, by an old token", refused="expired_key", sends=token_of("one", EVERYTHING, exp=1_000_000_000)),
    )
}
