"""Reading a JSON Web Token: pure decisions on what somebody sent. Nothing in it is believed before its signature."""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry
from joserfc.jwt import JWTClaimsRegistry

# With a secret that both sides know, whoever can check a token can make one.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
# Seconds that two clocks may differ by.
LEEWAY = 60
MOST_CHARACTERS = 8_192
LONGEST_SUBJECT = 255
# Header parameters that we do not know are to be ignored (RFC 7515, section 4); "crit" is heeded all the same.
REGISTRY = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)


class TokenRefused(Exception):
    """`reason` is fit for whoever sent it. `expired`: it was good once."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.expired = expired


class NotSigned(TokenRefused):
    """None of the keys fits."""


@dataclass(frozen=True, slots=True)
class Unverified:
    """What a token says of itself, to find the key that it must have been signed with."""

    kid: str | None
    issuer: str | None


def looks_like_token(credential: str) -> bool:
    """Three parts, the first of them a JSON object: no key of ours looks so."""
    return credential.startswith("eyJ") and credential.count(".") == 2


def peek(token: str) -> Unverified:
    """Raises: TokenRefused."""
    if len(token) > MOST_CHARACTERS:
        raise TokenRefused(f"is longer than {MOST_CHARACTERS} characters")
    try:
        header, claims = (orjson.loads(urlsafe_b64decode(part + "==")) for part in token.split(".")[:2])
    except ValueError:
        header = claims = None
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise TokenRefused("cannot be read")
    kid, issuer = header.get("kid"), claims.get("iss")
    return Unverified(kid if isinstance(kid, str) else None, issuer if isinstance(issuer, str) else None)


def verified(token: str, keys: KeySet, *, issuer: str, audience: str, now: int) -> dict[str, Any]:
    """The claims of a token that `issuer` signed with one of `keys` for `audience`, and that is good at `now`.

    Raises: TokenRefused; NotSigned.
    """
    return _checked(token, keys, issuer, audience, now).claims


def verified_id_token(
    token: str, keys: KeySet, *, issuer: str, client_id: str, nonce: str, access_token: str | None, now: int
) -> dict[str, Any]:
    """The same of what the provider tells about a person who logged in, in answer to our `nonce`.

    Raises: TokenRefused.
    """
    read = _checked(token, keys, issuer, client_id, now)
    given = {"nonce": nonce, "client_id": client_id, "access_token": access_token}
    try:
        CodeIDToken(read.claims, read.header, params=given).validate(now=now, leeway=LEEWAY)
    except ClaimError as error:
        raise _refused(error) from None
    return read.claims


def _checked(token: str, keys: KeySet, issuer: str, audience: str, now: int) -> jwt.Token:
    try:
        read = jwt.decode(token, keys, registry=REGISTRY)
    except (JoseError, ValueError, TypeError):
        raise NotSigned("was not signed with a key of its issuer, or not as is allowed here") from None
    checks = JWTClaimsRegistry(
        now=now,
        leeway=LEEWAY,
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        sub={"essential": True},
    )
    try:
        checks.validate(read.claims)
    except ClaimError as error:
        raise _refused(error) from None
    subject = read.claims["sub"]
    if len(subject) > LONGEST_SUBJECT or not subject.isprintable():
        raise TokenRefused("names a subject that is too long, or that cannot be shown")
    return read


def _refused(error: ClaimError) -> TokenRefused:
    if isinstance(error, ExpiredTokenError):
        return TokenRefused("has expired", expired=True)
    if isinstance(error, MissingClaimError):
        return TokenRefused(f"lacks a claim: {error.claim}")
    words: Mapping[str, str] = {
        "iss": "was issued by somebody else",
        "aud": "is meant for somebody else",
        "azp": "is meant for somebody else",
        "nbf": "is not good yet; are the clocks right?",
        "iat": "was issued in the future; are the clocks right?",
        "nonce": "answers another login",
    }
    assert isinstance(error, InvalidClaimError)
    return TokenRefused(words.get(error.claim, f"has a claim that is not as it should be: {error.claim}"))
