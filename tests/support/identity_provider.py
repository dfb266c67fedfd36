"""A real OpenID provider as a process of its own (oidc-provider-mock), and a browser that logs in with it."""

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import httpx

from service.embedded.ports import free_port
from tests.support.gateway import Gateway

PUBLIC_URL = "https://numbergate.example"


class Provider:
    """`rotate` gives it another key, and lets it forget its people."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(trust_env=False, verify=False)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(self.port)],
            env={**os.environ, "NO_COLOR": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 30
        while True:
            try:
                self.http.get(f"{self.issuer}/jwks")
                return
            except httpx.TransportError:
                assert time.monotonic() < until, "the provider does not start"
                assert self.process.poll() is None, "the provider has ended"
                time.sleep(0.02)

    def stop(self) -> None:
        self.http.close()
        self.process.kill()
        self.process.wait()

    def rotate(self) -> None:
        self.process.kill()
        self.process.wait()
        self.start()

    def person(self, subject: str, **claims: Any) -> None:
        """Its ID tokens carry these claims, also such as a provider should never write."""
        answer = self.http.put(f"{self.issuer}/users/{subject}", json=claims)
        assert answer.status_code == 204, answer.text

    def approve(self, url: str, subject: str, **changed: str) -> str:
        """The person says yes at this address, with its query changed so; where the browser is sent then."""
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | changed
        answer = self.http.post(f"{self.issuer}{parts.path}?{urlencode(query)}", data={"sub": subject})
        assert answer.status_code == 302, answer.text
        return answer.headers["location"]

    def token(self, subject: str, *, audience: str, **claims: Any) -> str:
        """A signed token of this subject for this audience."""
        self.person(subject, **claims)
        back = {"redirect_uri": "https://service.example/", "client_id": audience}
        asked = {"response_type": "code", "scope": "openid", **back}
        location = self.approve(f"{self.issuer}/oauth2/authorize?{urlencode(asked)}", subject)
        [code] = parse_qs(urlsplit(location).query)["code"]
        form = {"grant_type": "authorization_code", "code": code, **back}
        answer = self.http.post(f"{self.issuer}/oauth2/token", data=form, auth=(audience, "any"))
        assert answer.status_code == 200, answer.text
        token: str = answer.json()["id_token"]
        return token


class Browser:
    """Keeps cookies, and says with each request which page it began on."""

    def __init__(self, gateway: Gateway, provider: Provider) -> None:
        self.provider = provider
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=gateway.app, raise_app_exceptions=False), base_url=PUBLIC_URL, timeout=60
        )

    async def begin(self, **query: str) -> str:
        """Where the door leads to."""
        answer = await self.http.get("/console/login", params=query)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def log_in(self, subject: str, *, query: Mapping[str, str] = {}, **changed: str) -> httpx.Response:
        """What the callback answers."""
        return await self.http.get(self.provider.approve(await self.begin(**query), subject, **changed))

    async def me(self) -> dict[str, Any]:
        answer = await self.http.get("/v1/me")
        assert answer.status_code == 200, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def change(self, method: str, path: str, *, headers: Mapping[str, str] = {}, **kwargs: Any) -> httpx.Response:
        """As a page of ours does."""
        own = {"X-CSRF-Token": (await self.me())["csrf_token"], "Sec-Fetch-Site": "same-origin", "Origin": PUBLIC_URL}
        return await self.http.request(method, path, headers={**own, **headers}, **kwargs)
