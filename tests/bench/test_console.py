"""The bench of the console, on a ledger so small that its figures mean nothing: each of them is told all the same."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from tests.bench.console import MOST_BYTES, ROOMS

pytestmark = [pytest.mark.ci, pytest.mark.timeout(600)]


async def test_every_page_has_its_figures_and_weighs_no_more_than_it_may(tmp_path: Path) -> None:
    told = tmp_path / "figures.json"
    command = ["console", "--numbers", "5000", "--rounds", "2", "--json", str(told)]

    bench = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench", *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await bench.communicate()

    assert bench.returncode == 0, said.decode()
    pages = json.loads(told.read_text())["pages"]
    assert [row["page"] for row in pages] == [room.name for room in ROOMS]
    for row in pages:
        assert 0 < row["bytes"] <= MOST_BYTES, row
        assert row["bytes_again"] < row["bytes"], row
        assert all(row[name] > 0 for name in ("query_ms", "page_ms", "paint_ms", "done_ms")), row
