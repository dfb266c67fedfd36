"""A linter that is not ours finds nothing in the OpenAPI document, and finds what was made wrong for it."""

import copy
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.client.generated import document
from tests.support.debian import program

OURS = Path(__file__).parent / "spectral"


@pytest.fixture(scope="module")
def lint(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[dict[str, Any]], list[str]]:
    """What spectral says of a document, a line for each finding; installed once for each lock."""
    npm = program("npm", "npm")
    lock = hashlib.sha256((OURS / "package-lock.json").read_bytes()).hexdigest()[:16]
    cache: pytest.Cache = request.config.cache
    installed = Path(cache.mkdir(f"spectral-{lock}"))
    if not (installed / "node_modules/.package-lock.json").exists():
        shutil.copytree(OURS, installed, dirs_exist_ok=True)
        subprocess.run([npm, "ci", "--silent"], cwd=installed, check=True, capture_output=True, text=True, timeout=300)

    def found(openapi: dict[str, Any]) -> list[str]:
        folder = tmp_path_factory.mktemp("openapi")
        (folder / "openapi.json").write_text(json.dumps(openapi))
        ended = subprocess.run(
            [
                installed / "node_modules/.bin/spectral", "lint", "openapi.json", "--ruleset", OURS / "ruleset.yaml",
                "--format", "json", "--quiet", "--fail-severity", "hint",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=240,
        )  # fmt: skip
        assert ended.returncode in (0, 1), ended.stderr
        lines = [
            f"{one['code']} at {'/'.join(map(str, one['path']))}: {one['message']}" for one in json.loads(ended.stdout)
        ]
        assert (ended.returncode == 0) == (lines == [])
        return lines

    return found


@pytest.mark.ci
@pytest.mark.timeout(600)
def test_spectral_finds_nothing_in_the_document_and_everything_that_was_made_wrong(
    lint: Callable[[dict[str, Any]], list[str]],
):
    openapi = document()

    assert lint(openapi) == []

    faulty = copy.deepcopy(openapi)
    create = faulty["paths"]["/v1/voice/phone-numbers/create"]["post"]
    create["operationId"] = "createNumber"
    create["tags"] = ["nowhere"]
    create["parameters"][0].pop("description")
    create["responses"]["409"]["content"]["application/problem+json"]["schema"] = {"type": "object", "title": "Other"}
    faulty["paths"]["/v1/orders"]["get"].pop("description")
    found = {line.partition(" ")[0] for line in lint(faulty)}
    assert found >= {
        "names-of-methods", "operation-tag-defined", "parameters-say-what-they-are", "refusals-are-problems",
        "operation-description",
    }  # fmt: skip
