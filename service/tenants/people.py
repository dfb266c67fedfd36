"""People log in by OpenID Connect: authorization code with PKCE, and then a session of ours.

What must come back unchanged while the person is away at the provider (state, nonce, verifier) travels sealed in a
cookie of ten minutes, so that a callback belongs to the browser that asked for it. Each is answered once.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import structlog
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from service.kit.clock import utc_now, wall
from service.kit.crypto import Secret
from service.kit.errors import ServiceError
from service.kit.text import shown
from service.observability.metrics import LOGINS
from service.tenants.administration import STAFF_SCOPES
from service.tenants.identity_provider import (
    IdentityProvider,
    IdentityProviderUnavailable,
    Said,
    Unusable,
    fetch,
)
from service.tenants.jwt import TokenRefused, peek, verified_id_token
from service.tenants.keys import ExpiredKey, Unauthenticated
from service.tenants.principals import Principal, Principals, Refusal
from service.tenants.roles import EVERYWHERE, Role
from service.tenants.sessions import FORM as FORM_OF_SESSION
from service.tenants.sessions import Sessions, person

# Seconds that a person may take at the provider.
PATIENCE = 600
AUDITOR_SCOPES = ("admin:read", "operator:read", "billing:read", "numbers:read", "inventory:org")
# Administration has no part that belongs to one organisation, so this opens none of it.
SCOPES_IN_ORGANIZATIONS = ("numbers:read", "inventory:org")
SEALED = {"alg": "dir", "enc": "A256GCM"}
FORM = "application/x-www-form-urlencoded"
log = structlog.get_logger()


class LoginFailed(Unauthenticated):
    """What the identity provider or the browser brought back proves nobody."""

    code, title = "login_failed", "Login failed"

    def __init__(self, why: str) -> None:
        super().__init__(f"{why} Start again at /console/login.")


class NoRole(ServiceError):
    """The provider vouches for the person, and none of their groups has a role here."""

    status, code, title = 403, "no_role", "No role"

    def __init__(self) -> None:
        super().__init__("You are known, but none of your groups has a role here; ask an administrator of Numbergate.")


@dataclass(frozen=True, slots=True)
class SignIn:
    """Where people log in, and what their groups may do. `public_url`: our origin, as browsers write it."""

    issuer: str
    client_id: str
    client_secret: str | None
    scopes: str
    groups_claim: str
    roles: Mapping[str, Role]
    public_url: str

    def __repr__(self) -> str:
        return f"SignIn({self.issuer})"


class People:
    def __init__(self, sign_in: SignIn, sessions: Sessions, principals: Principals, secret: Secret) -> None:
        self._sign_in = sign_in
        self._sessions = sessions
        self._principals = principals
        self._provider = IdentityProvider(sign_in.issuer)
        self._seal = OctKey.import_key(secret.keyed_hash("login cookie"))
        self._secret = secret
        self._redirect_uri = f"{sign_in.public_url}/console/callback"
        self.origin = sign_in.public_url
        self.secure = sign_in.public_url.startswith("https:")
        # Browsers take a cookie of that prefix from the host alone, over https, for all of its paths.
        prefix = "__Host-" if self.secure else ""
        self.session_cookie, self.login_cookie = f"{prefix}numbergate_session", f"{prefix}numbergate_login"
        self.lifetime = int(sessions.lifetime.total_seconds())

    async def start(self, return_to: str) -> tuple[str, str]:
        """Where to send the browser, and what to keep in its cookie. Raises: IdentityProviderUnavailable."""
        said = await self._provider.said()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url, _ = self._client(said).create_authorization_url(
            self._endpoint(said, "authorization_endpoint"), state=state, nonce=nonce, code_verifier=verifier
        )
        pending = {
            "state": state,
            "nonce": nonce,
            "verifier": verifier,
            "return_to": return_to,
            "until": wall() + PATIENCE,
        }
        LOGINS.labels("begun").inc()
        return str(url), jwe.encrypt_compact(SEALED, orjson.dumps(pending), self._seal)

    async def finish(self, sealed: str | None, answer: Mapping[str, str], *, request_id: str) -> tuple[str, str]:
        """The value of the new session's cookie, and the path to return to. `answer`: the callback's query.

        Raises: LoginFailed, NoRole; IdentityProviderUnavailable, StorageUnavailable.
        """
        try:
            pending = self._pending(sealed, answer)
            if not await self._sessions.answered(pending["state"], until=pending["until"]):
                raise LoginFailed("This login was answered before.")
            claims = await self._vouched(pending, answer)
            who = person(self._sign_in.issuer, claims["sub"])
            said = claims.get(self._sign_in.groups_claim)
            named = [said] if isinstance(said, str) else said if isinstance(said, list) else []
            groups = sorted({one for one in named if isinstance(one, str) and one in self._sign_in.roles})
            if not groups:
                log.warning("login refused", person=who, reason="none of the groups has a role")
                raise NoRole
        except ServiceError as refusal:
            LOGINS.labels(refusal.code).inc()
            raise
        value = await self._sessions.begin(
            self._sign_in.issuer, claims["sub"], groups, actor=who, request_id=request_id
        )
        LOGINS.labels("completed").inc()
        return value, pending["return_to"]

    async def of(self, session: str) -> Principal:
        """Whose session it is. Raises: ExpiredKey; StorageUnavailable."""
        if not FORM_OF_SESSION.fullmatch(session):
            raise _ended()
        principal = await self._principals.remembered(self._name(session), lambda: self._look_up(session))
        if principal.expires_at is not None and principal.expires_at <= utc_now():
            raise _ended()
        return principal

    async def end(self, session: str, principal: Principal, *, request_id: str) -> None:
        await self._sessions.end(session, actor=principal.actor, request_id=request_id)
        self._principals.forget(self._name(session))

    def csrf_token(self, session: str) -> str:
        """What must come with a session's changes, and what another site cannot know."""
        return self._secret.keyed_hash("csrf", session).hex()

    def _name(self, session: str) -> bytes:
        return b"session " + self._sessions.hash_of(session)

    async def _look_up(self, session: str) -> Principal | Refusal:
        vouched = await self._sessions.seen(session)
        if vouched is None or vouched.issuer != self._sign_in.issuer:
            return _ended
        # By the roles as they are now, whatever they were when the session began.
        roles = [self._sign_in.roles[group] for group in vouched.groups if group in self._sign_in.roles]
        if not roles:
            return _ended
        scopes, sees = powers(roles)
        return Principal(
            key_id=None,
            kind="person",
            tenant_id=None,
            tag=None,
            account_id=None,
            teli_tenant_id=None,
            organization_ids=(),
            sees=sees,
            scopes=scopes,
            idempotency_required=False,
            expires_at=vouched.expires_at,
            subject=f"{vouched.issuer}|{vouched.subject}",
            roles=tuple(sorted({role.name for role in roles})),
        )

    def _pending(self, sealed: str | None, answer: Mapping[str, str]) -> dict[str, Any]:
        """The login that this browser began and the provider now answers. Raises: LoginFailed."""
        if sealed is None:
            raise LoginFailed("This browser began no login, or took more than ten minutes.")
        try:
            pending: dict[str, Any] = orjson.loads(
                jwe.decrypt_compact(sealed, self._seal, list(SEALED.values())).plaintext or b""
            )
        except (JoseError, ValueError, TypeError):
            raise LoginFailed("This browser's login cookie is not one of ours.") from None
        if pending["until"] < wall():
            raise LoginFailed("This login took more than ten minutes.")
        if not secrets.compare_digest(pending["state"].encode(), answer.get("state", "").encode()):
            raise LoginFailed("The answer belongs to another login than this browser's last.")
        if answer.get("iss", self._sign_in.issuer) != self._sign_in.issuer:
            raise LoginFailed("The answer is another provider's.")
        if "error" in answer:
            raise LoginFailed(f"The identity provider refused: {shown(answer['error'])}.")
        if not answer.get("code"):
            raise LoginFailed("The answer brings no code.")
        return pending

    async def _vouched(self, pending: Mapping[str, Any], answer: Mapping[str, str]) -> dict[str, Any]:
        """The claims of the ID token that the provider gives for the code.

        Raises: LoginFailed, IdentityProviderUnavailable.
        """
        told = await self._redeem(answer["code"], pending["verifier"])
        token, access_token = told.get("id_token"), told.get("access_token")
        try:
            if not isinstance(token, str):
                raise TokenRefused("is missing")
            expected = {
                "issuer": self._sign_in.issuer,
                "client_id": self._sign_in.client_id,
                "nonce": pending["nonce"],
                "access_token": access_token if isinstance(access_token, str) else None,
            }
            return await self._provider.checked(
                peek(token).kid, lambda keys: verified_id_token(token, keys, **expected, now=int(wall()))
            )
        except TokenRefused as refusal:
            log.warning("login refused", issuer=self._sign_in.issuer, reason=f"its ID token {refusal.reason}")
            raise LoginFailed(f"The identity provider's token {refusal.reason}.") from None

    async def _redeem(self, code: str, verifier: str) -> dict[str, Any]:
        said = await self._provider.said()
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._redirect_uri, code_verifier=verifier
        )
        client = self._client(said)
        url, headers, body = client.client_auth(client.token_endpoint_auth_method).prepare(
            "POST", self._endpoint(said, "token_endpoint"), {"Content-Type": FORM}, body
        )
        try:
            status, told = await fetch("POST", url, headers=headers, content=body)
        except (httpx.HTTPError, TimeoutError, Unusable) as error:
            log.warning("identity provider unavailable", issuer=self._sign_in.issuer, reason=type(error).__name__)
            raise IdentityProviderUnavailable from None
        if status >= 500:
            raise IdentityProviderUnavailable
        if status != 200:
            raise LoginFailed(f"The identity provider did not honour the code: {shown(str(told.get('error')))}.")
        return told

    def _client(self, said: Said) -> OAuth2Client:
        """For its words alone: its own ways to send them follow redirects, and read without an end."""
        method = "none" if self._sign_in.client_secret is None else "client_secret_basic"
        understood = said.endpoints.get("token_endpoint_auth_methods_supported")
        if method != "none" and isinstance(understood, list) and method not in understood:
            method = "client_secret_post"
        return OAuth2Client(
            None,
            self._sign_in.client_id,
            self._sign_in.client_secret,
            method,
            scope=self._sign_in.scopes,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
        )

    def _endpoint(self, said: Said, name: str) -> str:
        try:
            return said.endpoint(name)
        except Unusable as error:
            log.warning("identity provider unavailable", issuer=self._sign_in.issuer, reason=str(error))
            raise IdentityProviderUnavailable from None


def powers(roles: Sequence[Role]) -> tuple[frozenset[str], tuple[str, ...]]:
    """The scopes of a person who holds all of these roles, and the organisations that they see whole.

    Whoever administers some organisations and is of finance too sees no more numbers for that.
    """
    scopes = {role: _scopes(role) for role in roles}
    seeing: Iterable[Role] = [role for role in roles if "inventory:org" in scopes[role]] or roles
    organizations = {one for role in seeing for one in role.organization_ids}
    sees = EVERYWHERE if set(EVERYWHERE) <= organizations else tuple(sorted(organizations))
    return frozenset(scope for each in scopes.values() for scope in each), sees


def _scopes(role: Role) -> Sequence[str]:
    if role.name == "auditor":
        return AUDITOR_SCOPES
    return STAFF_SCOPES[role.name] if role.organization_ids == EVERYWHERE else SCOPES_IN_ORGANIZATIONS


def _ended() -> ExpiredKey:
    return ExpiredKey("This session is over. Log in again at /console/login.")
