"""What is deployed, read as the tools that deploy it would."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
Document = dict[str, Any]


def documents(path: Path) -> list[Document]:
    return [one for one in yaml.safe_load_all(path.read_text()) if one]


def kustomization(folder: Path) -> Document:
    [found] = documents(folder / "kustomization.yaml")
    return found


def base() -> list[Document]:
    """Every manifest that the base names."""
    return [one for name in kustomization(BASE)["resources"] for one in documents(BASE / name)]


def overlays() -> list[Path]:
    return sorted(path.parent for path in (DEPLOY / "kubernetes" / "overlays").glob("*/kustomization.yaml"))


def pods() -> dict[str, Document]:
    """The pods' specifications, by the name of what makes them."""
    return {
        one["metadata"]["name"]: one["spec"]["template"]["spec"]
        for one in base()
        if one["kind"] in ("Deployment", "Job")
    }


def containers() -> Iterator[Document]:
    for pod in pods().values():
        yield from pod["containers"]


def compose() -> Document:
    [found] = documents(DEPLOY / "compose" / "compose.yaml")
    return found


def of_numbergate() -> dict[str, Document]:
    """The services of compose.yaml that run this program."""
    return {name: one for name, one in compose()["services"].items() if "NUMBERGATE_IMAGE" in one["image"]}


def settings_of(folder: Path) -> dict[str, str]:
    """What a kustomization sets for the processes."""
    return {
        name: value
        for generated in kustomization(folder).get("configMapGenerator", ())
        for name, _, value in (literal.partition("=") for literal in generated["literals"])
    }
