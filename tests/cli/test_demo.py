"""`numbergate demo`."""

import json
import re
from pathlib import Path

import pytest

from .command import numbergate

pytestmark = [pytest.mark.processes, pytest.mark.ci]


async def test_once_with_json_ends_with_one_line_of_what_was_bought_and_leaves_nothing(tmp_path: Path):
    ended = numbergate("demo", "--once", "--json", TMPDIR=str(tmp_path))

    assert ended.returncode == 0, ended.stderr
    [line] = ended.stdout.splitlines()
    told = json.loads(line)
    assert set(told) == {"phone_number", "id", "operation_id", "elapsed_seconds"}
    assert re.fullmatch(r"\+1313\d{7}", told["phone_number"])
    assert list(tmp_path.iterdir()) == []


async def test_it_shows_what_was_bought_where_the_time_went_and_how_to_go_on(tmp_path: Path):
    ended = numbergate("demo", "--once", TMPDIR=str(tmp_path))

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == ""
    for words in ("Bought +1 313-555-", "operation_id", "Where the time went", "in all", "./dev up"):
        assert words in ended.stdout
