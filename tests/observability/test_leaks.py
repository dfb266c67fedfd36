"""The watch over the suite's own output (`tests/support/leaks.py`) sees what it is there for."""

import asyncio

import httpx
import pytest

from service.tenants.keys import make_key
from tests.conftest import SECRET, Engines
from tests.simulator.program import KEY
from tests.support import leaks


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What got out inside this test, kept from failing it."""
    caught: list[str] = []
    monkeypatch.setattr(leaks, "_found", caught)
    return caught


def test_a_key_is_known_by_its_checksum_and_every_other_secret_by_heart(engines: Engines):
    key = make_key("test")
    password = engines.postgres.superuser_url().split(":")[2].split("@")[0]
    text = f"{key} {key[:-1]} ngk_live_{'0' * 38} {SECRET} {KEY} {password}"
    assert leaks.leaked(text) == sorted({key, SECRET, KEY, password})
    assert leaks.leaked(text, said=f"{key} {SECRET} {KEY} {password}") == []


def answered(path: str, body: str, *, method: str = "POST", content: str = "", status: int = 201) -> None:
    request = httpx.Request(method, f"http://numbergate{path}", content=content, headers={"X-API-Key": SECRET})
    asyncio.run(leaks.watch_answer(httpx.Response(status, text=body, request=request)))


def test_an_answer_may_show_a_key_where_it_was_made_and_what_the_caller_wrote_and_nothing_else(found: list[str]):
    key = make_key("test")
    answered("/v1/admin/tenants/t/keys", key)
    answered("/v1/admin/keys/1/rotate", key)
    answered("/v1/numbers", key, content=key, status=400)
    assert found == []

    answered("/v1/admin/keys", key, method="GET", status=200)
    answered("/v1/admin/tenants/t/keys", key, status=400)
    answered("/v1/numbers", SECRET, status=401)
    assert len(found) == 3
    assert key not in "".join(found)


def test_a_command_may_show_a_key_where_it_makes_one_and_nothing_on_stderr(found: list[str]):
    key = make_key("test")
    leaks.watch_command(["keys", "create-admin"], key, "")
    leaks.watch_command(["numbers", "list"], "", "")
    assert found == []
    leaks.watch_command(["numbers", "list"], key, "")
    leaks.watch_command(["up", "--json"], key, f"started with {SECRET}")
    assert len(found) == 2
