"""Access tokens of services that have an identity provider: a JWT in place of a tenant's key, with the same rights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from service.kit.clock import wall
from service.tenants.identity_provider import IdentityProvider
from service.tenants.jwt import TokenRefused, peek, verified
from service.tenants.keys import ExpiredKey, InvalidKey
from service.tenants.principals import Principal, Principals

LONGEST_TENANT_ID = 64
LAST_SECOND = 253_402_300_799  # Of the year 9999, where our calendar ends.


@dataclass(frozen=True, slots=True)
class TokenRules:
    """`tenant_claim` names the tenant's id; `scopes` is the most that a token may do."""

    issuers: tuple[str, ...]
    audience: str
    tenant_claim: str
    scopes: frozenset[str]


class AccessTokens:
    def __init__(self, rules: TokenRules, principals: Principals) -> None:
        self._rules = rules
        self._principals = principals
        self._providers = {issuer: IdentityProvider(issuer) for issuer in rules.issuers}

    async def of(self, token: str) -> Principal:
        """Who bears this token.

        Raises: InvalidKey, ExpiredKey; IdentityProviderUnavailable, StorageUnavailable.
        """
        try:
            said = peek(token)
            provider = self._providers.get(said.issuer or "")
            if provider is None:
                raise TokenRefused("was issued by somebody who is not trusted here")
            trusted = {"issuer": provider.issuer, "audience": self._rules.audience}
            claims = await provider.checked(said.kid, lambda keys: verified(token, keys, **trusted, now=int(wall())))
            tenant = claims.get(self._rules.tenant_claim)
            if not isinstance(tenant, str) or not 0 < len(tenant) <= LONGEST_TENANT_ID or not tenant.isprintable():
                raise TokenRefused(f"names no tenant in its claim {self._rules.tenant_claim}")
        except TokenRefused as refusal:
            detail = f"This token {refusal.reason}."
            raise (ExpiredKey(detail) if refusal.expired else InvalidKey(detail)) from None
        principal = await self._principals.of_tenant(tenant)
        scopes = _scopes(claims) & self._rules.scopes
        return replace(
            principal,
            subject=f"{provider.issuer}|{claims['sub']}",
            scopes=scopes,
            sees=tuple(principal.organization_ids) if "inventory:org" in scopes else (),
            expires_at=datetime.fromtimestamp(min(claims["exp"], LAST_SECOND), UTC),
        )


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    """As RFC 8693 writes them, words in one text; or as a list, and under the name that some providers give them."""
    said: str | Sequence[Any] = claims.get("scope", claims.get("scp", ""))
    words = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
    return frozenset(one for one in words if isinstance(one, str))
