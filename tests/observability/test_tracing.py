"""Traces: from a caller through Redis, Postgres and Teli, sent to a collector; and nothing where none are asked for."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import REGISTRY
from sqlalchemy import text

from service.kit import spans
from service.observability.logs import configure_logs
from service.observability.tracing import OpenTelemetry, start_tracing
from service.teli.client import TeliClient, template
from tests.numbers.ledger import use_marks
from tests.simulator.program import KEY
from tests.support.collector import Collector, facts
from tests.support.gateway import CREATE, ORGANIZATION, USER, Gateway, Tenant
from tests.support.leaks import leaked

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CALLERS = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture
def tracer(collector: Collector) -> Iterator[OpenTelemetry]:
    started = start_tracing(collector.url, ratio=0, process="api")
    yield started
    if spans._tracer is not None:
        started.close()


@pytest.fixture
async def tenant(gateway: Gateway, tracer: OpenTelemetry) -> AsyncIterator[Tenant]:
    """Whose requests are traced."""
    found = await gateway.tenant()
    transport = httpx.ASGITransport(app=tracer.around(gateway.app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://numbergate", timeout=60) as http:
        yield Tenant(http, found.id, found.key)


async def buy(tenant: Tenant, **fields: str) -> httpx.Response:
    """With a key, as part of the caller's trace."""
    body = {"area_code": "313", "user_id": USER, "organization_id": ORGANIZATION, **fields}
    headers = {"traceparent": CALLERS, "Idempotency-Key": "traced"}
    return await tenant.send("POST", CREATE, json=body, headers=headers)


async def test_a_purchase_is_one_trace_from_its_caller_to_teli(
    gateway: Gateway, tenant: Tenant, tracer: OpenTelemetry, collector: Collector
):
    await use_marks(gateway)
    bought = await buy(tenant)
    assert bought.status_code == 200, bought.text
    tracer.close()

    found = collector.of(TRACE)
    names = [one.name for one in found]
    by_id = {one.span_id: one for one in found}
    [request] = [one for one in found if one.parent_span_id.hex() == PARENT]
    assert request.name == "POST /v1/voice/phone-numbers/create"
    assert facts(request)["http.response.status_code"] == 200
    assert facts(request)["numbergate.request_id"] == bought.headers["X-Request-ID"]
    assert any(name.startswith("EVALSHA ") for name in names), names
    assert any("admit(" in name for name in names) and any("settle(" in name for name in names), names
    [sold] = [one for one in found if one.name == "Teli POST"]
    assert facts(sold)["url.template"] == "/v1/voice/phone-numbers/create"
    assert facts(sold)["http.response.status_code"] == 200
    # All of them lead up to the request.
    for one in found:
        while one.span_id != request.span_id:
            one = by_id[one.parent_span_id]
    assert collector.services == {"numbergate-api"}


async def test_teli_is_told_which_call_it_is_of_the_callers_trace(tracer: OpenTelemetry, collector: Collector):
    heard: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        heard.append(request)
        return httpx.Response(200, json={"organizations": []})

    teli = TeliClient("http://teli.invalid", KEY, listen=5, transport=httpx.MockTransport(answer))
    with tracer.of_caller({"method": "GET", "headers": [(b"traceparent", CALLERS.encode())]}):
        await teli.organizations()
    await teli.close()
    tracer.close()
    await TeliClient("http://teli.invalid", KEY, listen=5, transport=httpx.MockTransport(answer)).organizations()

    [asked] = [one for one in collector.of(TRACE) if one.name == "Teli GET"]
    assert heard[0].headers["traceparent"] == f"00-{TRACE}-{asked.span_id.hex()}-01"
    assert "traceparent" not in heard[1].headers, "nothing is traced any more"


async def test_what_is_kept_tells_nothing_of_a_tenant(
    gateway: Gateway, tenant: Tenant, tracer: OpenTelemetry, collector: Collector
):
    await use_marks(gateway)
    bought = (await buy(tenant, nickname="a word of theirs")).json()
    await tenant.send("DELETE", f"/v1/voice/phone-numbers/{bought['phone_number']}", headers={"traceparent": CALLERS})
    await tenant.send("GET", "/v1/numbers?nickname=a+word+of+theirs", headers={"traceparent": CALLERS})
    await tenant.send("GET", "/v1/numbers/not-there", headers={"traceparent": CALLERS})
    tracer.close()

    kept = b"".join(collector.bodies).decode("latin-1")
    assert len(collector.of(TRACE)) > 10
    for told in (bought["phone_number"][1:], "a word of theirs", tenant.id, tenant.key, KEY):
        assert told not in kept
    assert not leaked(kept)


async def test_a_failure_is_told_by_its_class_and_never_by_its_text(tracer: OpenTelemetry, collector: Collector):
    with pytest.raises(LookupError), spans.span("a job"):
        raise LookupError("of +13135550142")
    tracer.close()
    # A trace that begins here is kept as often as is asked for, which was never.
    assert collector.spans == []

    again = start_tracing(collector.url, ratio=1, process="worker")
    with pytest.raises(LookupError), spans.span("a job"):
        raise LookupError("of +13135550142")
    again.close()
    [told] = collector.spans
    assert (told.name, facts(told), told.status.code) == ("a job", {"error.type": "LookupError"}, 2)
    assert not told.events


async def test_a_statement_that_fails_is_a_span_that_failed(gateway: Gateway, collector: Collector):
    tracer = start_tracing(collector.url, ratio=1, process="worker")
    with pytest.raises(Exception, match="division by zero"):
        async with gateway.worker.database.acting() as session:
            await session.execute(text("SELECT 1 / :nothing"), {"nothing": 0})
    tracer.close()
    [failed] = [one for one in collector.spans if one.status.code == 2]
    assert failed.name == "SELECT"
    assert facts(failed)["db.query.text"].startswith("SELECT 1 / $1")


async def test_a_line_of_the_log_names_its_trace(tracer: OpenTelemetry, capsys: pytest.CaptureFixture[str]):
    configure_logs(form="json", beside=[tracer.told_in_logs])
    try:
        structlog.get_logger("one").info("outside")
        with tracer.of_caller({"method": "GET", "headers": [(b"traceparent", CALLERS.encode())]}):
            structlog.get_logger("two").info("inside")
        outside, inside = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    finally:
        configure_logs(form="json", level="warning", secrets=[KEY])
    assert "trace_id" not in outside
    assert inside["trace_id"] == TRACE
    assert re.fullmatch("[0-9a-f]{16}", inside["span_id"])


async def test_a_measurement_names_a_trace_as_its_example(tenant: Tenant):
    await tenant.send("GET", "/v1/numbers", headers={"traceparent": CALLERS})

    told = generate_latest(REGISTRY).decode()
    lines = [line for line in told.splitlines() if f'# {{trace_id="{TRACE}"}}' in line]
    assert any(line.startswith("numbergate_http_request_seconds_bucket") for line in lines)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/voice/phone-numbers/create", "/v1/voice/phone-numbers/create"),
        ("/v1/voice/phone-numbers/create?token=1", "/v1/voice/phone-numbers/create"),
        ("/v1/voice/phone-numbers/%2B13135550142", "/v1/voice/phone-numbers/{id}"),
        ("/v1/voice/phone-numbers/%2B13135550142/update-agent", "/v1/voice/phone-numbers/{id}/update-agent"),
        ("/v1/voice/campaigns/c1/pause", "/v1/voice/campaigns/{id}/pause"),
        ("/v1/organizations/1x2/users", "/v1/organizations/{id}/users"),
    ],
)
def test_a_path_of_telis_is_told_without_what_it_is_about(path: str, told: str):
    assert template(path) == told


def test_where_nothing_is_traced_what_sends_traces_is_not_loaded():
    # Of the library itself redis-py loads a part where it is installed.
    unwanted = (
        "{'service.observability.tracing', 'opentelemetry.sdk.trace', 'opentelemetry.exporter', 'google.protobuf'}"
    )
    loads = f"import sys, service.app, service.worker; print(sorted({unwanted} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", loads], capture_output=True, text=True, timeout=60)
    assert (ended.stdout, ended.returncode) == ("[]\n", 0), ended.stderr


def test_where_nothing_is_traced_a_span_is_nothing():
    assert spans.span("any", "client", spans.REDIS) is spans.NOTHING
    assert (spans.onward(), spans.exemplar()) == (None, None)
