"""The one number that Tune hears: what keeps the limits is ahead of what breaks them, whatever comes later."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baseline import UNDEFINED
from search.aims import Aims
from search.limits import Limit
from search.objective import Objective
from workers.merit import choose_merit

NAMES = ("loss", "size")
SMALL = (Limit(metric="size", at_most=100.0),)
sizes = st.integers(0, 1000).map(float)
losses = st.floats(-1e6, 1e6, width=32)


def aims(*, several: bool = False, limits: tuple[Limit, ...] = (), maximize: bool = False) -> Aims:
    further = [Objective(name="size", maximize=False)] if several else []
    return Aims(NAMES, (Objective(name="loss", maximize=maximize), *further), limits)


def heard(of: Aims, results: list[tuple[float, float]], trivial: float | None = 2.0) -> list[float]:
    """Tell trials one after the other, all at one age."""
    merit, told = choose_merit(of, trivial), []
    for number, values in enumerate(results):
        merit.hear(number, 9, values)
        told.append(merit.judge(number, 9, values))
    return told


@pytest.mark.parametrize(("maximize", "worst"), [(False, UNDEFINED), (True, -UNDEFINED)])
def test_one_objective_without_limits_is_heard_as_it_is(maximize: bool, worst: float) -> None:
    assert heard(aims(maximize=maximize), [(0.1, 7.0), (-3.0, 1.0)]) == [0.1, -3.0]
    merit = choose_merit(aims(maximize=maximize), None)
    assert (merit.maximize, merit.worst) == (maximize, worst)


@given(st.lists(st.tuples(losses, sizes), min_size=1, max_size=20), st.booleans(), st.sampled_from([None, 2.0, 0.0]))
def test_under_limits_the_order_is_debs(
    results: list[tuple[float, float]], maximize: bool, trivial: float | None
) -> None:
    of = aims(limits=SMALL, maximize=maximize)
    told = dict(enumerate(heard(of, results, trivial)))
    for one, value in told.items():
        for other, theirs in told.items():
            (a,), (b,) = of.costs(results[one]), of.costs(results[other])
            if of.keeps(results[one]) and not of.keeps(results[other]):
                assert value < theirs, "who keeps the limits is ahead of who does not"
            elif not of.keeps(results[one]) and not of.keeps(results[other]):
                assert (value < theirs) == (results[one][1] < results[other][1]), "the smaller violation"
            elif of.keeps(results[one]) and of.keeps(results[other]) and a < b:
                assert value <= theirs, "the better objective"


def test_objectives_that_differ_are_heard_as_different() -> None:
    told = heard(aims(limits=SMALL), [(loss, 1.0) for loss in (0.001, 0.002, 0.9, 2.0, 2.1, 400.0, 401.0)])
    assert all(one < other for one, other in pairwise(told))
    assert told[3] == 0.0, "the trivial predictor"


@given(st.lists(st.tuples(losses, sizes), min_size=1, max_size=20))
def test_of_several_objectives_the_share_is_heard_of_those_that_dominate(results: list[tuple[float, float]]) -> None:
    of = aims(several=True, limits=SMALL)
    for number, value in enumerate(heard(of, results)):
        loss, size = results[number]
        if size > 100:
            assert 1 < value < 2
            continue
        before = [other for other in results[:number] if other[1] <= 100]
        better = [(a, b) for a, b in before if a <= loss and b <= size and (a, b) != (loss, size)]
        assert value == (len(better) + 0.5) / (len(before) + 1)


def test_trials_are_compared_with_what_others_were_at_their_age_or_before() -> None:
    merit = choose_merit(aims(several=True), None)
    for number, age, loss in [(0, 3, 5.0), (0, 9, 1.0), (1, 3, 4.0), (2, 9, 2.0)]:
        merit.hear(number, age, (loss, 1.0))
    assert merit.judge(1, 3, (4.0, 1.0)) == 0.25, "trial 0 was worse at this age, trial 2 was not heard"
    assert merit.judge(2, 9, (2.0, 1.0)) == 0.5, "trial 0 is better now, trial 1 stopped at 4"
    assert merit.judge(0, 9, (1.0, 1.0)) == pytest.approx(1 / 6)
