"""An export is there as a whole, or not at all."""

import json
import sys
import types
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client import errors, files
from service.http.examples import EXAMPLES
from tests.client.asked import Asked, asking, told_by
from tests.http.serving import served
from tests.support.gateway import Gateway

ITEM = EXAMPLES["NumberPage"]["items"][0]


async def test_an_export_is_what_the_listing_has(gateway: Gateway, kind: str, tmp_path: Path):
    tenant = await gateway.tenant()
    for _ in range(2):
        await tenant.bought()
    target = tmp_path / "numbers.csv"

    async with served(gateway) as port, asking(kind, f"http://127.0.0.1:{port}", tenant.key) as asked:
        count = await asked("export_numbers", target, state=["active"])
        listed = await asked("numbers", state="active")

    names, *rows = target.read_text().splitlines()
    assert count == len(rows) == len(listed) == 2
    assert {str(one.id) for one in listed} == {row.split(",")[names.split(",").index("id")] for row in rows}
    assert [one.name for one in tmp_path.iterdir()] == ["numbers.csv"]


def breaking(kind: str) -> Asked:
    """A gateway whose export breaks off in the middle."""

    class Broken(httpx.SyncByteStream, httpx.AsyncByteStream):
        def __iter__(self) -> Any:
            yield b"id,phone_number\n"
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

        async def __aiter__(self) -> Any:
            for part in self:
                yield part

    return told_by(lambda request: httpx.Response(200, stream=Broken(), headers={"X-Total-Count": "9"}), kind)


async def test_one_that_breaks_off_leaves_what_was_there_before(kind: str, tmp_path: Path):
    target = tmp_path / "numbers.csv"
    target.write_text("of yesterday")

    with pytest.raises(errors.NoAnswer, match="peer closed"):
        await breaking(kind)("export_numbers", target)

    assert target.read_text() == "of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == ["numbers.csv"]


async def test_one_that_is_refused_leaves_no_file(kind: str, tmp_path: Path):
    asked = told_by(lambda request: httpx.Response(403, json={"code": "scope_missing", "detail": "no"}), kind)

    with pytest.raises(errors.ScopeMissing):
        await asked("export_numbers", tmp_path / "numbers.csv")

    assert list(tmp_path.iterdir()) == []


async def test_one_that_is_busy_is_asked_for_again(kind: str, tmp_path: Path):
    answers = [
        httpx.Response(503, json={"code": "exports_busy", "detail": "busy"}, headers={"Retry-After": "0"}),
        httpx.Response(200, content=b"id\n", headers={"X-Total-Count": "0"}),
    ]

    assert await told_by(lambda request: answers.pop(0), kind)("export_statement", "2026-10", tmp_path / "x") == 0
    assert (tmp_path / "x").read_bytes() == b"id\n"


async def test_a_format_that_there_is_not_is_named_beside_those_there_are(kind: str, tmp_path: Path):
    with pytest.raises(ValueError, match="one of csv, ndjson, parquet"):
        await told_by(lambda request: httpx.Response(500), kind)("export_numbers", tmp_path / "x", format="xlsx")


async def test_a_frame_has_a_column_a_member_and_guesses_nothing(kind: str, monkeypatch: pytest.MonkeyPatch):
    # pandas is no dependency of the tests: what it would be given is enough.
    stand_in = types.SimpleNamespace(DataFrame=lambda rows, columns: (rows, columns))
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    lines = json.dumps(ITEM).encode() + b"\n"

    rows, columns = await told_by(lambda request: httpx.Response(200, content=lines), kind)("numbers_frame")

    assert columns[:3] == ["id", "phone_number", "state"]
    assert rows[0][1] == "+13135550142"
    assert files.frame([]) == ([], columns)


async def test_a_frame_of_polars_is_read_from_parquet(kind: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "polars", types.SimpleNamespace(read_parquet=lambda file: file.read()))
    accepted: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        accepted.append(request.headers["Accept"])
        return httpx.Response(200, content=b"PAR1")

    assert await told_by(answer, kind)("numbers_frame", "polars", state="active") == b"PAR1"
    assert accepted == ["application/vnd.apache.parquet"]


@pytest.mark.parametrize("library", ["pandas", "polars"])
async def test_without_its_library_it_is_said_what_to_install(kind: str, library: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, library, None)

    with pytest.raises(ImportError, match=f"pip install {library}"):
        await told_by(lambda request: httpx.Response(500), kind)("numbers_frame", library)
