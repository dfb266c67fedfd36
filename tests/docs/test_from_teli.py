"""A program written for Teli's own API goes on working: nothing of it changes but the URL and the key."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.client.testing import RunningGateway, running_gateway
from tests.cli.pages import blocks

PAGE = "docs/from-teli.md"


def program(monkeypatch: pytest.MonkeyPatch, gateway: RunningGateway, base_url: str, key: str) -> dict[str, Any]:
    """The page's program, started anew with these settings."""
    settings = {
        "TELI_BASE_URL": base_url, "TELI_API_KEY": key,
        "TELI_ORGANIZATION_ID": gateway.organization_id, "TELI_USER_ID": gateway.user_id,
    }  # fmt: skip
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    [text] = blocks(PAGE, "python")
    started: dict[str, Any] = {}
    exec(compile(text, PAGE, "exec"), started)
    return started


def uses(program: dict[str, Any]) -> list[Any]:
    """All that it can do, and what it saw of that; numbers by the order in which they were bought."""
    first = patiently(program["buy"], "313", "Front desk")
    second = patiently(program["buy"], "248", "Sales")
    seen: list[Any] = [first.startswith("+1313"), second.startswith("+1248"), sorted(program["nicknames"]().values())]
    patiently(program["rename"], second, "Sales line")
    seen.append(program["nicknames"]()[second])
    seen += [patiently(program["give_back"], first), first in program["nicknames"](), second in program["nicknames"]()]
    with pytest.raises(RuntimeError) as refused:
        patiently(program["buy"], "415", "Out of stock")
    seen.append(str(refused.value))
    patiently(program["give_back"], second)
    return [*seen, program["nicknames"]()]


def patiently(call: Callable[..., Any], *asked: str) -> Any:
    """On a machine so slow that a request could not leave in its second, the same is asked again: that was not sent."""
    for _ in range(10):
        try:
            return call(*asked)
        except RuntimeError as error:
            if str(error).startswith("No numbers available"):
                raise
            time.sleep(1)
    return call(*asked)


@pytest.mark.processes
@pytest.mark.ci
def test_an_old_program_sees_here_what_it_saw_at_teli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with running_gateway(tmp_path / "data") as gateway:
        kept = json.loads((tmp_path / "data/credentials.json").read_text())
        control = httpx.Client(base_url=gateway.told["teli_control_url"])
        control.post("/stock", json={"area_code": "415", "remaining": 0}).raise_for_status()

        at_teli = uses(program(monkeypatch, gateway, gateway.told["teli_url"], kept["simulator_key"]))
        here = uses(program(monkeypatch, gateway, gateway.base_url, gateway.tenant_key))

        assert here == at_teli
        assert here[-2] == "No numbers available in area code 415"
        assert len(control.get("/truth").json()["carrier"]["purchases"]) == 4
