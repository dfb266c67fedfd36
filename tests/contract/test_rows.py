"""Every row of what Teli is known or feared to do, against the running gateway."""

import pytest

from tests.contract.page import PAGE, SEEN, Line, lines_of, repeated, with_lines
from tests.contract.promises import assert_kept
from tests.contract.rows import creates, listings, others, releases
from tests.contract.scene import Scene
from tests.contract.story import STORIES, Story
from tests.contract.witnesses import carrier, ledger, resolved_by

assert all((creates, listings, others, releases)), "imported for the stories they tell"


def expected(story: Story) -> list[pytest.MarkDecorator]:
    return [pytest.mark.xfail(strict=True, reason=story.broken)] if story.broken else []


@pytest.mark.parametrize("story", [pytest.param(story, id=story.name, marks=expected(story)) for story in STORIES])
async def test_a_row_keeps_every_promise_and_ends_as_the_page_says(
    story: Story, scene: Scene, pytestconfig: pytest.Config
):
    await story.plot(scene)

    await assert_kept(scene)
    if story.broken:
        return
    seen = Line(
        row=story.row,
        fault=story.fault,
        caller=repeated(scene.caller.saw),
        ledger=await ledger(scene),
        carrier=await carrier(scene),
        resolved_by=await resolved_by(scene),
    )
    if (noted := pytestconfig.stash.get(SEEN, None)) is not None:
        noted.append(seen)
    else:
        assert seen.as_text() in PAGE.read_text().splitlines(), "python -m tests.contract writes the page anew"


def test_the_page_has_every_row_and_each_story_once_and_nothing_else():
    page = PAGE.read_text()
    lines = lines_of(page)

    assert {line.row for line in lines} == set(range(1, 49))
    assert [(line.row, line.fault) for line in lines] == sorted(
        ((story.row, story.fault) for story in STORIES if not story.broken), key=lambda one: one[0]
    )
    assert with_lines(page, lines) == page
