"""The view that searches read shows what row-level security shows of the table, to the row."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from service.db import Bounds
from tests.support.gateway import AUTHOR, Gateway

from .test_search import ELSEWHERE, ORGANIZATIONS, USERS, drawn, write

NAMED = (*ORGANIZATIONS, "nobody", "")
LIMITS = st.none() | st.lists(st.sampled_from((*NAMED, *USERS)), max_size=3, unique=True).map(tuple)
SEES = st.lists(st.sampled_from((*NAMED, "*")), max_size=3, unique=True)
DUTIES = st.sampled_from(("service", "worker", "admin", "operator", "none of these"))
SHOWN = {of: text(f"SELECT CAST(id AS text) FROM {of} ORDER BY id") for of in ("numbers", "numbers_seen")}


@dataclass
class Seen:
    """Rows of two tenants in two organisations, and how many of them were shown at a time."""

    gateway: Gateway
    tenants: list[str]
    counts: set[int] = field(default_factory=set)


@pytest.fixture
async def seen(gateway: Gateway) -> AsyncIterator[Seen]:
    await gateway.services.administration.put_organization(AUTHOR, ELSEWHERE, "Elsewhere")
    tenants = [(await gateway.tenant()).id for _ in range(2)]
    await write(gateway, [drawn(Random(place), tenants, place) for place in range(40)])
    found = Seen(gateway, tenants)
    yield found
    assert {0, 40} < found.counts, "nothing, everything, and some of it"


TENANTS = st.none() | st.sampled_from((0, 1, "another", ""))


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tenant=TENANTS, duty=DUTIES, sees=SEES, bounds=st.builds(Bounds, LIMITS, LIMITS))
async def test_the_view_shows_the_rows_that_the_policies_show(
    seen: Seen, tenant: str | int | None, duty: str, sees: list[str], bounds: Bounds
):
    named = seen.tenants[tenant] if isinstance(tenant, int) else tenant
    for services in (seen.gateway.services, seen.gateway.worker):
        async with services.database.acting(tenant=named, duty=duty, sees=sees, bounds=bounds) as session:
            shown = {of: (await session.execute(asked)).scalars().all() for of, asked in SHOWN.items()}
        assert shown["numbers_seen"] == shown["numbers"]
        seen.counts.add(len(shown["numbers"]))
