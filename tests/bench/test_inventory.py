"""The bench of the inventory, on a ledger so small that its figures mean nothing: each of them is told all the same."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bench.inventory.command import DEPTHS
from tests.bench.inventory.data import LARGEST
from tests.bench.inventory.questions import questions

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]
WAYS = ("by_hand", "statement", "call", "http")
NUMBERS = 20_000


async def test_every_question_has_its_figures_by_each_way_of_asking(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    command = ["inventory", "--numbers", str(NUMBERS), "--seconds", "0.1", "--json", str(told)]

    bench = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await bench.communicate()

    assert bench.returncode == 0, said.decode()
    report = json.loads(told.read_text())
    assert report["of"]["numbers"] == NUMBERS
    # A fifth, by chance: the organisation that the questions are about.
    assert NUMBERS * 0.18 < report["of"]["largest"] < NUMBERS * 0.22, LARGEST
    asked = [one.name for one in questions(["+13132000000"], datetime.now(UTC))]
    assert [row["question"] for row in report["pages"]] == asked
    assert len(asked) > 20
    for row in report["pages"]:
        assert all(0 < row[way]["p50"] <= row[way]["p99"] for way in WAYS), row
        assert row["statement_ratio"] > 0
        assert row["question"].encode() in said
    assert [row["question"] for row in report["depths"]] == list(DEPTHS)
    assert all(row["page"] > 10 and row["ratio"] > 0 for row in report["depths"])
    assert [row["export"] for row in report["exports"]] == ["COPY", "CSV", "NDJSON", "Parquet"]
    assert len({row["rows"] for row in report["exports"]}) == 1
    assert all(row["rows a second"] > 0 for row in report["exports"])
    assert [row["write"] for row in report["writes"]] == ["bought", "renamed"]
    assert all(row["with"] > 0 and row["without"] > 0 for row in report["writes"])
