"""`numbergate doctor` and `numbergate keys`, against a running stack."""

import json
import re

import httpx
import pytest

from tests.simulator.control import SimulatorControl
from tests.support.redis_servers import RedisServers

from .command import numbergate
from .conftest import Stack

pytestmark = [pytest.mark.processes, pytest.mark.ci]

NOBODY = {"REDIS_URL": "redis://127.0.0.1:1", "TELI_BASE_URL": "http://127.0.0.1:1"}


async def test_a_healthy_deployment_gets_a_line_for_each_check_and_0(stack: Stack):
    async with SimulatorControl(stack.ready["teli_control_url"]) as teli:
        await teli.forget_requests()

        ended = numbergate("doctor", **stack.settings)

        assert {request["method"] for request in await teli.requests()} == {"GET"}
    assert ended.returncode == 0, ended.stdout
    assert "lists 1 organisation\n" in ended.stdout
    checks = [line.split()[:2] for line in ended.stdout.splitlines()]
    assert checks == [
        ["ok", check] for check in ("configuration", "database", "migrations", "clock", "redis", "upstream", "accounts")
    ]


async def test_every_fault_is_told_with_its_mend_and_1(stack: Stack):
    ended = numbergate("doctor", "--json", **stack.settings | NOBODY)

    assert ended.returncode == 1
    told = json.loads(ended.stdout)
    assert told["ok"] is False
    assert {check["check"]: check["ok"] for check in told["checks"]} == {
        "configuration": True,
        "database": True,
        "migrations": True,
        "clock": True,
        "redis": False,
        "upstream": False,
        "accounts": True,
    }
    assert all(check["mend"] for check in told["checks"] if not check["ok"])
    assert ended.stderr == "", "the report says it all"


async def test_a_cluster_is_told_and_that_it_has_one_database(stack: Stack, valkeys_as_cluster: RedisServers):
    url = valkeys_as_cluster.url

    one, other = (numbergate("doctor", **stack.settings | {"REDIS_URL": named}) for named in (url, f"{url[:-1]}3"))

    assert one.returncode == 0, one.stdout
    assert "speaks as Redis 7.2.4, as a cluster\n" in one.stdout
    assert other.returncode == 1
    [fault] = [line for line in other.stdout.splitlines() if line.startswith("fault")]
    assert fault.split()[1] == "redis"
    assert "a cluster has database 0 alone" in fault


async def test_a_refused_login_and_a_refused_key_are_named(stack: Stack):
    database = re.sub("//[^:]+:", "//nobody:", stack.settings["DATABASE_URL"])

    ended = numbergate("doctor", **stack.settings | {"DATABASE_URL": database, "TELI_API_KEY": "wrong"})

    assert ended.returncode == 1
    faults = [line for line in ended.stdout.splitlines() if line.startswith("fault")]
    assert [line.split()[1] for line in faults] == ["database", "upstream"]
    assert "check DATABASE_URL" in faults[0]
    assert "check TELI_API_KEY" in faults[1]


async def test_no_process_starts_where_the_database_keeps_it_out_and_it_says_so_in_one_line(stack: Stack):
    database = re.sub("//[^:]+:", "//nobody:", stack.settings["DATABASE_URL"])

    for command in (["serve", "--port", "0"], ["worker"], ["migrate"], ["keys", "create-admin", "me"]):
        ended = numbergate(*command, **stack.settings | {"DATABASE_URL": database})

        assert ended.returncode == 1
        [line] = ended.stderr.splitlines()
        assert line.startswith("numbergate: ")


async def test_create_operator_prints_a_key_that_sees_the_operators_lists(stack: Stack):
    ended = numbergate("keys", "create-operator", "me", **stack.settings)

    assert ended.returncode == 0, ended.stderr
    answer = httpx.get(f"{stack.ready['base_url']}/v1/admin/doubts", headers={"X-API-Key": ended.stdout.strip()})
    assert answer.status_code == 200, answer.text


async def test_create_admin_prints_a_key_that_may_administer(stack: Stack):
    ended = numbergate("keys", "create-admin", "me", **stack.settings)

    assert ended.returncode == 0, ended.stderr
    answer = httpx.put(
        f"{stack.ready['base_url']}/v1/admin/organizations/org_1",
        headers={"X-API-Key": ended.stdout.strip()},
        json={"name": "By the new key"},
    )
    assert answer.status_code == 200, answer.text


async def test_keys_of_accounts_are_encrypted_anew_by_a_command_that_says_how_many(stack: Stack):
    ended = numbergate("accounts", "reencrypt", **stack.settings)
    told = numbergate("accounts", "reencrypt", "--json", **stack.settings)
    without = numbergate("accounts", "reencrypt", **stack.settings | {"NUMBERGATE_ACCOUNT_KEYS": ""})

    assert re.fullmatch(r"encrypted anew: 0, already so: \d+\n", ended.stdout)
    assert json.loads(told.stdout).keys() == {"anew", "before", "not_opened"}
    assert (ended.returncode, told.returncode, without.returncode) == (0, 0, 1)
    assert "NUMBERGATE_ACCOUNT_KEYS" in without.stderr


@pytest.mark.ci
async def test_each_issuer_is_asked_for_its_keys(stack: Stack):
    issuer = stack.ready["identity_provider_url"]
    trusted = {
        "NUMBERGATE_KEY_ENVIRONMENT": "demo",
        "NUMBERGATE_TOKEN_ISSUERS": f"{issuer} {issuer}/ http://127.0.0.1:1",
        "NUMBERGATE_TOKEN_AUDIENCE": "numbergate",
        "NUMBERGATE_TOKEN_SCOPES": "numbers:read",
    }

    ended = numbergate("doctor", **stack.settings | trusted)

    assert ended.returncode == 1
    told = [line.split(maxsplit=2) for line in ended.stdout.splitlines() if line.split()[1] == "identity"]
    assert [one[0] for one in told] == ["ok", "fault", "fault"]
    assert told[0][2] == f"{issuer} has 1 key"
    assert "names another issuer than it was asked as: check the issuer" in told[1][2]
    assert "cannot be reached" in told[2][2]
