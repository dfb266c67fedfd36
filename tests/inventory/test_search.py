"""Every filter and every order of the inventory, against the same question put to plain Python."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from service.inventory.sorting import SORTS
from tests.http.refusals import pointers, problem
from tests.support.gateway import AUTHOR, ORGANIZATION, USER, Gateway, Tenant

from .rows import ask, page

NOW = datetime.now(UTC)
ELSEWHERE = "1700000000000x100000000000000001"
ORGANIZATIONS, USERS = (ORGANIZATION, ELSEWHERE), (USER, "u-west", "u_west%")
STATES = ("active", "active", "active", "release_scheduled", "releasing", "released", "missing")
NICKNAMES = (None, "Sales", "sales west", "SALES", "100% off", "100 off", "a_b", "aXb", "back\\slash", "Zoë")
TAGS = ("west", "vip", "a,b", "c\\", "Sales")
CENTERS, AGENTS = (None, "c1", "c2"), (None, "agent-1", "agent-2")
FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    id: UUID
    tenant_id: str
    organization_id: str
    user_id: str
    holder_user_id: str | None
    phone_number: str
    pretty: str
    area_code: str
    nickname: str | None
    cost_center: str | None
    tags: list[str]
    state: str
    acquired_at: datetime
    released_at: datetime | None
    idle_since: datetime | None
    inbound: str | None
    outbound: str | None

    @property
    def words(self) -> str:
        parts = [self.phone_number, self.pretty, self.nickname, *self.tags, self.user_id, self.holder_user_id]
        return small("\n".join(part for part in parts if part))


def small(text: str) -> str:
    """As this Postgres does it, which knows the small letters of ASCII."""
    return "".join(one.lower() if one.isascii() else one for one in text)


def drawn(random: Random, tenants: list[str], place: int) -> Row:
    code = random.choice(("415", "628", "313"))
    # One E.164 may have been held before, and is then there twice.
    last = random.randrange(30)
    state = random.choice(STATES)
    acquired = FIRST + timedelta(days=random.randrange(20))
    idle = random.choice((None, NOW - timedelta(days=random.randrange(60), hours=5)))
    return Row(
        UUID(int=random.getrandbits(128)), random.choice(tenants), random.choice(ORGANIZATIONS), random.choice(USERS),
        random.choice((None, *USERS)), f"+1{code}55501{last:02}" if state == "released" else f"+1{code}5552{place:03}",
        f"+1 {code}-555-{last:04}", code, random.choice(NICKNAMES), random.choice(CENTERS),
        random.sample(TAGS, random.randrange(3)), state, acquired,
        acquired + timedelta(days=random.randrange(9)) if state == "released" else None, idle,
        random.choice(AGENTS), random.choice(AGENTS),
    )  # fmt: skip


COLUMNS = [name for name in Row.__dataclass_fields__ if name not in ("inbound", "outbound")]


async def write(gateway: Gateway, rows: list[Row]) -> None:
    """These alone are there."""
    [[account]] = await gateway.sql("SELECT CAST(id AS text) FROM accounts")
    links = [
        {"number_id": row.id, "direction": way, "tenant_id": row.tenant_id, "desired": agent}
        for row in rows
        for way, agent in (("inbound", row.inbound), ("outbound", row.outbound))
    ]
    numbers = [{name: getattr(row, name) for name in COLUMNS} | {"account_id": account, "mark": ""} for row in rows]
    owner = await asyncpg.connect(gateway.settings.database_url.get_secret_value())
    await owner.execute("TRUNCATE agent_links, numbers CASCADE")
    for table, said in (("numbers", numbers), ("agent_links", links)):
        names = ", ".join(said[0])
        await owner.execute(
            f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, $1::jsonb)",
            orjson.dumps(said).decode(),
        )
    await owner.close()


def moment(days: int) -> str:
    return (FIRST + timedelta(days=days)).isoformat().replace("+00:00", "Z")


def escaped(tag: str) -> str:
    return tag.replace("\\", "\\\\").replace(",", "\\,")


FILTERS: dict[str, st.SearchStrategy[Any]] = {
    "organization_id": st.sampled_from(ORGANIZATIONS),
    "user_id": st.sampled_from(USERS),
    "holder_user_id": st.sampled_from(USERS),
    "state": st.lists(st.sampled_from(STATES[2:]), min_size=1, max_size=5).map(",".join),
    "area_code": st.lists(st.sampled_from(("415", "628", "202")), min_size=1, max_size=3).map(",".join),
    "nickname": st.sampled_from(("s", "sAl", "sales w", "100%", "a_", "BACK\\", "zo", "x")),
    "tag": st.lists(st.sampled_from(TAGS), min_size=1, max_size=2).map(lambda tags: ",".join(map(escaped, tags))),
    "agent_id": st.sampled_from(("agent-1", "agent-2", "agent-3")),
    "cost_center": st.sampled_from(("c1", "c3")),
    "created_after": st.integers(0, 12).map(moment),
    "created_before": st.integers(13, 21).map(moment),
    "idle_days": st.integers(1, 61),
    "q": st.sampled_from(("sal", "SALES west", "555-00", "415 5552", "_west%", "a,b", "100% off", "zzz", "_____")),
}


def meant(row: Row, asked: dict[str, Any]) -> bool:
    states = asked["state"].split(",") if "state" in asked else [one for one in STATES if one != "released"]
    plain = asked.get("tag", "").replace("\\\\", "\0").replace("\\,", "\1").split(",")
    tags = {one.replace("\0", "\\").replace("\1", ",") for one in plain}
    checks: dict[str, bool] = {
        "organization_id": row.organization_id == asked.get("organization_id"),
        "user_id": row.user_id == asked.get("user_id"),
        "holder_user_id": row.holder_user_id == asked.get("holder_user_id"),
        "area_code": row.area_code in asked.get("area_code", "").split(","),
        "nickname": small(row.nickname or "").startswith(small(asked.get("nickname", ""))),
        "tag": tags <= set(row.tags),
        "agent_id": asked.get("agent_id") in (row.inbound, row.outbound),
        "cost_center": row.cost_center == asked.get("cost_center"),
        "created_after": row.acquired_at.isoformat() >= asked.get("created_after", "").replace("Z", "+00:00"),
        "created_before": row.acquired_at.isoformat() < asked.get("created_before", "").replace("Z", "+00:00"),
        "idle_days": row.idle_since is not None and NOW - row.idle_since >= timedelta(days=asked.get("idle_days", 0)),
        "q": all(small(word) in row.words for word in asked.get("q", "").split()),
    }
    return row.state in states and all(checks[name] for name in asked if name != "state")


def ordered(rows: list[Row], sort: str) -> list[Row]:
    last = datetime.max.replace(tzinfo=UTC)
    keys: dict[str, Any] = {
        "acquired_at": lambda row: row.acquired_at,
        "phone_number": lambda row: row.phone_number,
        "nickname": lambda row: small(row.nickname or "").encode(),
        "idle_since": lambda row: row.idle_since or last,
        "released_at": lambda row: row.released_at or last,
    }
    key = keys[sort.removeprefix("-")]
    return sorted(rows, key=lambda row: (key(row), row.id), reverse=sort.startswith("-"))


async def walked(who: Tenant, limit: int, **asked: Any) -> list[str]:
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        body = await page(who, limit=limit, **asked, **cursor)
        found += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            assert body["total"] == {"value": len(found), "exact": True}
            return found
        cursor = {"cursor": body["next_cursor"]}


# Every example asks many questions: what fails is told at once, and not made smaller for minutes.
@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), data=st.data())
async def test_every_question_has_the_answer_that_python_finds(gateway: Gateway, seed: int, data: st.DataObject):
    await gateway.services.administration.put_organization(AUTHOR, ELSEWHERE, "Elsewhere")
    tenants = [await gateway.tenant() for _ in range(2)]
    rows = [drawn(Random(seed + place), [one.id for one in tenants], place) for place in range(40)]
    await write(gateway, rows)
    for _ in range(10):
        asked = data.draw(
            st.one_of(*(st.fixed_dictionaries({name: value}) for name, value in FILTERS.items()))
            | st.fixed_dictionaries({}, optional=FILTERS),
            label="filters",
        )
        sort = data.draw(st.sampled_from(SORTS), label="sort")
        by, states = sort.removeprefix("-"), set(asked.get("state", "").split(","))
        if (by == "released_at" and states != {"released"}) or (by == "idle_since" and "released" in states):
            assert pointers(problem(await ask(gateway.admin, **asked, sort=sort), 400, "invalid_request")) == {"sort"}
            continue
        limit = data.draw(st.sampled_from((1000, 7, 2)), label="limit")
        expected = [str(row.id) for row in ordered([row for row in rows if meant(row, asked)], sort)]
        assert await walked(gateway.admin, limit, **asked, sort=sort) == expected, (asked, sort)
        # A tenant's key sees of the same, in the same order, its own and those of its organisation.
        seen = {str(row.id) for row in rows if tenants[0].id == row.tenant_id or row.organization_id == ORGANIZATION}
        if asked.get("organization_id") != ELSEWHERE:
            found = await walked(tenants[0], limit, **asked, sort=sort)
            assert found == [one for one in expected if one in seen], (asked, sort)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), data=st.data())
async def test_in_any_order_what_stays_as_it_is_is_seen_once_while_others_change(
    gateway: Gateway, seed: int, data: st.DataObject
):
    """Between two pages numbers are bought, renamed, called and released."""
    random = Random(seed)
    tenant = await gateway.tenant()
    rows = [drawn(random, [tenant.id], place) for place in range(25)]
    await write(gateway, rows)
    sort = data.draw(st.sampled_from([one for one in SORTS if "released" not in one]), label="sort")
    steady = {str(row.id) for row in rows if row.state != "released"}
    seen: list[str] = []
    unchanged = set(steady)
    params: dict[str, Any] = {}
    for bought in range(100):
        body = await page(gateway.admin, limit=data.draw(st.integers(1, 9), label="limit"), sort=sort, **params)
        seen += [item["id"] for item in body["items"]]
        if body["next_cursor"] is None:
            break
        params = {"cursor": body["next_cursor"]}
        change = data.draw(st.sampled_from(("buy", "rename", "call", "release")), label="change")
        one = data.draw(st.sampled_from(sorted(steady)), label="of")
        if change == "buy":
            await gateway.sql(
                "INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty,"
                " area_code, nickname, state, mark, acquired_at, idle_since) SELECT gen_random_uuid(), tenant_id,"
                " account_id, organization_id, user_id, '+1202555' || :last, '', '202', nickname, 'active', '',"
                " acquired_at, idle_since FROM numbers WHERE id = CAST(:id AS uuid)",
                id=one, last=f"{bought:04}",
            )  # fmt: skip
            continue
        sets = {
            "rename": "nickname = 'mm' || id",
            "call": "idle_since = clock_timestamp()",
            "release": "state = 'released', released_at = clock_timestamp()",
        }[change]
        await gateway.sql(f"UPDATE numbers SET {sets} WHERE id = CAST(:id AS uuid)", id=one)
        if change == "release" or (change, sort.removeprefix("-")) in (("rename", "nickname"), ("call", "idle_since")):
            unchanged.discard(one)

    assert sorted(one for one in seen if one in unchanged) == sorted(unchanged)
    moved = steady - unchanged
    assert len([one for one in seen if one not in moved]) == len({one for one in seen if one not in moved})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"q": "ab"}, "q"),
        ({"q": "sales x"}, "q"),
        ({"q": " ".join(["abc"] * 9)}, "q"),
        ({"q": "a" * 201}, "q"),
        ({"tag": "a,,b"}, "tag"),
        ({"tag": ",".join("abcdefghijklmnopqrstu")}, "tag"),
        ({"tag": "x" * 65}, "tag"),
        ({"area_code": "4155"}, "area_code"),
        ({"area_code": "115"}, "area_code"),
        ({"area_code": ",".join(["415"] * 51)}, "area_code"),
        ({"nickname": ""}, "nickname"),
        ({"phone_number": "4155550142"}, "phone_number"),
        ({"created_after": "yesterday"}, "created_after"),
        ({"created_after": "2026-01-01T00:00:00"}, "created_after"),
        ({"created_after": "1767225600"}, "created_after"),
        ({"created_after": moment(2), "created_before": moment(2)}, "created_before"),
        ({"idle_days": "0"}, "idle_days"),
        ({"idle_days": "3651"}, "idle_days"),
        ({"idle_days": "1.5"}, "idle_days"),
        ({"sort": "price"}, "sort"),
        ({"sort": "--nickname"}, "sort"),
        ({"sort": "released_at"}, "sort"),
        ({"sort": "-released_at", "state": "active,released"}, "sort"),
        ({"sort": "idle_since", "state": "released"}, "sort"),
        ({"sort": "-idle_since", "state": "released,missing"}, "sort"),
        ({"sort": "nickname", "colour": "red"}, "colour"),
        ({"limit": 10**9}, "limit"),
    ],
    ids=str,
)
async def test_what_would_not_be_obeyed_is_refused_by_name(tenant: Tenant, wrong: dict[str, Any], named: str):
    assert pointers(problem(await ask(tenant, **wrong), 400, "invalid_request")) == {named}


async def test_a_cursor_is_of_its_order_too(gateway: Gateway, tenant: Tenant):
    await write(gateway, [drawn(Random(place), [tenant.id], place) for place in range(20)])
    cursor = (await page(tenant, limit=1, sort="nickname"))["next_cursor"]
    assert (await page(tenant, limit=1, sort="nickname", cursor=cursor))["items"]
    for sort in ("-nickname", "acquired_at"):
        told = problem(await ask(tenant, limit=1, sort=sort, cursor=cursor), 400, "invalid_request")
        assert pointers(told) == {"cursor"}


async def test_an_order_that_has_no_index_is_not_saved_either(tenant: Tenant):
    for sort, states in (("-released_at", "active"), ("idle_since", "released")):
        body = {"name": "Lately", "filters": {"state": states}, "sort": sort}
        told = problem(await tenant.send("POST", "/v1/filters", json=body), 400, "invalid_request")
        assert pointers(told) == {"/sort"}
