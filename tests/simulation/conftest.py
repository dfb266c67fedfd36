"""What a test wants said at the end of a run, though it passed."""

import pytest

SAID: pytest.StashKey[list[str]] = pytest.StashKey()
SECTION = "said by the simulation"


@pytest.fixture
def said(request: pytest.FixtureRequest) -> list[str]:
    """What is appended is printed after the last test, also where tests run in processes of their own."""
    lines: list[str] = []
    request.node.stash[SAID] = lines
    return lines


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and (lines := item.stash.get(SAID, None)):
        report.sections.append((SECTION, "\n".join(lines)))
    return report


def pytest_terminal_summary(terminalreporter):
    found = [
        text
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, text in getattr(report, "sections", ())
        if name == SECTION and report.when == "call"
    ]
    if found:
        terminalreporter.section(SECTION)
        for text in found:
            terminalreporter.write_line(text)
