"""No secret gets out: not into a log, a repr, an answer, or the ledger."""

import asyncio
import io
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from itertools import cycle, islice
from urllib.parse import quote
from uuid import uuid4

import pytest
import structlog
from sqlalchemy.exc import DBAPIError

from service.observability.logs import Redact, configure_logs
from service.settings import Settings
from service.teli.client import TeliClient
from service.tenants.keys import make_key
from service.wiring import assemble
from tests.conftest import SECRET, OpenGateway
from tests.fuzz.asking import Ask, put
from tests.fuzz.cast import Cast
from tests.fuzz.running import fuzz
from tests.simulator.program import KEY
from tests.support.gateway import CREATE, NUMBERS, USER, Gateway, Tenant
from tests.support.leaks import leaked
from tests.support.raw_teli import Asked, RawTeli, http

TELI_KEY = "teli-secret-8c1f"


@contextmanager
def logged(*secrets: str) -> Iterator[io.StringIO]:
    """Everything that is logged inside, at the finest level, as production would write it."""
    written = io.StringIO()
    try:
        with redirect_stderr(written):
            configure_logs(form="json", level="debug", secrets=secrets or [TELI_KEY, KEY, SECRET])
            yield written
    finally:
        configure_logs(form="json", level="warning")


class Echo:
    """A Teli that repeats whatever it was sent, headers and all, under the status it is told to answer."""

    def __init__(self) -> None:
        self.status = 400

    async def __call__(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        sent = {name.lower(): value for name, value in asked.headers.items()}
        body = {"success": False, "error": f"Bad key {sent['x-api-key']}", "message": f"{sent}", "detail": [sent]}
        writer.write(
            http(self.status, json.dumps(body).encode(), f"X-Echo: {sent['x-api-key']}", f"Location: /{TELI_KEY}")
        )
        await writer.drain()
        writer.close()


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def echoing(gateway: Gateway, echo: Echo) -> AsyncIterator[Gateway]:
    """The gateway in front of the echo."""
    async with RawTeli(echo) as teli:
        client = TeliClient(teli.url, TELI_KEY, listen=5)
        ours = gateway.services
        services = assemble(gateway.settings, ours.database, ours.kv, client, ours.exports)
        other = Gateway(services, gateway.worker, gateway.settings, gateway.teli)
        await services.version.look()
        yield other
        await other.close()
        await client.close()


async def test_a_session_of_every_kind_of_error_leaves_no_secret_anywhere(
    gateway: Gateway, tenant: Tenant, echoing: Gateway, echo: Echo
):
    stranger, mistyped = make_key("live"), tenant.key[:-1] + ("0" if tenant.key[-1] != "0" else "1")
    issued = await gateway.admin.send(
        "POST", f"/v1/admin/tenants/{tenant.id}/keys", json={"name": "K", "scopes": ["numbers:read"]}
    )
    assert issued.status_code == 201
    secrets = [tenant.key, stranger, mistyped, issued.json()["key"], gateway.admin.key, TELI_KEY, KEY, SECRET]
    answers = []
    with logged() as log:
        for key in (tenant.key, stranger, mistyped, gateway.admin.key):
            for headers in (
                {"X-API-Key": key},
                {"Authorization": f"Bearer {key}"},
                {"X-API-Key": key, "Idempotency-Key": key},
            ):
                for method, path, body in (
                    ("POST", CREATE, {"area_code": key, "user_id": key, "nickname": "\a" + key, key: key}),
                    ("POST", CREATE, {"area_code": "313", "user_id": key}),
                    ("GET", f"{NUMBERS}?user_id={USER}&organization_id=x&limit=0", None),
                    ("DELETE", f"{NUMBERS}/+13135550142", None),
                    ("PUT", f"/v1/admin/tenants/{tenant.id}", {"colour": 1}),
                    ("GET", "/nowhere", None),
                    ("PATCH", CREATE, None),
                ):
                    answers.append((key, await gateway.http.request(method, path, json=body, headers=headers)))
        tenant.http = echoing.http
        for echo.status in (200, 400, 401, 403, 404, 422, 429, 500, 502, 303):
            answers.append((None, await tenant.buy(prefer="wait=1")))
            answers.append((None, await tenant.buy(key=f"k{echo.status}", prefer="wait=1")))
        structlog.get_logger().error(
            "as it may happen", url=f"postgresql://u:{SECRET[:8]}@h/d", api_key="hidden-1", x=TELI_KEY
        )
        logging.getLogger("elsewhere").warning("key %s", tenant.key)

    assert len({answer.status_code for _, answer in answers}) >= 8
    kept = await everything_kept(gateway)
    for secret in secrets:
        for sent, answer in answers:
            # What a caller wrote itself into a field may be named back to it; a credential alone never is.
            if secret != sent:
                assert secret not in answer.text, answer.text
                assert secret not in str(answer.headers), answer.text
        assert secret not in log.getvalue()
        assert secret not in kept
    assert log.getvalue().count("\n") > 80
    assert "hidden-1" not in log.getvalue()
    assert all(json.loads(line)["level"] for line in log.getvalue().splitlines())


def wherever_a_key_may_be_put(key: str) -> Iterator[Ask]:
    """Requests that hold it where it belongs, and wherever somebody may write it by mistake."""
    body = json.dumps({"area_code": key, "user_id": key, key: key}).encode()
    plain = ((b"content-type", b"application/json"),)
    for method, path in (("POST", CREATE), ("GET", NUMBERS), ("PATCH", "/v1/numbers/x"), ("GET", f"/{key}")):
        for name, value in (
            ("x-api-key", key), ("authorization", f"Bearer {key}"), ("authorization", f"Basic {key}"),
            ("cookie", f"session={key}"), ("idempotency-key", key), ("x-request-id", key), ("user-agent", key),
            ("referer", f"https://x:{key}@here/?k={key}"), ("content-type", key), (key, "x"),
        ):  # fmt: skip
            headers = [*plain, (name.encode(), value.encode())]
            for query in (b"", f"api_key={quote(key)}&{key}=1".encode()):
                yield Ask("", "", method, path, query, headers, body if method != "GET" else b"", "")


@pytest.mark.full
@pytest.mark.timeout(1800)
async def test_a_hundred_thousand_lines_of_log_hold_no_secret(
    open_gateway: OpenGateway, record_property: Callable[[str, object], None]
):
    lines = 100_000
    async with open_gateway() as gateway:
        with logged(*gateway.settings.secrets) as log:
            cast = await Cast.of(gateway)
            await fuzz(gateway.app, gateway.app.app.openapi(), cast, seed=19, requests=lines // 10)
            secrets = {*cast.known.keys.values(), make_key("live"), *gateway.settings.secrets} - {""}
            asks = [ask for secret in sorted(secrets) for ask in wherever_a_key_may_be_put(secret)]
            for ask in islice(cycle(asks), lines):
                await put(gateway.app, ask)

    written = log.getvalue().splitlines()
    record_property("told", f"{len(written)} lines of log, {len(secrets)} secrets put in {len(asks)} places: none told")
    assert len(written) >= lines
    assert not [line for line in written if any(secret in line for secret in secrets) or leaked(line)]


async def everything_kept(gateway: Gateway) -> str:
    """Every row of every table, as text."""
    tables = await gateway.sql(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    rows = [row for [table] in tables for [row] in await gateway.sql(f"SELECT t::text FROM {table} t")]
    return "\n".join(rows)


async def test_an_upstream_that_echoes_our_key_is_kept_without_it(
    gateway: Gateway, tenant: Tenant, echoing: Gateway, echo: Echo
):
    tenant.http = echoing.http
    refused = await tenant.buy()

    assert refused.json()["code"] == "upstream_refused"
    [(headers, body)] = await gateway.sql("SELECT headers, body FROM evidence")
    assert headers["x-echo"] == "…"
    assert "Bad key …" in body


async def test_an_unforeseen_error_is_told_without_a_word_of_what_happened(gateway: Gateway, tenant: Tenant):
    """A bug, for once on purpose."""
    whole = gateway.services.quotas

    class Broken:
        async def get(self, tenant_id: str) -> dict[str, object]:
            raise RuntimeError(f"boom with {tenant.key} and {SECRET}")

    object.__setattr__(gateway.services, "quotas", Broken())
    try:
        with logged() as log:
            answer = await gateway.admin.get(f"/v1/admin/tenants/{tenant.id}/quotas")
    finally:
        object.__setattr__(gateway.services, "quotas", whole)

    assert answer.status_code == 500
    assert answer.json()["code"] == "internal_error"
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    for word in ("boom", "RuntimeError", "Traceback", tenant.key, SECRET):
        assert word not in answer.text
    written = log.getvalue()
    assert "RuntimeError: boom with ngk_… and …" in json.loads(written.splitlines()[0])["exception"]
    assert answer.json()["request_id"] in written
    assert tenant.key not in written
    assert SECRET not in written


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 / 0 WHERE 'x' <> CAST(:value AS text)",
        # The server itself tells which value there is already.
        "INSERT INTO stops (scope, id, reason, actor) SELECT 'tenant', :value, 'r', 'a' FROM generate_series(1, 2)",
    ],
)
async def test_a_statement_that_fails_is_logged_without_what_it_was_asked_about(gateway: Gateway, statement: str):
    asked_about = str(uuid4())
    with logged() as log:
        try:
            await gateway.sql(statement, value=asked_about)
        except DBAPIError:
            structlog.get_logger().exception("unforeseen")

    written = json.loads(log.getvalue())["exception"]
    assert statement.partition("(")[0].strip() in written
    assert asked_about not in log.getvalue()


async def test_nothing_we_hold_shows_a_secret_when_it_is_printed(gateway: Gateway, tenant: Tenant):
    password = "a-password-of-postgres"
    settings = Settings.model_validate(
        {
            "DATABASE_URL": f"postgresql://u:{password}@127.0.0.1/d",
            "REDIS_URL": f"redis://:{password}@127.0.0.1/0",
            "TELI_BASE_URL": "http://127.0.0.1:9",
            "TELI_API_KEY": TELI_KEY,
            "NUMBERGATE_SECRET": SECRET,
        }
    )
    principal = await gateway.services.principals.of(tenant.key)
    printed = [
        settings,
        settings.model_dump(),
        principal,
        gateway.services,
        *vars(gateway.services.principals).values(),
    ]
    printed += [getattr(gateway.services, name) for name in type(gateway.services).__slots__]
    printed += [vars(gateway.services.administration), vars(gateway.services.numbers.provisioning)]
    for one in printed:
        for secret in (password, TELI_KEY, KEY, SECRET, tenant.key):
            assert secret not in repr(one), type(one)
            assert secret not in str(one), type(one)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("ngk_live_" + "0" * 38, "ngk_…"),
        ("session ngs_" + "aZ0-_" * 8, "session ngs_…"),
        ("Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl.", "Bearer eyJ…."),
        ("redis://:pw@host/0", "redis://…@host/0"),
        ("postgresql+asyncpg://u:p%40w@host/d failed", "postgresql+asyncpg://…@host/d failed"),
        (f"a {TELI_KEY} b", "a … b"),
        ("https://host/path?x=1@2", "https://host/path?x=1@2"),
    ],
)
def test_text_is_cleaned_wherever_it_stands(written: str, shown: str):
    redact = Redact([TELI_KEY])
    assert redact(None, "info", {"event": written, "nested": {"a": [written]}}) == {
        "event": shown,
        "nested": str({"a": [shown]}),
    }


@pytest.mark.parametrize(
    "name", ["password", "X-API-Key", "authorization", "teli_api_key", "client_secret", "refresh_token"]
)
def test_a_telling_name_hides_its_value_whatever_it_is(name: str):
    assert Redact([])(None, "info", {name: {"a": 1}, "event": "x"}) == {name: "…", "event": "x"}
