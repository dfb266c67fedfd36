"""The site of the docs: it is whole, it asks no other host, and it can be read on any screen."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from service.numbers.purchases import OPERATION_STATES
from tests.browser.chromium import ARGUMENTS, chromium
from tools.docs import pictures
from tools.docs.reference import slug
from tools.docs.site import ROOT, build, openapi, write_sources

pytestmark = pytest.mark.ci

# What a page loads by itself. Links that a reader may follow are no such thing.
LOADED = re.compile(r"""<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=["'](?:https?:)?//[^"']+""")
IN_STYLE = re.compile(r"""(?:url\(|@import)\s*["']?(?:https?:)?//[^)"']+""")


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sources")
    write_sources(folder)
    return folder


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return openapi()


def test_the_reference_has_every_operation_and_leads_from_each_code_to_what_it_means(
    sources: Path, document: dict[str, Any]
):
    index = (sources / "reference/index.md").read_text()
    errors = (sources / "errors.md").read_text()
    for path, item in document["paths"].items():
        for method, one in item.items():
            [tag] = one["tags"]
            page = (sources / f"reference/{tag}.md").read_text()
            told = page.split(f"({slug(one)})=\n", 1)[1].split("\n## ", 1)[0]
            assert f"{method.upper()} {path}\n" in told
            assert f"]({tag}.md#{slug(one)})" in index
            for answer in (answer for status, answer in one["responses"].items() if status >= "4"):
                for code in re.findall(r"(?:^|; )`([a-z_]+)`: ", answer["description"]):
                    assert f"../errors.md#{code}" in told + index, one["operationId"]
                    assert f"{{#{code}}}" in errors, code


def test_every_page_is_in_the_contents(sources: Path):
    listed = set(re.findall(r"^[\w/-]+$", (sources / "index.md").read_text(), re.MULTILINE))

    assert {page.stem for page in (ROOT / "docs").glob("*.md")} - {"index"} <= listed
    assert {"reference/index", "changelog"} <= listed


def test_the_pictures_are_drawn_of_what_is_written():
    for name, drawn in pictures.DRAWN.items():
        assert (pictures.IMAGES / name).read_text() == drawn(), "run python -m tools.docs.pictures"
    for state in pictures.STATES:
        assert OPERATION_STATES[state.name] in state.told
    assert len(pictures.STATES) == len(OPERATION_STATES)


@pytest.mark.timeout(600)
def test_the_site_builds_without_a_fault_and_asks_no_other_host(sources: Path, tmp_path: Path):
    site = tmp_path / "site"

    assert build(sources, site) == 0, "Sphinx says above which link leads nowhere"

    for html in site.rglob("*.html"):
        assert LOADED.findall(html.read_text()) == [], html
    for style in site.rglob("*.css"):
        assert IN_STYLE.findall(style.read_text()) == [], style
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for scheme, width in (("light", 1400), ("dark", 380)):
            context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
            page = context.new_page()
            page.on("request", lambda request: asked.append(request.url))
            for name in ("index", "purchases", "errors", "reference/numbers"):
                page.goto(f"{site.as_uri()}/{name}.html")
                assert fits(page), f"{name} is wider than a window of {width}"
            assert is_dark(page) == (scheme == "dark")
            page.goto(f"{site.as_uri()}/search.html?q=idempotency")
            page.locator("ul.search li").first.wait_for()
            context.close()
        browser.close()
    assert len(asked) > 20
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def is_dark(page: Page) -> bool:
    """By the ground that the page is drawn on."""
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", ground)[:3]) < 3 * 128


def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/index.md").write_text("# Here\n\n[a page](gone.md) and [a place](index.md#gone)\n")

    assert build(tmp_path / "in", tmp_path / "out") != 0

    told = capfd.readouterr().err
    assert "'gone.md'" in told and "'gone'" in told
