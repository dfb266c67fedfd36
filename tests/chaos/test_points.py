"""The list of crash points is whole."""

from tests.chaos.points import NOT_PASSED, methods, points, seams, steps


def test_every_step_of_every_seam_has_a_point_before_and_after_it_or_a_reason_why_not():
    for seam in seams():
        assert list(methods(seam)), f"{seam.__name__} has no step"
        for name, _ in methods(seam):
            step = f"{seam.__name__}.{name}"
            assert step in NOT_PASSED or {f"{step}:before", f"{step}:after"} <= set(points())
    assert set(NOT_PASSED) <= set(steps())


def test_there_are_at_least_twenty_points_and_no_two_of_one_name():
    assert len(points()) == len(set(points()))
    assert len(points()) >= 20
