"""Where the gateway is, and how a request to it is spelled. Pure: both clients send what is made here."""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, TypedDict
from urllib.parse import quote, urlsplit
from uuid import UUID, uuid4

LOOPBACK = ("127.0.0.1", "::1", "localhost")
# Seconds for which the gateway is let hold an answer, well below the timeouts of what may stand between.
LONGEST_HOLD = 20
Texts = str | Sequence[str]


class Filters(TypedDict, total=False):
    """Of the inventory; all that are given hold. Several states, area codes or tags are a list, or one text as it
    stands in a URL.
    """

    organization_id: str
    tenant_id: str
    user_id: str
    holder_user_id: str
    state: Texts
    phone_number: str
    area_code: Texts
    nickname: str
    tag: Texts
    agent_id: str
    cost_center: str
    created_after: datetime
    created_before: datetime
    idle_days: int
    q: str
    sort: str
    filter: UUID | str


class NumberChange(TypedDict, total=False):
    """What is absent stays as it is; None clears. `tags` is the whole list."""

    nickname: str | None
    tags: Sequence[str] | None
    cost_center: str | None
    holder_user_id: str | None
    inbound_agent_id: str | None
    outbound_agent_id: str | None


class OrderWish(TypedDict, total=False):
    """Many new numbers: `quantity` of them for `user_id`, or for `user_ids` in turn; or `items`, one each."""

    quantity: int
    user_id: str
    user_ids: Sequence[str]
    items: Sequence[Mapping[str, str]]
    tenant_id: str
    organization_id: str
    area_codes: Sequence[str]
    fallback: Sequence[str]
    nickname: str
    unique_nicknames: bool
    tags: Sequence[str]
    cost_center: str
    inbound_agent_id: str
    outbound_agent_id: str
    fulfilment: str
    deadline: datetime


@dataclass(frozen=True, kw_only=True)
class Request:
    """One call. `body` is sent as JSON where it is not None, `content` as it is; `idempotency_key` is kept over all
    attempts. `harmless_again`: done twice it does no more than once.
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    content: bytes | None = None
    harmless_again: bool = False

    @property
    def changes(self) -> bool:
        return self.method not in ("GET", "HEAD")

    @property
    def repeatable(self) -> bool:
        """By HTTP's own words, by its key, or by what it does."""
        by_http = self.method in ("GET", "HEAD", "PUT", "DELETE")
        return by_http or self.idempotency_key is not None or self.harmless_again

    def sent(self) -> dict[str, Any]:
        """As httpx takes it."""
        keyed = {} if self.idempotency_key is None else {"Idempotency-Key": self.idempotency_key}
        body: dict[str, Any] = {} if self.body is None else {"json": plain(self.body)}
        if self.content is not None:
            body["content"] = self.content
        return {
            "method": self.method,
            "url": self.path,
            "params": query(self.params),
            "headers": {**self.headers, **keyed},
            **body,
        }


def checked_url(base_url: str) -> str:
    """Without its last slash. Raises: ValueError, which names the mend and shows nothing of the URL."""
    try:
        parts = urlsplit(base_url)
        scheme, host = parts.scheme, parts.hostname if parts.port != 0 else None
    except ValueError:
        scheme, host = "", None
    if scheme not in ("http", "https") or not host or any(sign.isspace() for sign in base_url):
        raise ValueError("base_url must look like https://numbergate.example.com")
    if any(sign in base_url for sign in "@?#"):
        raise ValueError("base_url must be without credentials, query and fragment; the key is api_key")
    if scheme == "http" and host not in LOOPBACK:
        raise ValueError("base_url must be https outside loopback: the key travels in a header")
    return base_url.rstrip("/")


def checked_key(api_key: str) -> str:
    """Raises: ValueError, which does not show it."""
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("api_key is none: printable ASCII without spaces is wanted")
    return api_key


def verification(base_url: str) -> ssl.SSLContext | bool:
    """Certificates take a while to load, and on this machine nobody speaks TLS."""
    return ssl.create_default_context() if base_url.startswith("https:") else False


def new_key() -> str:
    return str(uuid4())


def path(template: str, *parts: object) -> str:
    """A path with its parts in it, each as text of its own, whatever is in it."""
    return template.format(*(quote(_text(part), safe="") for part in parts))


def query(params: Mapping[str, Any]) -> dict[str, str]:
    """What is None is left out; a list is joined by commas, and a comma within is told from these."""
    return {name: _joined(value) for name, value in params.items() if value is not None}


def plain(value: Any) -> Any:
    """A body without what JSON has not."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return _text(value) if isinstance(value, UUID | date) else value


def given(**members: Any) -> dict[str, Any]:
    """Those that are not None."""
    return {name: value for name, value in members.items() if value is not None}


def prefer(wait: float) -> dict[str, str]:
    """`wait`: seconds that the caller has. The gateway is let hold its answer for as long, to a bound."""
    held = int(min(wait, LONGEST_HOLD))
    return {"Prefer": f"wait={held}" if held > 0 else "respond-async"}


def _joined(value: Any) -> str:
    if isinstance(value, str) or not isinstance(value, Sequence):
        return _text(value)
    return ",".join(_text(one).replace("\\", "\\\\").replace(",", "\\,") for one in value)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{value.isoformat()} has no time zone; say datetime.now(UTC), or .replace(tzinfo=UTC)")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)
