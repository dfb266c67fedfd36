"""The bench of billing, on a ledger so small that its figures mean nothing: each of them is told all the same."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]
WAYS = {"ours", "by hand", "DuckDB"}


async def test_a_month_and_an_invoice_come_to_the_same_by_each_way_and_are_told(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"

    bench = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench", "billing", "--numbers", "20000", "--rounds", "1", "--json", str(told)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await bench.communicate()

    assert bench.returncode == 0, said.decode()
    report = json.loads(told.read_text())
    for what in ("close", "match"):
        assert report[what]["lines"] > 10_000
        assert {*report[what]["seconds"]} == WAYS
        assert all(seconds > 0 for seconds in report[what]["seconds"].values())
        assert report[what]["ratio"] > 0
    assert report["meanwhile"]["probes"] >= 100
    assert report["meanwhile matched"]["probes"] >= 100
