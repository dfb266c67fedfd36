"""`python -m tests.simulation`: what it is not asked in earnest."""

import sys

import pytest

from tests.simulation.__main__ import main


@pytest.mark.parametrize("arguments", ["run --seeds 0", "run --seeds -1", "run --processes 0", "faults --processes 0"])
def test_a_run_of_nothing_is_refused_as_a_usage_error(
    arguments: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["python -m tests.simulation", *arguments.split()])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 2
    assert "must be 1 or more" in capsys.readouterr().err
