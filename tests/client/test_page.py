"""Every snippet of docs/client.md runs, one after another, in the tests of another project and by its fixture."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from service.client.testing import running_gateway
from tests.cli.command import environment
from tests.cli.pages import blocks

PAGE = "docs/client.md"
PROJECT = """
import json
from pathlib import Path


def test_a_customer_gets_a_number(numbergate, numbergate_client):
    assert numbergate_client.buy("313", numbergate.user_id).state == "active"
    assert numbergate.tenant_key not in repr(numbergate)


def test_every_snippet_runs(numbergate, tmp_path, monkeypatch):
    snippets = json.loads(Path("snippets.json").read_text())
    monkeypatch.chdir(tmp_path)
    known = {
        "base_url": numbergate.base_url,
        "api_key": numbergate.tenant_key,
        "admin_key": numbergate.admin_key,
        "finance_key": numbergate.told["finance_key"],
        "organization_id": numbergate.organization_id,
        "user_id": numbergate.user_id,
    }
    for snippet in snippets:
        exec(compile(snippet, "docs/client.md", "exec"), known)
    assert (tmp_path / "numbers.csv").read_text().count("\\n") > 3


def test_an_administrator_sees_the_tenant(numbergate):
    with numbergate.client("admin") as client:
        assert numbergate.tenant_id in [one.id for one in client.admin.tenants()]
"""


@pytest.mark.processes
@pytest.mark.ci
def test_the_fixture_of_those_who_use_it_runs_every_snippet(tmp_path: Path):
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["service.client.testing"]\n')
    (tmp_path / "test_customers.py").write_text(PROJECT)
    (tmp_path / "snippets.json").write_text(json.dumps(blocks(PAGE, "python")))

    ended = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tmp_path / "temporary"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout


@pytest.mark.processes
@pytest.mark.ci
def test_a_gateway_that_does_not_begin_says_why(tmp_path: Path):
    (tmp_path / "data").write_text("a file, and no folder")

    with pytest.raises(RuntimeError, match="did not begin"), running_gateway(tmp_path / "data"):
        pass
