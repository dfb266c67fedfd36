"""The access matrix: every operation of the OpenAPI document × every role × every thing that it can name.

What to add for a new operation or role: `tests/access/operations.py` and `tests/access/roles.py` say.
"""

from asyncio import gather
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.access.matrix import Cell, LedgerCopy, cells, operations, told
from tests.access.roles import ROLES
from tests.access.world import World, made, trusting
from tests.conftest import OpenGateway
from tests.http.refusals import problem
from tests.support.gateway import Gateway
from tests.support.identity_provider import Provider

AT_LEAST = 15_000
LOOKED_AT = ("/v1/voice/calls", "/v1/voice/campaigns", "/v1/organizations/")


@pytest.fixture
async def gateway(open_gateway: OpenGateway, provider: Provider) -> AsyncIterator[Gateway]:
    async with open_gateway(**trusting(provider)) as opened:
        yield opened


@pytest.fixture
async def world(gateway: Gateway, provider: Provider) -> World:
    return await made(gateway, provider)


@pytest.fixture
async def copy(world: World, database_url: str) -> AsyncIterator[LedgerCopy]:
    found = await LedgerCopy.of(database_url)
    yield found
    await found.close()


@pytest.fixture
async def document(gateway: Gateway) -> dict[str, Any]:
    found: dict[str, Any] = (await gateway.http.get("/openapi.json")).json()
    return found


@pytest.mark.ci
@pytest.mark.timeout(600)
async def test_everybody_may_do_what_is_theirs_and_nothing_else(
    world: World, copy: LedgerCopy, document: dict[str, Any], record_property: Any
):
    wrong: list[str] = []
    counted: Counter[str] = Counter()
    changing: list[Cell] = []
    before, sent = await copy.digests(), await sent_upstream(world)
    for role in ROLES.values():
        for group in cells(role, operations(document), world):
            counted[role.name] += len(group)
            changing += [cell for cell in group if cell.may_change]
            unchanging = [cell for cell in group if not cell.may_change]
            refusals: dict[str | None, set[Any]] = {}
            for cell, answer in zip(unchanging, await gather(*(one.asked(world) for one in unchanging)), strict=True):
                wrong += _wrong(cell, answer)
                if answer.status_code in (403, 404):
                    refusals.setdefault(cell.expected[1], set()).add(told(answer))
            wrong += [f"{group[0]}: others' are told from none: {one}" for one in refusals.values() if len(one) > 1]
            if (after := await copy.digests()) != before:
                moved = [name for name in before if before[name] != after[name]]
                wrong.append(f"{group[0]} and the like: refused or read, and changed {moved}")
                await copy.go_back(before)
    assert await sent_upstream(world) == sent, "something was sent upstream for who may not"
    for cell in changing:
        wrong += _wrong(cell, await cell.asked(world))
        await world.gateway.services.numbers.follow_ups.drain()
        await copy.go_back(before)

    assert not wrong, f"{len(wrong)} cells:\n" + "\n".join(wrong[:40])
    assert counted.total() >= AT_LEAST
    told_of = f"{len(ROLES)} roles, {len(operations(document))} operations; {len(changing)} cells may change something"
    record_property("told", f"access matrix: {counted.total()} cells, {told_of}")


async def test_every_operation_has_an_entry(document: dict[str, Any]):
    assert len(operations(document)) > 40


def test_an_operation_without_an_entry_fails_and_is_told_what_to_add():
    described: dict[str, Any] = {"operationId": "get_widget", "responses": {"200": {}}}
    document = {"paths": {"/v1/widgets/{id}": {"get": described}}, "components": {"schemas": {}}}
    with pytest.raises(AssertionError, match=r'"get_widget": .*GET /v1/widgets/\{id\}'):
        operations(document)


async def sent_upstream(world: World) -> int:
    """Requests, but for looks at calls, at who may have made them, and at campaigns: those are Teli's to tell."""
    requests = await world.gateway.teli.requests()
    return sum(one["method"] != "GET" or not one["path"].startswith(LOOKED_AT) for one in requests)


def _wrong(cell: Cell, answer: Any) -> list[str]:
    statuses, code = cell.expected
    if answer.status_code not in statuses:
        return [f"{cell}: {answer.status_code} instead of {sorted(statuses)} {code}: {answer.text[:200]}"]
    if code is not None:
        try:
            problem(answer, answer.status_code, code)
        except AssertionError as error:
            return [f"{cell}: {error}"]
    return []
