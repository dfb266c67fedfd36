"""`python -m tests.contract`: play every row, and write what was seen to docs/contract-rows.md."""

import sys
from pathlib import Path

import pytest

from tests.contract.page import PAGE, SEEN, Line, with_lines


class Writing:
    """Has the tests note what they see, in place of comparing it with the page."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    @pytest.hookimpl
    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[SEEN] = self.lines


def main() -> int:
    writing = Writing()
    rows = Path(__file__).with_name("test_rows.py")
    failed = pytest.main([f"{rows}::test_a_row_keeps_every_promise_and_ends_as_the_page_says"], plugins=[writing])
    if not failed:
        PAGE.write_text(with_lines(PAGE.read_text(), writing.lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
