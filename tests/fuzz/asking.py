"""One request put to the application byte for byte, without a client or server that would mend or refuse it first."""

import asyncio
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Ask:
    """`operation`: its id in the OpenAPI document; `why`: what is unusual about it, for whoever reads of a fault."""

    operation: str
    role: str
    method: str
    path: str
    query: bytes
    headers: Pairs
    body: bytes
    why: str

    @property
    def said(self) -> bytes:
        """All that the caller wrote itself, save its credential: what it may be told back."""
        shown = [value for name, value in self.headers if name != b"x-api-key"]
        return b"\n".join([self.path.encode(errors="surrogatepass"), self.query, *shown, self.body])

    def __str__(self) -> str:
        query = f"?{self.query.decode('latin-1')}" if self.query else ""
        headers = ", ".join(f"{name.decode()}: {value!r}" for name, value in self.headers if name != b"x-api-key")
        return (
            f"{self.role}: {self.method} {self.path[:200]!a}{query[:300]} ({headers}) {self.body[:400]!r} [{self.why}]"
        )


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Pairs
    body: bytes

    def header(self, name: str) -> str:
        """Empty where it is not there."""
        return next((value.decode("latin-1") for key, value in self.headers if key == name.encode()), "")


async def put(app: ASGIApp, ask: Ask) -> Answer:
    """The application's answer. What it raises is raised. Where a request names no host, one is named for it."""
    sent, body = False, bytearray()
    start: dict[str, Any] = {}

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()  # The caller stays for its answer.
        sent = True
        return {"type": "http.request", "body": ask.body, "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            start.update(message)
        elif message["type"] == "http.response.body":
            body.extend(message.get("body", b""))

    named = any(name == b"host" for name, _ in ask.headers)
    headers = ask.headers if named else [(b"host", b"numbergate"), *ask.headers]
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": ask.method, "scheme": "http",
        "path": ask.path, "raw_path": ask.path.encode(errors="surrogatepass"), "query_string": ask.query,
        "root_path": "", "headers": headers, "client": ("127.0.0.1", 1), "server": ("numbergate", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return Answer(start["status"], list(start["headers"]), bytes(body))
