"""What is deployed, held to the policies of others: checkov, in an environment of its own, for it pins what we use."""

import json
from pathlib import Path
from venv import EnvBuilder

import pytest

from tests.support.containers import checked

from .manifests import BASE, DEPLOY, documents

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]

# Explained beside what they are skipped for.
SKIPPED = {"CKV_K8S_11", "CKV_K8S_43"}


@pytest.fixture(scope="module")
def checkov(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkov")
    EnvBuilder(with_pip=True).create(folder)
    checked(folder / "bin/pip", "install", "--quiet", "--only-binary=:all:", "checkov>=3.2")
    return folder / "bin/checkov"


def found(checkov: Path, framework: str, *where: Path) -> tuple[int, set[str], set[str]]:
    """How many checks passed; which failed; and which were skipped."""
    files = [argument for path in where for argument in ("-f", str(path))]
    options = ("--framework", framework, "--output", "json", "--skip-download", "--soft-fail")
    told = json.loads(checked(checkov, *options, *files))
    results = told["results"]
    assert not results["parsing_errors"]
    failed, skipped = ({one["check_id"] for one in results[f"{kind}_checks"]} for kind in ("failed", "skipped"))
    return len(results["passed_checks"]), failed, skipped


def test_no_manifest_breaks_a_policy_that_is_not_explained(checkov: Path):
    passed, failed, skipped = found(checkov, "kubernetes", *sorted(BASE.glob("*.yaml")))
    assert passed > 200
    assert failed == set()
    assert skipped == SKIPPED
    reasons = [
        reason
        for path in BASE.glob("*.yaml")
        for one in documents(path)
        for name, reason in one.get("metadata", {}).get("annotations", {}).items()
        if name.startswith("checkov.io/skip")
    ]
    assert {reason.partition("=")[0] for reason in reasons} == SKIPPED
    assert all(len(reason.partition("=")[2]) > 20 for reason in reasons)


def test_the_dockerfile_breaks_none(checkov: Path):
    passed, failed, skipped = found(checkov, "dockerfile", DEPLOY.parent / "Dockerfile")
    assert (passed > 50, failed, skipped) == (True, set(), set())
