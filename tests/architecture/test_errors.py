"""Every error can be told apart by its code, and is explained where callers look."""

import re
from collections import Counter
from pathlib import Path

import service.app  # noqa: F401  Every error there is has been defined once this is imported.
from service.kit.errors import ServiceError

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
ROW = re.compile(r"^\| (\d{3}) \| `(\w+)` \| (.+?) \| (.+?) \|$", re.MULTILINE)


def errors(parent: type[ServiceError] = ServiceError) -> set[type[ServiceError]]:
    """Every class that names a code of its own."""
    return {
        found
        for child in parent.__subclasses__()
        for found in ({child} if "code" in vars(child) else set()) | errors(child)
        if found.__module__.startswith("service.")
    }


def test_no_two_errors_share_a_code():
    counts = Counter(error.code for error in errors())
    assert len(counts) > 25
    assert {code for code, count in counts.items() if count > 1} == set()


def test_every_error_has_a_status_a_title_and_a_meaning():
    for error in errors():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)*", error.code), error
        assert 400 <= error.status <= 503, error
        assert error.title[0].isupper(), error
        assert error.__doc__, f"{error} says nothing of what it means"


def test_the_page_of_errors_names_exactly_those_there_are():
    documented = {(int(status), code) for status, code, _, _ in ROW.findall(PAGE.read_text())}
    assert documented == {(error.status, error.code) for error in errors()}
    assert len(ROW.findall(PAGE.read_text())) == len(documented), "a code stands there twice"
