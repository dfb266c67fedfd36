"""A whole stack as `numbergate up` starts it, and people who look at its console in Chromium."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import ARGUMENTS, chromium
from tests.browser.person import Enter, Person
from tests.browser.stack import Stack
from tests.cli.command import Running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in a browser takes a stack of real processes, and is none of the quick ones."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.ci)
            item.add_marker(pytest.mark.processes)


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("console")
    running = Running(
        folder, "up", "--json", "--port", "0", "--data", folder / "data",
        NUMBERGATE_RESOLVE_INTERVAL="1", NUMBERGATE_SWEEP_INTERVAL="2",
    )  # fmt: skip
    try:
        yield Stack(running.line())
    finally:
        running.end()


# Of a module, whose tests run one after another: while it is open, no other test can have an event loop in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def enter(stack: Stack, browser: Browser) -> Iterator[Enter]:
    """Somebody logs in, by role; whatever their pages did wrong fails the test."""
    people: list[Person] = []

    def entered(role: str | None, **context: Any) -> Person:
        person = Person(browser, stack.base_url, **context)
        people.append(person)
        return person if role is None else person.logs_in(role)

    yield entered
    for person in people:
        person.leaves()
