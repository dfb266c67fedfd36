"""Every snippet of docs/client.md runs, one after another, against a gateway."""

from pathlib import Path

import pytest

from service.client.testing import running_gateway
from tests.cli.pages import blocks

PAGE = "docs/client.md"


@pytest.mark.processes
@pytest.mark.ci
def test_the_fixture_of_those_who_use_it_runs_every_snippet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with running_gateway(tmp_path / "data") as running:
        monkeypatch.chdir(tmp_path)
        known = {"base_url": running.base_url, "api_key": running.tenant_key, "user_id": running.user_id}
        for snippet in blocks(PAGE, "python"):
            exec(compile(snippet, PAGE, "exec"), known)

        assert (tmp_path / "numbers.csv").read_text().count("\n") > 3
        assert running.tenant_key not in repr(running)


@pytest.mark.processes
@pytest.mark.ci
def test_a_gateway_that_does_not_begin_says_why(tmp_path: Path):
    (tmp_path / "data").write_text("a file, and no folder")

    with pytest.raises(RuntimeError, match="did not begin"), running_gateway(tmp_path / "data"):
        pass
