"""What the site is built of, and how: `docs/index.md` is its table of contents, by section."""

import re
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from service.app import create_app
from service.http.edge import STANDARD
from tools.docs.reference import pages

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
REFERENCE, CHANGES = "Reference", "What changed"
SECTION = re.compile(r"^## (.+)\n\n\| Page \| For \|\n\|---\|---\|\n((?:\|.*\n)+)", re.MULTILINE)
ROW = re.compile(r"^\| \[(?P<title>.+?)\]\((?P<page>[\w./-]+)\.md\) \|", re.MULTILINE)
PICTURE = re.compile(r"^!\[(?P<told>[^\]]+)\]\((?P<path>images/[\w-]+\.svg)\)$", re.MULTILINE)
CODE = re.compile(r"^(\| \d{3} \| )`(\w+)` \|", re.MULTILINE)


def openapi() -> dict[str, Any]:
    """The OpenAPI document, for which nothing need run."""
    app = create_app(lambda: nullcontext(None), STANDARD)  # type: ignore[arg-type]  # Nothing is asked of them.
    document: dict[str, Any] = app.app.openapi()  # type: ignore[attr-defined]
    return document


def write_sources(folder: Path) -> None:
    """Every page as Sphinx reads it."""
    shutil.copytree(ROOT / "docs", folder, dirs_exist_ok=True)
    for page in folder.glob("*.md"):
        page.write_text(_inlined(page.read_text()))
    # Pages of a folder stand below the page of its name: `operate/X.md` below `operate.md`.
    for inner in sorted({page.parent for page in folder.glob("*/*.md")}):
        with inner.with_suffix(".md").open("a") as above:
            above.write(f"\n```{{toctree}}\n:hidden:\n:glob:\n\n{inner.name}/*\n```\n")
    # What is wrong with one request leads to what that means: each code is an anchor.
    errors = folder / "errors.md"
    errors.write_text(CODE.sub(r"\1[`\2`]{#\2} |", errors.read_text()))
    (folder / "changelog.md").write_text((ROOT / "CHANGELOG.md").read_text().replace("](docs/", "]("))
    reference = pages(openapi())
    for name, text in reference.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    index = folder / "index.md"
    index.write_text(_with_contents(index.read_text(), [name.removesuffix(".md") for name in reference]))


def build(sources: Path, folder: Path) -> int:
    """The site in a folder; 0, or not where anything is wrong with it, which is told on stderr."""
    quiet = ["-q", "-W", "--keep-going", "-j", "auto", "-c", str(HERE), "-d", str(sources / ".doctrees")]
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *quiet, "-b", "html", str(sources), str(folder)], check=False
    ).returncode


def _inlined(text: str) -> str:
    """Pictures that are drawn are put into the page, where they take its colours, light or dark."""
    return PICTURE.sub(lambda found: f"```{{raw}} html\n{_svg(found['path'])}```", text)


def _svg(path: str) -> str:
    return (ROOT / "docs" / path).read_text()


def _with_contents(text: str, reference: list[str]) -> str:
    contents = [(section, [row["page"] for row in ROW.finditer(rows)]) for section, rows in SECTION.findall(text)]
    contents += [(REFERENCE, reference[:1]), (CHANGES, ["changelog"])]
    lists = "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {section}\n\n{chr(10).join(names)}\n```\n"
        for section, names in contents
    )
    return f"{text}{lists}"
