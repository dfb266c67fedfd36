"""The page of security names tests that exist, and says something of each risk."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "owasp.md").read_text()
RISKS = re.findall(r"^\| (API\d+) .+? \| .+? \| (.+) \|$", PAGE, re.MULTILINE)


def test_each_of_the_ten_risks_is_proved_by_tests():
    assert [risk for risk, _ in RISKS] == [f"API{number}" for number in range(1, 11)]
    for risk, proofs in RISKS:
        assert proofs.count("::test_") >= 2, risk


def test_every_test_that_the_page_names_exists():
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE)
    assert len(named) > 25
    for path, test in named:
        defined = {getattr(node, "name", "") for node in ast.parse((ROOT / path).read_text()).body}
        assert not test or test in defined, f"{path}::{test}"
