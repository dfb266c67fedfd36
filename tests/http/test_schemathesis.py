"""The OpenAPI document is true: schemathesis finds no 5xx, no undocumented status, type or body, whoever asks."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema

from tests.conftest import OpenGateway
from tests.http.serving import served
from tests.support.gateway import AUTHOR

WHO = ("tenant", "reader", "administrator", "operator", "finance", "stranger")
IN_CI, IN_FULL = 3, 50
# 431: a query longer than any may be.
REFUSED = ["400", "401", "403", "404", "405", "406", "409", "415", "422", "428", "429", "431", "5xx"]
# Files are sent as they come.
FILES = ("application/pdf", "image/png", "image/jpeg")


@schemathesis.serializer(*FILES)
def as_it_comes(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


# Not `positive_data_acceptance`: a well-formed area code that is not in service is refused, as it should be.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "negative_data_rejection", "unsupported_method", "missing_required_header",
    "ignored_auth", "use_after_free", "ensure_resource_availability", "allow_header_conformance",
)  # fmt: skip


def explore(port: int, key: str | None, examples: int, *, stateful: bool) -> tuple[Counter[int], set[str]]:
    """Every operation of the document, asked with this key: how often each status came, and what was wrong."""
    settings: dict[str, Any] = {
        "seed": 20260101,
        "headers": {"X-API-Key": key} if key else {},
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
        "phases": {"stateful": {"enabled": stateful, "max-steps": 6}},
        "checks": {"enabled": False, **{check: {"enabled": True} for check in CHECKS}}
        | {
            # 503 names a condition of an upstream, as of an account that somebody filed and that nobody answers for.
            "not_a_server_error": {"enabled": True, "expected-statuses": ["2xx", "3xx", "4xx", "503"]},
            "negative_data_rejection": {"enabled": True, "expected-statuses": REFUSED},
        },
        "request-timeout": 90,
    }
    schema = schemathesis.openapi.from_url(
        f"http://127.0.0.1:{port}/openapi.json", config=SchemathesisConfig.from_dict(settings)
    )
    statuses: Counter[int] = Counter()
    wrong: set[str] = set()
    for event in from_schema(schema).execute():
        if isinstance(event, events.ScenarioFinished):
            for interaction in event.recorder.interactions.values():
                if interaction.response is not None:
                    statuses[interaction.response.status_code] += 1
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.status == Status.FAILURE and check.failure_info is not None:
                        curl = event.recorder.find_parent(case_id=case_id)
                        wrong.add(
                            f"{event.label}: {check.failure_info.failure} {check.failure_info.code_sample} {curl or ''}"
                        )
        elif isinstance(event, events.NonFatalError):
            wrong.add(f"{event.label}: {event.value}")
        elif isinstance(event, events.FatalError):
            raise event.exception
    return statuses, wrong


@pytest.mark.usefixtures("short_polls")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    ("who", "examples"),
    [
        *(pytest.param(who, IN_CI, marks=pytest.mark.ci) for who in ("tenant", "stranger")),
        *(pytest.param(who, IN_FULL, marks=pytest.mark.full) for who in WHO),
    ],
)
async def test_every_answer_is_as_documented(
    open_gateway: OpenGateway, who: str, examples: int, record_property: Callable[[str, object], None]
):
    async with open_gateway(answer_within=1) as gateway:
        tenant = await gateway.tenant(quota=20)
        reader = await gateway.tenant(scopes=["numbers:read"])
        finance = await gateway.services.administration.issue_staff_key(AUTHOR, "finance", "test")
        keys = {"tenant": tenant, "reader": reader, "administrator": gateway.admin, "operator": gateway.operator}
        key = finance.key if who == "finance" else keys[who].key if who in keys else None
        async with served(gateway) as port:
            statuses, wrong = await asyncio.to_thread(explore, port, key, examples, stateful=examples == IN_FULL)

    record_property("told", f"{sum(statuses.values())} requests of schemathesis as {who}")
    assert not wrong, "\n\n".join(sorted(wrong))
    assert {status for status in statuses if status >= 500} <= {503}, statuses
    assert statuses[200] > 0
