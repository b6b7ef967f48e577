"""Greedy selection of an ensemble, held to a search through every draw and to what it may never do."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ensemble import Greedy, Rivals, choose_members, mix
from models.evaluate import evaluate


def regression(seed: int, n_rivals: int = 6, n_rows: int = 40) -> Rivals:
    """Predictions with errors of their own: averages are better than any of them."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=(n_rows, 2))
    predictions = truth + rng.normal(size=(n_rivals, n_rows, 2)) * rng.uniform(0.5, 1.5, size=(n_rivals, 1, 1))
    order = np.argsort([evaluate("mean_squared_error", truth, one) for one in predictions])
    return Rivals(predictions[order], truth, "mean_squared_error", False)


def classes(seed: int, metric: str, maximize: bool) -> Rivals:
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=50)
    share = 1 / (1 + np.exp(-(2 * truth - 1) * rng.uniform(0, 1, (5, 1)) - rng.normal(size=(5, 50))))
    return Rivals(np.stack([1 - share, share], axis=2), truth, metric, maximize)


def score(rivals: Rivals, shares: Any) -> float:
    return evaluate(rivals.metric, rivals.truth, mix(rivals.predictions, np.asarray(shares)))


def test_an_average_of_independent_errors_beats_the_best_network() -> None:
    rivals = regression(1)
    shares = choose_members(rivals, Greedy(10), 0)
    assert shares.sum() == pytest.approx(1)
    assert (shares > 0).sum() > 1
    assert score(rivals, shares) < 0.7 * score(rivals, np.eye(6)[0])


@pytest.mark.parametrize("seed", range(5))
def test_each_draw_is_the_best_that_can_be_added(seed: int) -> None:
    rivals = regression(seed)
    drawn: list[int] = []
    ways = []
    for _ in range(4):
        tried = [np.bincount([*drawn, one], minlength=6) / (len(drawn) + 1) for one in range(6)]
        drawn.append(int(np.argmin([score(rivals, shares) for shares in tried])))
        ways.append(np.bincount(drawn, minlength=6) / len(drawn))
    expected = ways[int(np.argmin([score(rivals, way) for way in ways]))]
    np.testing.assert_array_equal(choose_members(rivals, Greedy(4), 0), expected)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 1000),
    metric=st.sampled_from([("log_loss", False), ("accuracy", True), ("roc_auc", True), ("balanced_accuracy", True)]),
    size=st.integers(1, 12),
)
def test_no_average_scores_worse_than_the_best_network(seed: int, metric: tuple[str, bool], size: int) -> None:
    rivals = classes(seed, *metric)
    sign = -1 if rivals.maximize else 1
    alone = min(sign * score(rivals, one) for one in np.eye(5))
    shares = choose_members(rivals, Greedy(size), 0)
    assert sign * score(rivals, shares) <= alone + 1e-12
    assert np.allclose(shares * size, np.round(shares * size)) or (shares > 0).sum() <= size


def test_of_equals_the_first_network_wins_and_the_shortest_way() -> None:
    truth = np.zeros((3, 1))
    rivals = Rivals(np.ones((4, 3, 1)), truth, "mean_absolute_error", False)
    np.testing.assert_array_equal(choose_members(rivals, Greedy(10), 0), [1, 0, 0, 0])


def test_it_starts_with_the_best_few_as_they_stand() -> None:
    truth = np.zeros((2, 1))
    predictions = np.array([[[1.0], [1.0]], [[-1.0], [-1.2]], [[9.0], [9.0]]])
    rivals = Rivals(predictions, truth, "mean_absolute_error", False)
    np.testing.assert_array_equal(choose_members(rivals, Greedy(2, start=2), 0), [0.5, 0.5, 0])
    worse = Rivals(predictions[[0, 2]], truth, "mean_absolute_error", False)
    np.testing.assert_array_equal(choose_members(worse, Greedy(5, start=5), 0), [1, 0])


def test_bags_average_over_halves_and_are_a_function_of_their_seed() -> None:
    rivals = regression(3, n_rivals=8)
    bagged = [choose_members(rivals, Greedy(5, bags=7), seed) for seed in (4, 4, 5)]
    np.testing.assert_array_equal(bagged[0], bagged[1])
    assert not np.array_equal(bagged[0], bagged[2])
    assert bagged[0].sum() == pytest.approx(1)
    assert (bagged[0] > 0).sum() >= (choose_members(rivals, Greedy(5), 0) > 0).sum()


def test_a_network_whose_predictions_are_not_finite_is_no_member() -> None:
    rivals = regression(2)
    rivals.predictions[3] = np.nan
    assert choose_members(rivals, Greedy(10), 0)[3] == 0


def test_a_mixture_is_the_weighted_sum() -> None:
    predictions = np.arange(12.0).reshape(3, 2, 2)
    np.testing.assert_allclose(mix(predictions, np.array([0.5, 0, 0.5])), predictions[[0, 2]].mean(axis=0))


def test_nobody_to_choose_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one network"):
        choose_members(Rivals(np.zeros((0, 3, 1)), np.zeros((3, 1)), "r2", True), Greedy(2), 0)


def test_a_greedy_ensemble_of_two_is_the_best_pair_with_the_best_network() -> None:
    rivals = regression(9)
    pairs = [np.bincount([0, other], minlength=6) / 2 for other in range(6)]
    best = min(itertools.chain(pairs, [np.eye(6)[0]]), key=lambda shares: score(rivals, shares))
    np.testing.assert_array_equal(choose_members(rivals, Greedy(2), 0), best)


def in_parts(seed: int, sizes: tuple[int, ...] = (30, 12, 50)) -> Rivals:
    rivals = regression(seed, n_rows=sum(sizes))
    return replace(rivals, sizes=sizes)


@pytest.mark.parametrize(("metric", "maximize"), [("root_mean_squared_error", False), ("r2", True)])
def test_a_score_over_parts_is_the_mean_of_theirs(metric: str, maximize: bool) -> None:
    rivals = replace(in_parts(4), metric=metric, maximize=maximize)
    one, start, scores = rivals.predictions[2], 0, []
    for size in rivals.sizes:
        scores.append(evaluate(metric, rivals.truth[start : start + size], one[start : start + size]))
        start += size
    assert rivals.score(one) == pytest.approx(np.mean(scores))
    assert rivals.loss(one) == pytest.approx(-np.mean(scores) if maximize else np.mean(scores))
    assert rivals.score(one) != pytest.approx(evaluate(metric, rivals.truth, one), rel=1e-6)


def test_members_are_chosen_by_the_mean_over_parts() -> None:
    """On the long part the second is the better one to add, on the two short ones, which count more, the third."""
    truth = np.zeros((10, 1))
    errors = [[1] * 10, [-1] * 8 + [3, 3], [4] * 8 + [-1, -1]]
    rivals = Rivals(np.array(errors, float)[:, :, None], truth, "mean_absolute_error", False)
    np.testing.assert_array_equal(choose_members(rivals, Greedy(2), 0), [0.5, 0.5, 0])
    of_parts = replace(rivals, sizes=(8, 1, 1))
    pairs = {other: of_parts.loss(mix(rivals.predictions, np.eye(3)[[0, other]].mean(axis=0))) for other in (1, 2)}
    assert pairs == {1: pytest.approx(4 / 3), 2: pytest.approx(2.5 / 3)}
    np.testing.assert_array_equal(choose_members(of_parts, Greedy(2), 0), [0.5, 0, 0.5])
