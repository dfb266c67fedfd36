"""Alerts and dashboards ask for what the program exports, and every alert has been seen to fire and to be silent."""

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

from service.cli.main import cli
from service.observability import metrics
from tests.support.debian import program

from .manifests import DEPLOY

FOLDER = DEPLOY / "monitoring"
PAGE = DEPLOY.parent / "docs" / "alerts.md"
RUNBOOKS = DEPLOY.parent / "docs" / "operate"
LISTS = ("doubts", "drift", "ghosts", "orphans")
DASHBOARDS = sorted((FOLDER / "dashboards").glob("*.json"))
KINDS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
# In braces a label is compared, and after `by` it is named.
LABEL = re.compile(r'(\w+)\s*(?:=~|!~|!=|=)\s*"|\b(?:by|on)\s*\(([^)]*)\)')
# Of Prometheus itself, and of histograms.
ALWAYS = {"job", "instance", "le"}

RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
ALERTS = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


def exported() -> dict[str, set[str]]:
    """Every name of ours that a process exports, with its labels."""
    collectors = [one for one in vars(metrics).values() if hasattr(one, "_labelnames")]
    return {one._name + end: set(one._labelnames) for one in collectors for end in KINDS[one._type]}


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in RULES)
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel["targets"])


def test_every_metric_that_is_asked_for_is_one_that_the_program_exports():
    known = exported()
    asked = [(name, text) for text in expressions() for name in re.findall(r"\bnumbergate_\w+", text)]
    assert len({name for name, _ in asked}) > 30
    assert {name for name, _ in asked} <= set(known)
    recorded = {name for text in expressions() for name in re.findall(r"numbergate:\w+:\w+", text)}
    assert recorded <= RECORDED


def test_every_label_that_is_asked_for_is_one_that_its_metric_has():
    known = exported()
    for text in expressions():
        has = ALWAYS.union(*(known[name] for name in re.findall(r"\bnumbergate_\w+", text)))
        named = {name.strip() for one, many in LABEL.findall(text) for name in (one, *many.split(",")) if name.strip()}
        assert named <= has, text


def test_every_dashboard_is_there_once():
    assert [path.stem for path in DASHBOARDS] == ["finance", "purchases", "quotas", "service", "upstream"]
    read = [json.loads(path.read_text()) for path in DASHBOARDS]
    assert len({one["uid"] for one in read}) == len(read)
    for one in read:
        assert len({panel["title"] for panel in one["panels"]}) == len(one["panels"])


def test_every_alert_says_what_happened_how_bad_it_is_and_what_to_do():
    assert len(ALERTS) > 30
    for name, alert in ALERTS.items():
        assert alert["labels"]["severity"] in ("page", "ticket"), name
        assert alert["annotations"]["summary"], name
        assert alert["annotations"]["runbook_url"] == f"docs/operate/{name}.md"


def test_every_alert_and_every_list_has_a_page_and_every_page_is_of_one():
    pages = {path.stem: path.read_text() for path in RUNBOOKS.glob("*.md")}
    assert set(pages) == {*ALERTS, *LISTS}
    for name, page in pages.items():
        for part in ("At risk", "Look", "Do", "Wake"):
            assert page.count(f"\n- **{part}**: ") == 1, (name, part)


def test_the_page_of_alerts_names_each_in_their_order_with_how_bad_it_is():
    told = re.findall(r"^\| \[(\w+)\]\(operate/\1\.md\) \| (\w+) \|", PAGE.read_text(), re.MULTILINE)
    assert told == [(name, alert["labels"]["severity"]) for name, alert in ALERTS.items()]
    for name in LISTS:
        assert f"(operate/{name}.md)" in PAGE.read_text()


def test_every_command_of_a_runbook_is_one_there_is():
    root: Any = typer.main.get_command(cli)
    pages = [PAGE, *RUNBOOKS.glob("*.md")]
    told = [words for path in pages for words in re.findall(r"`numbergate ((?:[a-z-]+ ?)+)", path.read_text())]
    assert len(told) > 20
    for first, *more in (words.split() for words in told):
        found = root.commands[first]
        assert not hasattr(found, "commands") or more[0] in found.commands, f"{first} {more}"


def test_every_alert_is_tried():
    tried = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text())["tests"]
    assert [test["name"] for test in tried] == [*(f"{name} fires" for name in ALERTS), "a quiet hour"]


@pytest.mark.ci
@pytest.mark.timeout(900)
def test_every_alert_fires_when_it_should_and_none_in_a_quiet_hour():
    for arguments in (("check", "config", "prometheus.yaml"), ("test", "rules", "alerts.test.yaml")):
        ended = subprocess.run(
            [program("promtool", "prometheus"), *arguments], cwd=FOLDER, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
