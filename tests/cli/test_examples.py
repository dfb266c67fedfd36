"""A client written for Teli's own API works against Numbergate by changing the base URL and the key."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from .command import environment
from .conftest import Stack

pytestmark = [pytest.mark.processes, pytest.mark.ci]

EXAMPLES = Path(__file__).parent / "examples"
RUN_BY = {"create.sh": "sh", "create.py": sys.executable, "create.js": "node"}


def test_every_example_is_run():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == set(RUN_BY)


@pytest.mark.parametrize("upstream", ["numbergate", "teli"])
@pytest.mark.parametrize("example", RUN_BY)
async def test_the_vendors_example_buys_a_number(stack: Stack, example: str, upstream: str):
    if shutil.which(RUN_BY[example]) is None:
        pytest.skip(f"{RUN_BY[example]} is not installed")
    base_url, key = {
        "numbergate": (stack.ready["base_url"], stack.ready["tenant_key"]),
        "teli": (stack.ready["teli_url"], stack.settings["TELI_API_KEY"]),
    }[upstream]

    answer = await answered(example, TELI_BASE_URL=base_url, TELI_API_KEY=key)

    assert answer["success"] is True, answer
    assert answer["phone_number"].startswith("+1313")
    assert answer["phone_number_pretty"].startswith("+1 313-")
    assert answer["area_code"] == "313"
    assert answer["powered_by"] == "Teli"


async def answered(example: str, **settings: str) -> dict[str, Any]:
    """What the example prints. Node takes a top-level await in a module alone, which it tells by the name."""
    flags = (
        ["--input-type=module", "--eval", (EXAMPLES / example).read_text()] if example.endswith(".js") else [example]
    )
    process = await asyncio.create_subprocess_exec(
        RUN_BY[example],
        *flags,
        cwd=EXAMPLES,
        env=environment(settings) | {"PATH": os.environ["PATH"]},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told: dict[str, Any] = json.loads(out)
    return told
