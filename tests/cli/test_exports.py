"""Exports at a terminal: a file that is whole, or the one that was there before."""

import csv
import json
from collections.abc import AsyncIterator
from pathlib import Path

import duckdb
import pytest

from tests.http.serving import served
from tests.inventory.rows import fill
from tests.support.gateway import Gateway, Tenant

from .desk import Desk


@pytest.fixture
async def mine(gateway: Gateway, tenant: Tenant) -> AsyncIterator[Desk]:
    """A tenant's own."""
    async with served(gateway) as port:
        yield Desk({"NUMBERGATE_URL": f"http://127.0.0.1:{port}", "NUMBERGATE_API_KEY": tenant.key})


async def test_numbers_are_exported_in_each_format_and_by_filters(
    mine: Desk, gateway: Gateway, tenant: Tenant, tmp_path: Path
):
    await fill(gateway, tenant.id, 7)
    await fill(gateway, tenant.id, 2, start=10, state="missing")
    file = tmp_path / "numbers"

    ended = await mine.run("numbers", "export", "-o", str(file))
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"{file}: 9 numbers\n")
    with file.open(newline="") as rows:
        assert len(list(csv.DictReader(rows))) == 9
    ended = await mine.run("numbers", "export", "--format", "parquet", "--state", "missing", "--output", str(file))
    assert ended.returncode == 0
    assert duckdb.read_parquet(str(file)).fetchall()[0][2] == "missing"
    lines = await mine.done("numbers", "export", "--format", "ndjson", "--tenant", tenant.id)
    assert {json.loads(line)["tenant_id"] for line in lines.splitlines()} == {tenant.id}


@pytest.mark.ci
async def test_what_breaks_off_or_is_refused_leaves_the_file_that_was_there(
    mine: Desk, gateway: Gateway, tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "numbers.csv"
    file.write_text("of yesterday")

    ended = await mine.run("numbers", "export", "-o", str(file), "--state", "sold")
    assert (ended.returncode, "which is no state" in ended.stderr) == (1, True)
    monkeypatch.setattr("service.exports.answers.PATIENCE", 0.0)
    monkeypatch.setattr("service.exports.answers.SLOWEST", 1 << 62)
    await fill(gateway, tenant.id, 60_000)
    ended = await mine.run("numbers", "export", "-o", str(file))
    assert (ended.returncode, "broke off" in ended.stderr) == (1, True), ended.stderr

    assert file.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [file]
    ended = await mine.run("numbers", "export", "-o", "/nowhere/numbers.csv")
    assert (ended.returncode, "No such file" in ended.stderr) == (1, True)
