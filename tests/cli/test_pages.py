"""What the pages say is so: their commands run, their tables are complete, their links lead somewhere."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from service.db import open_database
from service.embedded import EmbeddedPostgres, temporary_data_dir
from service.migrations import check_migrated
from service.observability import metrics
from service.settings import Settings

from .command import environment, numbergate
from .conftest import Stack
from .pages import PAGES, ROOT, blocks, first_column

# Lines that other tests run: test_demo.py, test_up.py, and whoever runs this one.
KNOWN = ("./dev demo\n", "./dev up\n", "./dev test\n")
TASKS = (
    "README.md",
    "docs/first-hour.md",
    # Before another upstream account is filed, for then they have to say whose invoice it is.
    "docs/invoices.md",
    "docs/disputes.md",
    "docs/tenants.md",
    "docs/accounts.md",
    "docs/keys.md",
    "docs/people.md",
    "docs/purchases.md",
    "docs/numbers.md",
    "docs/orders.md",
    "docs/exports.md",
    "docs/import.md",
    "docs/drift.md",
    "docs/idempotency.md",
    "docs/quotas.md",
    "docs/audit.md",
    "docs/billing.md",
    "docs/events.md",
    "docs/webhooks.md",
    "docs/operate.md",
    "docs/configuration.md",
    "docs/cli.md",
)


@pytest.mark.processes
@pytest.mark.ci
@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", TASKS)
def test_the_commands_of_a_page_run_one_after_another(page: str, stack: Stack, tmp_path: Path):
    script = "".join(block for block in blocks(page, "sh") if block not in KNOWN)
    for name in ("numbergate", "dev"):
        (tmp_path / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -m service "$@"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "up.json").write_text(json.dumps(stack.ready))
    settings = stack.settings | {
        "PATH": f"{tmp_path}:{environment()['PATH']}",
        "BASE_URL": stack.ready["base_url"],
        "API_KEY": stack.ready["tenant_key"],
        "ORGANIZATION_ID": stack.ready["organization_id"],
        "ADMIN_KEY": stack.ready["admin_key"],
        "TELI_URL": stack.ready["teli_url"],
        "TELI_CONTROL_URL": stack.ready["teli_control_url"],
        "DATA": str(stack.data),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }

    ended = subprocess.run(
        [
            "bash",
            "-euxo",
            "pipefail",
            "-c",
            'curl() { command curl -sS --fail-with-body --max-time 60 "$@"; }\n' + script,
        ],
        env=environment(settings),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert ended.returncode == 0, ended.stderr + ended.stdout


def test_no_other_page_has_commands_that_nothing_runs():
    of_others = {"docs/simulator.md"}  # Its own test runs it.
    assert {page for page in PAGES if blocks(page, "sh")} <= {*TASKS, *of_others}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGES[page])

    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


def test_every_setting_is_in_the_table_with_its_default():
    rows = re.findall(r"^\| `([A-Z_]+)` \| (\S+) \|", PAGES["docs/configuration.md"], re.MULTILINE)

    fields = {str(field.alias): field for field in Settings.model_fields.values()}
    told = {name: default.strip("`") for name, default in rows}
    assert set(told) == set(fields)
    for name, field in fields.items():
        default = (
            "required" if field.is_required() else "none" if field.default in (None, (), {}) else str(field.default)
        )
        assert told[name] == default


def test_every_metric_is_in_the_table_with_its_labels():
    collectors = {collector for collector in vars(metrics).values() if hasattr(collector, "_labelnames")}
    kinds = {"counter": "_total"}
    real = {
        collector._name + kinds.get(collector._type, ""): ", ".join(collector._labelnames) for collector in collectors
    }

    rows = re.findall(r"^\| `(numbergate_\w+)` \| ([^|]*)\|", PAGES["docs/operate.md"], re.MULTILINE)
    assert {name: labels.strip() for name, labels in rows} == real
    assert len(REGISTRY._names_to_collectors) > 0


@pytest.mark.processes
@pytest.mark.ci
async def test_the_statements_for_a_production_database_give_each_process_its_role_and_no_other():
    with temporary_data_dir() as data:
        async with EmbeddedPostgres(data, fast=True) as postgres:
            [sql] = blocks("docs/operate.md", "sql")
            await run_as_superuser(postgres, sql)

            def url(login: str) -> str:
                return postgres.url("numbergate", login, "one of your own")

            migrated = numbergate("migrate", DATABASE_URL=url("gate_migrate"))
            assert migrated.returncode == 0, migrated.stderr
            for login, role in (("gate_api", "numbergate_api"), ("gate_worker", "numbergate_worker")):
                database = open_database(url(login), role)
                await check_migrated(database)
                await database.check_role(role)
                await database.engine.dispose()
            refused = numbergate("migrate", DATABASE_URL=url("gate_api"))
            assert (refused.returncode, "numbergate_owner" in refused.stderr) == (1, True), refused.stderr


async def run_as_superuser(postgres: EmbeddedPostgres, sql: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(postgres.superuser_url())
    for statement in sql.strip().removesuffix(";").split(";"):
        await connection.execute(statement)
    await connection.close()


def test_the_table_of_processes_names_commands_that_there_are():
    for command in first_column("docs/operate.md", "## Processes"):
        _, verb, *_ = command.split()
        assert numbergate(verb, "--help").returncode == 0
