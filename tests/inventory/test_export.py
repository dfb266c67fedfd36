"""The inventory as a file: every format says what the pages say, to whoever may see it, and nothing is left behind."""

import asyncio
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import duckdb
import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.db import WrongRole
from service.embedded import EmbeddedPostgres, temporary_data_dir
from service.exports.exports import MOST_HELD, MOST_HELD_BY_ONE
from service.exports.formats import FORMATS, FORMULA
from service.exports.spool import Spool
from service.kit.clock import rfc3339
from service.migrations import migrate
from tests.conftest import Engines
from tests.http.refusals import pointers, problem
from tests.http.serving import served
from tests.support.follower import Follower
from tests.support.gateway import ORGANIZATION, Gateway, Tenant

from .rows import INVENTORY, fill, page

CSV, NDJSON, PARQUET = "text/csv", "application/x-ndjson", "application/vnd.apache.parquet"
MOMENTS = ("acquired_at", "confirmed_at", "released_at")


async def export(who: Tenant, accept: str, **params: Any) -> httpx.Response:
    answer = await who.get(INVENTORY, params=params, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].partition(";")[0] == accept
    return answer


def read(answer: httpx.Response, folder: Any) -> list[dict[str, Any]]:
    """The rows as a program reads them, in the types of the JSON listing."""
    match answer.headers["content-type"].partition(";")[0]:
        case "text/csv":
            rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
            for row in rows:
                for name, cell in row.items():
                    row[name] = INNER.sub(r"\1\2", cell.removeprefix("'")) or (None if cell == "" else "")
                row["tags"] = json.loads(row["tags"])
            return rows
        case "application/x-ndjson":
            return [json.loads(line) for line in answer.content.decode().split("\n") if line]
        case _:
            file = folder / "rows.parquet"
            file.write_bytes(answer.content)
            found = duckdb.read_parquet(str(file))
            assert dict(zip(found.columns, map(str, found.types), strict=True)) == {
                name: "TIMESTAMP WITH TIME ZONE" if name in MOMENTS else "VARCHAR[]" if name == "tags" else "VARCHAR"
                for name in found.columns
            }
            read = [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]
            return [row | {name: row[name] and rfc3339(row[name]) for name in MOMENTS} for row in read]


# As docs/exports.md tells programs: of what stands behind a separator one apostrophe is ours.
INNER = re.compile(r"([;,\t\r\n][ \t\r\n\f\v\u00a0\u3000]*)'('*[=+@＝＋－＠-])")
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
HOSTILE = st.sampled_from([
    "=1+1", "+49 30 1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'quoted'", "''", "'", " =1", "＝1", "a,b",
    "x;=cmd|'/c calc'!A0;y", "x;'=1", "x; ''=1", ",=1", ";;=;=", ";\t+1", "a,b,-2", ";\u00a0=1", "x\n=1", ";'x", ";''",
    'say "hi"', "two\nlines", "two\r\nlines", "\\N", "\\", "\x01\x02", "NULL", "🙂é\u202e", "\u2028", '["a"]', "{}", "",
])  # fmt: skip
TEXT = st.one_of(HOSTILE, ANY)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.none() | TEXT, st.none() | TEXT, st.lists(TEXT, max_size=3), st.integers(0, 999_999)), max_size=8
    )
)
async def test_every_format_holds_what_the_pages_hold(gateway: Gateway, tmp_path_factory: Any, rows: list[Any]):
    tenant = await gateway.tenant()
    await gateway.sql("UPDATE numbers SET state = 'released'")  # Those of the example before.
    await fill(gateway, tenant.id, len(rows))
    for place, (nickname, cost_center, tags, micros) in enumerate(rows):
        await gateway.sql(
            "UPDATE numbers SET nickname = :nickname, cost_center = :cost_center, tags = CAST(:tags AS text[]),"
            " confirmed_at = acquired_at + make_interval(secs => :micros / 1e6)"
            " WHERE tenant_id = :tenant AND phone_number = :number",
            nickname=nickname, cost_center=cost_center, tags=tags, micros=micros, tenant=tenant.id,
            number=f"+1{2000000000 + place}",
        )  # fmt: skip
    expected = (await page(tenant, limit=1000))["items"]
    assert len(expected) == len(rows)

    for kind in (CSV, NDJSON, PARQUET):
        answer = await export(tenant, kind)
        found = read(answer, tmp_path_factory.mktemp("export"))
        # A CSV's reader cannot tell an empty text from none.
        blank = {"": None} if kind == CSV else {}
        assert found == [
            {name: blank.get(value, value) if isinstance(value, str) else value for name, value in item.items()}
            for item in expected
        ], kind
        assert answer.headers["x-total-count"] == str(len(rows))
        assert answer.headers["data-age"] == "0"
        assert answer.headers["vary"] == "Accept"
        assert int(answer.headers["content-length"]) == len(answer.content)


async def test_no_cell_of_a_csv_is_a_formula_but_a_number_stays_as_it_is(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, len(FORMULA))
    for place, code in enumerate(FORMULA):
        await gateway.sql(
            "UPDATE numbers SET nickname = :text, cost_center = :text, holder_user_id = :text, tags = ARRAY[:text]"
            " WHERE phone_number = :number",
            text=f"{chr(code)}cmd|'/C calc'!A0", number=f"+1{2000000000 + place}",
        )  # fmt: skip

    [header, *rows] = csv.reader(io.StringIO((await export(tenant, CSV)).text, newline=""))

    assert len(rows) == len(FORMULA)
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        assert cells.pop("phone_number").removeprefix("+").isdigit()
        assert not [cell for cell in cells.values() if cell and ord(cell[0]) in FORMULA and cell[0] != "'"]
        assert cells["nickname"].startswith("'")


async def test_no_part_of_a_cell_is_a_formula_where_another_separator_is_read(gateway: Gateway, tenant: Tenant):
    texts = ["x;=cmd|'/c calc'!A0;y", "x\t +1", "a,b,@SUM(A1)", "x\n-2", "x;＝1"]
    await fill(gateway, tenant.id, len(texts))
    for place, written in enumerate(texts):
        await gateway.sql(
            "UPDATE numbers SET nickname = :text, cost_center = 'a;b, c-d' WHERE phone_number = :number",
            text=written, number=f"+1{2000000000 + place}",
        )  # fmt: skip
    told = (await export(tenant, CSV)).text
    for row in csv.DictReader(io.StringIO(told, newline="")):
        assert all(part.lstrip()[:1] not in (*"=+-@＝",) for part in re.split(r"[;,\t\n]", row["nickname"])), row
        assert row["cost_center"] == "a;b, c-d"


async def test_an_export_is_named_and_its_lines_are_those_of_its_format(gateway: Gateway, tenant: Tenant):
    await fill(gateway, tenant.id, 2)

    answer = await export(tenant, CSV)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert answer.text.splitlines()[0] == (
        "id,phone_number,state,organization_id,tenant_id,user_id,area_code,nickname,cost_center,tags,acquired_at,"
        "confirmed_at,released_at"
    )
    name = answer.headers["content-disposition"].removeprefix('attachment; filename="numbers-').removesuffix('.csv"')
    assert re.fullmatch(r"\d{8}T\d{6}Z", name)
    assert (await export(tenant, NDJSON)).headers["content-disposition"].endswith('.ndjson"')
    assert (await export(tenant, PARQUET)).headers["content-disposition"].endswith('.parquet"')
    # Nothing at all is still a file that can be read.
    assert (await export(tenant, CSV, user_id="nobody")).text.count("\n") == 1
    assert (await export(tenant, NDJSON, user_id="nobody")).content == b""


async def test_an_export_obeys_filters_and_shows_nobody_elses(gateway: Gateway, tmp_path: Any):
    tenant, other = await gateway.tenant(scopes=["numbers:read"]), await gateway.tenant(scopes=["numbers:read"])
    await fill(gateway, tenant.id, 3)
    await fill(gateway, tenant.id, 2, start=10, state="missing")
    await fill(gateway, other.id, 4, start=100)

    for kind in (CSV, NDJSON, PARQUET):
        assert {row["tenant_id"] for row in read(await export(tenant, kind), tmp_path)} == {tenant.id}
        assert len(read(await export(tenant, kind, state="missing"), tmp_path)) == 2
        assert len(read(await export(other, kind, organization_id=ORGANIZATION), tmp_path)) == 4
        assert len(read(await export(gateway.admin, kind), tmp_path)) == 9
        answer = await tenant.get(INVENTORY, params={"tenant_id": other.id}, headers={"Accept": kind})
        problem(answer, 403, "not_your_tenant")


async def test_what_is_merged_of_several_indexes_is_exported_as_it_is_listed(gateway: Gateway, tmp_path: Any):
    tenant = await gateway.tenant(scopes=["numbers:read", "inventory:org"])
    for code, state in (("415", "active"), ("628", "released"), ("313", "active"), ("415", "released")):
        await gateway.sql(
            "INSERT INTO numbers (id, tenant_id, account_id, organization_id, user_id, phone_number, pretty, area_code,"
            " state, mark, acquired_at) SELECT gen_random_uuid(), :tenant, id, :organization, 'u',"
            " '+1' || :code || '5550100', '', :code, :state, '', clock_timestamp() FROM accounts",
            tenant=tenant.id, organization=ORGANIZATION, code=code, state=state,
        )  # fmt: skip
    both, codes = {"state": "active,released"}, {"area_code": "415,628", "organization_id": ORGANIZATION}
    for asked in (both, both | codes, both | codes | {"sort": "-phone_number"}, codes | {"sort": "-acquired_at"}):
        expected = (await page(tenant, **asked))["items"]
        assert expected
        for kind in (NDJSON, PARQUET):
            assert read(await export(tenant, kind, **asked), tmp_path) == expected, asked


async def test_many_rows_are_in_the_order_of_the_pages_in_every_format(gateway: Gateway, tenant: Tenant, tmp_path: Any):
    """More than a group of Parquet's, and than its reader looks at at once."""
    await fill(gateway, tenant.id, 60_000)
    await gateway.sql("UPDATE numbers SET nickname = repeat('a,\"b\" ' || chr(10), 20) || phone_number")

    orders = [[row["id"] for row in read(await export(tenant, kind), tmp_path)] for kind in (CSV, NDJSON, PARQUET)]

    assert len(set(orders[0])) == 60_000
    assert orders[0] == orders[1] == orders[2]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("TEXT/CSV; charset=UTF-8", "text/csv"),
        ("text/csv;header=present;q=0.9, */*;q=0.8", "text/csv"),
        ("text/csv, */*", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("application/json;q=0.2, application/x-ndjson;q=0.3", "application/x-ndjson"),
        ("application/*;q=0.5, application/json;q=0", "application/x-ndjson"),
        ("application/vnd.apache.parquet, image/png", "application/vnd.apache.parquet"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("text/csv;header=absent", None),
        ("text/csv;q=0", None),
        ("application/json;q=0, */*;q=0", None),
        ("image/png", None),
        ("application/vnd.ms-excel", None),
    ],
)
async def test_accept_says_which_format_it_is(tenant: Tenant, accept: str, kind: str | None):
    answer = await tenant.get(INVENTORY, headers={"Accept": accept})
    assert answer.headers["vary"] == "Accept"
    if kind is None:
        assert "text/csv" in problem(answer, 406, "not_acceptable")["detail"]
    else:
        assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (200, kind)


async def test_a_page_of_an_export_is_refused_and_so_is_what_is_refused_of_a_page(tenant: Tenant):
    for params, faults in (
        ({"limit": 5}, {"limit"}),
        ({"limit": 5, "cursor": "x"}, {"limit", "cursor"}),
        ({"state": "sold", "sort_by": "x"}, {"state", "sort_by"}),
    ):
        answer = await tenant.get(INVENTORY, params=params, headers={"Accept": CSV})
        assert pointers(problem(answer, 400, "invalid_request")) == faults


async def test_what_is_too_much_is_refused_and_leaves_nothing_behind(open_gateway: Any):
    async with open_gateway(export_mebibytes=1) as gateway:
        tenant = await gateway.tenant()
        await fill(gateway, tenant.id, 6000)
        for kind in (CSV, NDJSON, PARQUET):
            answer = await tenant.get(INVENTORY, headers={"Accept": kind})
            assert "1 MiB at most" in problem(answer, 400, "invalid_request")["detail"]
        assert gateway.services.exports._held == {}
        assert len((await export(tenant, CSV, state="missing")).text.splitlines()) == 1


async def test_what_takes_too_long_is_refused(gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch):
    await fill(gateway, tenant.id, 10_000)
    exports = gateway.services.exports
    exports._limits = type(exports._limits)(within=0.005, most=1 << 30)
    answer = await tenant.get(INVENTORY, headers={"Accept": CSV})
    assert "0.005 seconds at most" in problem(answer, 400, "invalid_request")["detail"]


async def test_a_disk_that_is_full_is_told_and_leaves_nothing_behind(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await fill(gateway, tenant.id, 20_000)

    def full(self: Spool, batch: bytearray) -> None:
        from service.exports.spool import room_on_disk

        with room_on_disk():
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Spool, "_write", full)
        for kind in (CSV, NDJSON, PARQUET):
            answer = await tenant.get(INVENTORY, headers={"Accept": kind})
            problem(answer, 503, "export_storage_full")
            assert answer.headers["retry-after"] == "60"
    assert gateway.services.exports._held == {}
    assert (await export(tenant, CSV)).headers["x-total-count"] == "20000"


async def test_two_are_made_at_once_and_others_wait_their_turn(
    gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
):
    await fill(gateway, tenant.id, 5)
    exports = gateway.services.exports
    monkeypatch.setattr("service.exports.exports.TURN_WITHIN", 0.3)
    for _ in range(2):
        await exports._turns.acquire()

    answer = await tenant.get(INVENTORY, headers={"Accept": CSV})
    problem(answer, 503, "exports_busy")
    assert answer.headers["retry-after"] == "15"

    monkeypatch.setattr("service.exports.exports.TURN_WITHIN", 30)
    waiting = asyncio.create_task(export(tenant, CSV))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    exports._turns.release()
    assert (await waiting).headers["x-total-count"] == "5"
    exports._turns.release()


async def test_one_caller_takes_not_every_place(gateway: Gateway, tenant: Tenant):
    other = await gateway.tenant()
    exports = gateway.services.exports
    held = [exports._begin("numbers", next(iter(FORMATS.values())), tenant.id) for _ in range(MOST_HELD_BY_ONE)]

    answer = await tenant.get(INVENTORY, headers={"Accept": CSV})
    assert "of yours" in problem(answer, 503, "exports_busy")["detail"]
    await export(other, CSV)

    held += [exports._begin("numbers", held[0].format, f"another {n}") for n in range(MOST_HELD - MOST_HELD_BY_ONE)]
    problem(await other.get(INVENTORY, headers={"Accept": CSV}), 503, "exports_busy")
    for one in held:
        one.close()
    await export(tenant, CSV)
    assert exports._held == {}


@pytest.fixture(scope="module")
async def follower(engines: Engines, template: str) -> AsyncIterator[Follower]:
    with temporary_data_dir() as data:
        async with Follower(data, engines.postgres) as follower:
            yield follower


async def level(engines: Engines, follower: Follower) -> None:
    """Wait until the follower has all that was committed."""
    connection = await asyncpg.connect(engines.postgres.superuser_url())
    # Tests do not wait for the disk: this one does, and with it what was committed before.
    await connection.execute("SET synchronous_commit = on; SELECT pg_logical_emit_message(true, 'test', 'level')")
    head = await connection.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    await connection.close()
    while not await follower.ask("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", head):
        await asyncio.sleep(0.05)


async def test_a_replica_is_asked_first_and_how_far_it_is_behind_is_told(
    engines: Engines, follower: Follower, open_gateway: Any, database_url: str, monkeypatch: pytest.MonkeyPatch
):
    url = follower.superuser_url(database_url.rpartition("/")[2])
    await level(engines, follower)
    async with open_gateway(replica_url=url) as gateway:
        tenant = await gateway.tenant()
        await fill(gateway, tenant.id, 5)
        await level(engines, follower)
        for kind in (CSV, NDJSON, PARQUET):
            answer = await export(tenant, kind)
            assert (answer.headers["x-total-count"], answer.headers["data-age"]) == ("5", "0")

        await follower.ask("SELECT pg_wal_replay_pause()")
        await fill(gateway, tenant.id, 3, start=10)
        await asyncio.sleep(1)
        behind = await export(tenant, CSV)
        assert behind.headers["x-total-count"] == "5"
        assert 1 <= int(behind.headers["data-age"]) < 60

        # Further behind than it may be, it is left alone.
        monkeypatch.setattr("service.exports.replica.MOST_BEHIND", 0.1)
        assert (await export(tenant, CSV)).headers["x-total-count"] == "8"
        monkeypatch.undo()
        await follower.ask("SELECT pg_wal_replay_resume()")
        await level(engines, follower)
        assert (await export(tenant, CSV)).headers["x-total-count"] == "8"


async def test_without_its_replica_the_primary_is_exported_from(
    engines: Engines, follower: Follower, open_gateway: Any, database_url: str
):
    name = database_url.rpartition("/")[2]
    await level(engines, follower)
    for wrong in (
        f"postgresql://nobody:x@127.0.0.1:{follower.port}/{name}",  # No such login.
        follower.superuser_url("postgres"),  # No such tables.
        engines.postgres.superuser_url(name),  # No replica.
    ):
        async with open_gateway(replica_url=wrong) as gateway:
            await fill(gateway, "somebody", 2)
            answer = await export(gateway.admin, CSV)
            assert (answer.headers["x-total-count"], answer.headers["data-age"]) == ("2", "0")
            await gateway.sql("UPDATE numbers SET state = 'released'")

    await level(engines, follower)
    async with open_gateway(replica_url=follower.superuser_url(name)) as gateway:
        await fill(gateway, "somebody", 2)
        await follower.stop()
        assert (await export(gateway.admin, PARQUET)).headers["x-total-count"] == "2"
        await follower.start()
        await level(engines, follower)
        assert (await export(gateway.admin, CSV)).headers["x-total-count"] == "2"


async def test_a_replica_of_something_else_is_refused_at_the_start(
    engines: Engines, open_gateway: Any, database_url: str
):
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data, fast=True) as other:
            await migrate(other.superuser_url())
            with pytest.raises(WrongRole, match="is no replica of DATABASE_URL"):
                async with open_gateway(replica_url=other.superuser_url()):
                    pass


async def test_a_caller_who_leaves_gives_back_place_and_file(gateway: Gateway, tenant: Tenant):
    exports = gateway.services.exports
    await fill(gateway, tenant.id, 30_000)
    async with served(gateway) as port:
        request = f"GET {INVENTORY} HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\nX-API-Key: {tenant.key}\r\n\r\n"

        async def asked() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            writer.write(request.encode())
            return reader, writer

        # While it is read.
        reader, writer = await asked()
        await reader.readuntil(b"\r\n\r\n")
        assert exports._held.total() == 1
        writer.close()
        await until(lambda: not exports._held)

        # While it is made, or waits to be.
        for _ in range(2):
            await exports._turns.acquire()
        _, waiting = await asked()
        await until(lambda: bool(exports._held))
        waiting.close()
        await until(lambda: not exports._held)
        for _ in range(2):
            exports._turns.release()

        # While it is copied: the server hears of it, and the connection is not used again in the middle of a COPY.
        for _ in range(4):
            _, writer = await asked()
            await until(lambda: exports._turns._value < 2)
            writer.close()
            await until(lambda: not exports._held)
        assert exports._turns._value == 2
        assert (await export(tenant, CSV)).headers["x-total-count"] == "30000"
        await until_sql(
            gateway, "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE query LIKE 'COPY (%' AND state = 'active')"
        )


async def test_who_does_not_read_on_is_left(gateway: Gateway, tenant: Tenant, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("service.exports.answers.PATIENCE", 0.3)
    monkeypatch.setattr("service.exports.answers.SLOWEST", 1 << 30)
    await fill(gateway, tenant.id, 60_000)
    async with served(gateway) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        request = f"GET {INVENTORY} HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\nX-API-Key: {tenant.key}\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"\r\n\r\n")
        await until(lambda: not gateway.services.exports._held)
        received = await reader.read()
        while more := await reader.read(1 << 20):
            received += more
        assert received.count(b"\n") < 60_000
        writer.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


async def until_sql(gateway: Gateway, question: str) -> None:
    async with asyncio.timeout(30):
        while (await gateway.sql(question)) != [(True,)]:
            await asyncio.sleep(0.05)
