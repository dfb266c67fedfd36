"""The project's own pages, as the tests read them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in [
    ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "deploy/README.md",
]}  # fmt: skip
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(PAGES[page]) if found == language]


def first_column(page: str, heading: str) -> list[str]:
    """The code in the first column of the first table after a heading."""
    after = PAGES[page].split(heading, 1)[1]
    return re.findall(r"^\| `([^`]+)` \|", after.split("\n\n## ", 1)[0], re.MULTILINE)
