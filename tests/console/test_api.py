"""What a page asks of the API, in this process."""

import asyncio
from urllib.parse import parse_qs

import orjson
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from service.console.api import AT_ONCE, Api, in_parts
from service.tenants.name_endpoints import LONGEST, MOST


async def test_of_what_a_page_asks_at_once_a_few_are_under_way_at_a_time():
    under_way, most = 0, 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": orjson.dumps({"path": scope["path"]})})

    scope: Scope = {
        "type": "http", "asgi": {}, "scheme": "http", "headers": [], "client": None, "server": None, "app": app,
        "state": {"request_id": "r"},
    }  # fmt: skip
    api = Api(Request(scope))

    found = await asyncio.gather(*(api.get(f"/{place}") for place in range(3 * AT_ONCE)))

    assert [one["path"] for one in found] == [f"/{place}" for place in range(3 * AT_ONCE)]
    assert most == AT_ONCE


async def test_names_are_asked_for_by_as_few_calls_as_take_their_ids():
    asked: list[dict[str, list[str]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(parse_qs(scope["query_string"].decode()))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        names = {"tenants": {one: "name" for some in asked[-1].values() for one in some[0].split(",")}}
        await send({"type": "http.response.body", "body": orjson.dumps(names)})

    scope: Scope = {
        "type": "http", "asgi": {}, "scheme": "http", "headers": [], "client": None, "server": None, "app": app,
        "state": {"request_id": "r"},
    }  # fmt: skip
    tenants, users = [f"tenant-{place}" for place in range(100)], [f"{place:032}" for place in range(150)]

    found = await Api(Request(scope)).names({"tenant_id": tenants, "organization_id": [], "user_id": users})

    assert found.keys() == {*tenants, *users}
    assert sorted(map(len, asked)) == [1, 2]
    assert await Api(Request(scope)).names({"tenant_id": [], "organization_id": [], "user_id": []}) == {}


def test_no_part_of_many_ids_is_longer_than_a_call_takes():
    ids = [f"{place:0{1 + place % 128}}" for place in range(1000)]
    parts = in_parts(ids)
    assert [one for part in parts for one in part] == ids
    assert all(len(part) <= MOST and len(",".join(part)) <= LONGEST for part in parts)
