"""A small OpenID provider for the demo: it lets anybody on this machine be any of its people, by one click.

It listens on 127.0.0.1 alone, knows one client, which has no secret, and keeps nothing. The gateway takes a provider on
loopback only where its keys are not live ones.
"""

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey

HOST = "127.0.0.1"
CLIENT_ID = "numbergate-development"
# Seconds.
CODE_LASTS = 60
TOKEN_LASTS = 300
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Development identity provider</title>
<h1>Who are you today?</h1><p>This provider is part of the demo. It asks for no password and lets anybody in.</p>
<ul>{}</ul></html>"""


@dataclass(frozen=True, slots=True)
class DevelopmentPerson:
    name: str
    groups: Sequence[str]


@dataclass(slots=True)
class _Issued:
    """What a code was given for."""

    person: str
    nonce: str | None
    challenge: str
    until: float


@dataclass(slots=True)
class DevelopmentProvider:
    """`people` by their subject. `redirect_uri`: the only place that it sends browsers to."""

    people: Mapping[str, DevelopmentPerson]
    redirect_uri: str
    issuer: str = ""
    key: ECKey = field(
        default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
    )
    codes: dict[str, _Issued] = field(default_factory=dict)

    def discovery(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
        }

    def authorize(self, asked: Mapping[str, str]) -> tuple[int, str]:
        """302 and where to, 200 and the page of people, or 400 and why."""
        if (asked.get("client_id"), asked.get("redirect_uri")) != (CLIENT_ID, self.redirect_uri):
            return 400, "unknown client_id or redirect_uri"
        if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
            return 400, "only response_type=code with code_challenge_method=S256"
        person = asked.get("person", "")
        if person not in self.people:
            links = (
                f'<li><a href="/authorize?{html.escape(urlencode({**asked, "person": subject}))}">'
                f"{html.escape(one.name)}</a></li>"
                for subject, one in self.people.items()
            )
            return 200, PAGE.format("".join(links))
        code = secrets.token_urlsafe(32)
        now = time.time()
        self.codes = {name: issued for name, issued in self.codes.items() if issued.until > now}
        self.codes[code] = _Issued(person, asked.get("nonce"), asked.get("code_challenge", ""), now + CODE_LASTS)
        return 302, f"{self.redirect_uri}?{urlencode({'code': code, 'state': asked.get('state', '')})}"

    def redeem(self, asked: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        issued = self.codes.pop(asked.get("code", ""), None)
        given = base64.urlsafe_b64encode(hashlib.sha256(asked.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        ours = (asked.get("client_id"), asked.get("redirect_uri")) == (CLIENT_ID, self.redirect_uri)
        if issued is None or not ours or issued.until < time.time() or given.decode() != issued.challenge:
            return 400, {"error": "invalid_grant"}
        person, now = self.people[issued.person], int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": issued.person,
            "name": person.name,
            "groups": list(person.groups),
            "iat": now,
            "exp": now + TOKEN_LASTS,
        }
        if issued.nonce is not None:
            claims["nonce"] = issued.nonce
        token = jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)
        return 200, {
            "access_token": secrets.token_urlsafe(32),  # Good for nothing: the protocol wants one.
            "token_type": "Bearer",
            "expires_in": TOKEN_LASTS,
            "id_token": token,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without asking the network for the name of this machine, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]


@contextmanager
def development_provider(people: Mapping[str, DevelopmentPerson], redirect_uri: str) -> Iterator[DevelopmentProvider]:
    """Serves for the length of the block, in a thread of its own."""
    provider = DevelopmentProvider(people, redirect_uri)
    server = _Server((HOST, 0), _handler(provider))
    provider.issuer = f"http://{HOST}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(provider: DevelopmentProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            match parts.path:
                case "/.well-known/openid-configuration":
                    self._json(200, provider.discovery())
                case "/keys":
                    self._json(200, {"keys": [provider.key.as_dict(private=False)]})
                case "/authorize":
                    status, said = provider.authorize(dict(parse_qsl(parts.query)))
                    self._answer(status, "text/html", said.encode() if status != 302 else b"", said)
                case _:
                    self._json(404, {"error": "not_found"})

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", "0"))
            if urlsplit(self.path).path != "/token" or length > 16_384:
                self._json(404, {"error": "not_found"})
                return
            self._json(
                *provider.redeem({name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()})
            )

        def _json(self, status: int, said: Mapping[str, Any]) -> None:
            self._answer(status, "application/json", json.dumps(said).encode(), "")

        def _answer(self, status: int, kind: str, body: bytes, location: str) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", location)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Frame-Options", "DENY")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named so by the library
            """Says nothing: codes travel in its URLs."""

    return Handler
