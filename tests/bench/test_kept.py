"""Figures that are kept, and what another run is told beside them."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.paths.command import PATHS
from tests.bench.paths.kept import BEGIN, DOCS, END, compared, picture, read, record
from tests.bench.paths.line import HEAD, Line

REPLAY = Line("replay", 64, 0, "a_second", 500.0, 1000.0, 100.0, 0.5, 5.0, 0.1, 0.5, True)


def test_a_ratio_that_is_a_quarter_worse_than_the_one_kept_is_told():
    told = compared([replace(REPLAY, ratio_floor=0.37)], [REPLAY])

    assert told == ["worse than kept: replay, 64 callers, seller 0 ms: 0.370 of the floor, was 0.500"]


@given(st.floats(min_value=0.376, max_value=10))
def test_one_that_is_less_worse_is_not(ratio: float):
    assert compared([replace(REPLAY, ratio_floor=ratio)], [REPLAY]) == []


def test_what_was_too_noisy_to_tell_is_compared_with_nothing():
    slow = replace(REPLAY, ratio_floor=0.1)

    assert compared([replace(slow, spread=0.4)], [REPLAY]) == []
    assert compared([slow], [replace(REPLAY, spread=0.4)]) == []


def test_only_the_same_question_is_compared():
    others = [replace(REPLAY, callers=1), replace(REPLAY, upstream_ms=50), replace(REPLAY, note="one tenant alone")]

    assert compared([replace(REPLAY, ratio_floor=0.1)], others) == []
    # Figures in a note are another run's.
    exports = [replace(REPLAY, note=f"{lines} lines") for lines in (1000, 2000)]
    assert len(compared([replace(exports[0], ratio_floor=0.1)], [exports[1]])) == 1


def test_figures_that_are_recorded_replace_those_of_their_path_and_leave_the_words_around_them(tmp_path: Path):
    (tmp_path / "images").mkdir()
    page = tmp_path / "performance.md"
    page.write_text(f"Before.\n{BEGIN}{END}After.\n")

    record([REPLAY, replace(REPLAY, path="bad_key")], "./dev bench", tmp_path)
    record([replace(REPLAY, ours=700.0, ratio_floor=0.7)], "./dev bench replay", tmp_path)

    said = page.read_text()
    assert said.startswith("Before.\n")
    assert said.endswith(f"{END}After.\n")
    assert said.count(HEAD) == 2
    assert [line for line in said.splitlines() if line.startswith("replay")] == [
        replace(REPLAY, ours=700.0, ratio_floor=0.7).as_text()
    ]
    assert (tmp_path / "images" / "performance.svg").read_text().startswith("<svg")


def test_the_picture_asks_nobody_for_anything_and_runs_nothing():
    drawn = picture([REPLAY])

    assert "<script" not in drawn
    assert "href=" not in drawn


def test_the_page_shows_what_is_kept_of_every_path():
    kept = read()

    assert {line.path for line in kept} <= {*PATHS}
    page = (DOCS / "performance.md").read_text()
    for line in kept:
        assert line.as_text() in page
