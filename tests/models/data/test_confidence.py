"""Intervals and corrections, held to simulations in which the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap, norm, t

from models.confidence import (
    ROW_SCORES,
    FoldScores,
    bias_of_folds,
    corrected_t_interval,
    count_resamples,
    judge_winner,
    judge_winner_of_folds,
)
from models.ensemble import Rivals
from models.evaluate import evaluate
from models.job_data import Fold
from models.schema import TimeOrder
from models.scores import SCORES, Score
from models.split import SplitSettings, split_rows


def guesses(rng: np.random.Generator, skills: np.ndarray, n_rows: int) -> Rivals:
    """Classifiers that are right with these probabilities, independently; the best on these rows comes first."""
    truth = rng.integers(2, size=n_rows)
    right = rng.random((len(skills), n_rows)) < skills[:, None]
    right = right[np.argsort(-right.mean(axis=1), kind="stable")]
    chosen = np.where(right, truth, 1 - truth)
    return Rivals(np.eye(2)[chosen] * 0.8 + 0.1, truth, "accuracy", True)


def numbers(rng: np.random.Generator, metric: str, n_rows: int = 60, n_rivals: int = 4) -> Rivals:
    score = next(score for score in SCORES if score.name == metric)
    if score.tasks == ("regression",):
        shape = n_rows, 1 if score.one_target else 2
        truth = np.exp(rng.normal(size=shape))  # some metrics are for positive numbers
        return Rivals(truth * np.exp(rng.normal(size=(n_rivals, *shape))), truth, metric, score.maximize)
    if "binary" not in score.tasks and "multiclass" not in score.tasks:
        labels = rng.integers(2, size=(n_rows, 3))
        chances = 1 / (1 + np.exp(-(2 * labels - 1) - 2 * rng.normal(size=(n_rivals, n_rows, 3))))
        return Rivals(chances, labels, metric, score.maximize)
    n_classes = 2 if "binary" in score.tasks else 4
    truth = rng.integers(n_classes, size=n_rows)
    powers = np.exp(2 * np.eye(n_classes)[truth] + 2 * rng.normal(size=(n_rivals, n_rows, n_classes)))
    return Rivals(powers / powers.sum(axis=2, keepdims=True), truth, metric, score.maximize)


@pytest.mark.timeout(600)
def test_the_corrected_score_undoes_the_luck_of_the_winner() -> None:
    """Twenty classifiers of one skill: whoever leads, leads by luck alone."""
    rng = np.random.default_rng(0)
    told = [judge_winner(guesses(rng, np.full(20, 0.8), 100), seed) for seed in range(60)]
    naive = np.mean([one.score for one in told]) - 0.8
    corrected = np.mean([one.corrected for one in told]) - 0.8  # type: ignore[misc]
    assert naive > 0.06
    assert abs(corrected) < 0.015
    covered = np.mean([one.corrected_interval[0] <= 0.8 <= one.corrected_interval[1] for one in told])  # type: ignore[index]
    assert covered >= 0.9
    missed = np.mean([one.interval[0] <= 0.8 <= one.interval[1] for one in told])  # type: ignore[index]
    assert missed < 0.6, "the plain interval does not know that its network was chosen"


@pytest.mark.timeout(600)
def test_a_winner_by_skill_is_left_its_score() -> None:
    rng = np.random.default_rng(1)
    skills = np.array([0.9, 0.6, 0.55, 0.5, 0.5])
    told = [judge_winner(guesses(rng, skills, 200), seed) for seed in range(40)]
    assert abs(np.mean([one.bias for one in told])) < 0.01  # type: ignore[misc]
    assert abs(np.mean([one.corrected for one in told]) - 0.9) < 0.01  # type: ignore[misc]


@pytest.mark.timeout(600)
def test_a_few_of_many_contenders_still_tell_most_of_the_bias() -> None:
    """Only the best 25 of 300 compete, as in a job: their own ranking is luck too."""
    rng = np.random.default_rng(2)
    told = []
    for seed in range(30):
        everyone = guesses(rng, np.full(300, 0.8), 100)
        few = Rivals(everyone.predictions[:25], everyone.truth, "accuracy", True)
        told.append(judge_winner(few, seed))
    naive = np.mean([one.score for one in told]) - 0.8
    left = np.mean([one.corrected for one in told]) - 0.8  # type: ignore[misc]
    assert naive > 0.1
    assert -0.01 < left < 0.5 * naive


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("metric", ["accuracy", "mean_squared_error"])
def test_an_interval_covers_the_true_score_about_as_often_as_it_says(metric: str) -> None:
    rng = np.random.default_rng(3)
    covered = []
    for seed in range(250):
        if metric == "accuracy":
            rivals, truth = guesses(rng, np.array([0.8]), 120), 0.8
        else:
            rivals, truth = Rivals(rng.normal(size=(1, 120, 1)), np.zeros((120, 1)), metric, False), 1.0
        interval = judge_winner(rivals, seed).interval
        assert interval is not None
        covered.append(interval[0] <= truth <= interval[1])
    assert 0.89 <= np.mean(covered) <= 0.99


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
def test_every_metric_is_served_and_repeats_itself(score: Score) -> None:
    metric = score.name
    rivals = numbers(np.random.default_rng(4), metric)
    told = judge_winner(rivals, 7)
    assert told == judge_winner(rivals, 7)
    assert told != judge_winner(rivals, 8)
    assert told.score == evaluate(metric, rivals.truth, rivals.predictions[0])
    assert told.interval is not None
    assert told.corrected_interval is not None
    assert told.interval[0] <= told.score <= told.interval[1]
    assert told.bias == told.corrected - told.score  # type: ignore[operator]
    assert told.to_json()["interval"] == list(told.interval)


@pytest.mark.parametrize("metric", list(ROW_SCORES))
@pytest.mark.parametrize("several", [False, True])
def test_what_rows_add_is_the_metric(metric: str, several: bool) -> None:
    rng = np.random.default_rng(5)
    rivals = numbers(rng, metric)
    if several and rivals.truth.ndim == 1:
        rivals = replace(rivals, predictions=rng.uniform(size=(4, 60, 3)), truth=rng.integers(2, size=(60, 3)))
    for one in rivals.predictions:
        rows = ROW_SCORES[metric](rivals.truth, one)
        assert np.mean(rows) == pytest.approx(evaluate(metric, rivals.truth, one), rel=1e-12)


def test_the_interval_is_that_of_scipys_percentile_bootstrap() -> None:
    rng = np.random.default_rng(6)
    rivals = Rivals(rng.exponential(size=(1, 200, 1)), np.zeros((200, 1)), "mean_absolute_error", False)
    ours = judge_winner(rivals, 0).interval
    theirs = bootstrap((rivals.predictions.ravel(),), np.mean, method="percentile", n_resamples=9999, rng=1)
    np.testing.assert_allclose(ours, theirs.confidence_interval, rtol=0.03)


def test_the_direction_of_the_metric_is_known() -> None:
    rng = np.random.default_rng(7)
    truth = np.zeros((80, 1))
    errors = rng.normal(size=(20, 80, 1))
    order = np.argsort((errors**2).mean(axis=(1, 2)))
    told = judge_winner(Rivals(errors[order], truth, "mean_squared_error", False), 0)
    assert told.bias is not None
    assert told.bias > 0.05, "an error that was chosen for being small is expected to be larger"


def test_one_rival_has_an_interval_and_nothing_to_correct() -> None:
    told = judge_winner(guesses(np.random.default_rng(8), np.array([0.7]), 50), 0)
    assert told.interval is not None
    assert (told.corrected, told.corrected_interval, told.bias) == (None, None, None)


def households(rng: np.random.Generator) -> tuple[Rivals, np.ndarray]:
    """Errors of variance 2 in 40 groups of 10 rows; one half of each is its group's."""
    groups = np.repeat(np.arange(40), 10)
    errors = rng.normal(size=40)[groups] + rng.normal(size=400)
    return Rivals(errors[None, :, None], np.zeros((400, 1)), "mean_squared_error", False), groups


def weather(rng: np.random.Generator) -> tuple[Rivals, np.ndarray]:
    """Errors of variance 2 in the order of time, each like the one before it: an autoregression of 0.8."""
    errors = np.zeros(400)
    for place, push in enumerate(rng.normal(size=400)):
        errors[place] = (0.8 * errors[place - 1] + 0.6 * push * 2**0.5) if place else push * 2**0.5
    rows = rng.permutation(400)  # a table need not be in order
    (fold,), kin = timed(rows.astype(float), 400)
    assert fold.valid.tolist() == sorted(fold.valid)
    return Rivals(errors[rows][fold.valid][None, :, None], np.zeros((400, 1)), "mean_squared_error", False), kin


def timed(moments: np.ndarray, n_valid: int) -> tuple[list[Fold], np.ndarray]:
    """Split rows in time, after ten that train."""
    when = np.concatenate([np.arange(-10.0, 0.0), moments])
    settings = SplitSettings(None, TimeOrder(kind="time", column="when", fraction=n_valid / len(when)), 0)
    parts = split_rows(settings, {"when": when}, np.arange(len(when)), None)
    assert parts.kin is not None
    return [fold._replace(valid=fold.valid - 10) for fold in parts.folds], parts.kin


@pytest.mark.slow
@pytest.mark.parametrize("draw", [households, weather])
def test_rows_that_resemble_each_other_make_an_interval_wider_and_true(
    draw: Callable[[np.random.Generator], tuple[Rivals, np.ndarray]],
) -> None:
    rng, together, alone = np.random.default_rng(14), [], []
    for seed in range(50):
        rivals, kin = draw(rng)
        for found, told in ((together, judge_winner(rivals, seed, kin=kin)), (alone, judge_winner(rivals, seed))):
            assert told.interval is not None
            found.append(told.interval[0] <= 2.0 <= told.interval[1])
    assert np.mean(alone) < 0.8
    assert 0.85 <= np.mean(together) <= 0.99


def test_groups_are_left_out_whole_when_the_winner_is_corrected() -> None:
    """Rivals that know each one group by heart: on rows of other groups none of them is any good."""
    groups = np.repeat(np.arange(8), 5)
    errors = np.where(groups == np.arange(8)[:, None], 0.0, 1.0)
    rivals = Rivals(errors[:, :, None], np.zeros((40, 1)), "mean_squared_error", False)
    told = judge_winner(rivals, 0, kin=groups)
    assert (told.kin, told.rows) == (8, 40)
    assert told.corrected == pytest.approx(1.0)


def test_one_group_tells_nothing_about_others() -> None:
    told = judge_winner(guesses(np.random.default_rng(15), np.array([0.8, 0.7]), 50), 0, kin=np.full(50, 3))
    assert (told.interval, told.corrected, told.kin) == (None, None, 1)


def test_too_few_rows_are_answered_with_nothing() -> None:
    one_row = Rivals(np.full((2, 1, 1), 0.5), np.zeros((1, 1)), "r2", True)
    told = judge_winner(one_row, 0)
    assert (told.interval, told.corrected, told.bias) == (None, None, None)
    one_class = Rivals(np.full((2, 9, 2), 0.5), np.zeros(9, dtype=int), "roc_auc", True)
    assert judge_winner(one_class, 0).interval is None


def test_large_tables_get_fewer_resamples() -> None:
    def of(n_rows: int, metric: str) -> int:
        return count_resamples(Rivals(np.zeros((25, n_rows, 1)), np.zeros((n_rows, 1)), metric, False))

    assert (of(100, "mean_squared_error"), of(100, "r2")) == (1000, 200)
    assert (of(10_000, "mean_squared_error"), of(100_000, "r2")) == (600, 100)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("n_folds", "repeats"), [(5, 1), (10, 3)])
def test_the_corrected_t_interval_covers_where_the_uncorrected_does_not(n_folds: int, repeats: int) -> None:
    """Scores of folds are correlated, since their training rows overlap; Nadeau and Bengio take 1 / folds for it."""
    rng = np.random.default_rng(9)
    n_scores, overlap = n_folds * repeats, 1 / n_folds
    hits, plain = [], []
    for _ in range(3000):
        scores = 0.7 + 0.05 * (np.sqrt(overlap) * rng.normal() + np.sqrt(1 - overlap) * rng.normal(size=n_scores))
        low, high = corrected_t_interval(scores, n_train=100 * (n_folds - 1), n_test=100)
        hits.append(low <= 0.7 <= high)
        reach = norm.ppf(0.975) * scores.std(ddof=1) / np.sqrt(n_scores)
        plain.append(abs(scores.mean() - 0.7) <= reach)
    assert 0.935 <= np.mean(hits) <= 0.965
    assert np.mean(plain) < 0.9


def test_fewer_than_two_folds_have_no_interval() -> None:
    with pytest.raises(ValueError, match="at least two folds, got 1"):
        corrected_t_interval(np.array([1.0]), 10, 10)


@pytest.mark.parametrize("maximize", [False, True])
def test_the_bias_of_folds_is_less_optimistic_and_errs_on_the_cautious_side(maximize: bool) -> None:
    rng = np.random.default_rng(10)
    sign = -1 if maximize else 1
    naive, corrected = [], []
    for _ in range(400):
        true = rng.normal(0.3, 0.02, size=30)
        scores = sign * (true[:, None] + rng.normal(0, 0.05, size=(30, 5)))
        means = scores.mean(axis=1)
        best = int(means.argmax() if maximize else means.argmin())
        bias = bias_of_folds(scores, maximize)
        assert sign * bias >= 0
        naive.append(sign * means[best] - true[best])
        corrected.append(sign * (means[best] + bias) - true[best])
    assert np.mean(naive) < -0.02
    assert 0 <= np.mean(corrected) < 0.06


def test_the_bias_of_folds_by_hand() -> None:
    errors = np.array([[0.2, 0.4], [0.3, 0.35], [0.1, 0.9]])
    assert bias_of_folds(errors, maximize=False) == pytest.approx(((0.2 - 0.1) + (0.4 - 0.35)) / 2)


@pytest.mark.parametrize("maximize", [False, True])
def test_a_winner_of_folds_is_judged_by_hand(maximize: bool) -> None:
    sign = -1 if maximize else 1
    values = sign * np.array([[0.2, 0.4, 0.3], [0.3, 0.35, 0.5], [0.1, 0.9, 0.8]])
    told = judge_winner_of_folds(FoldScores("r2", maximize, values, n_train=200, n_test=100), n_rows=50, level=0.9)
    reach = t.ppf(0.95, 2) * np.sqrt((1 / 3 + 100 / 200) * 0.01)
    assert told.interval == pytest.approx((sign * 0.3 - reach, sign * 0.3 + reach))
    assert told.bias == pytest.approx(sign * (0.1 + 0.05 + 0) / 3)
    assert told.corrected == pytest.approx(sign * 0.35)
    assert (told.score, told.corrected_interval) == (pytest.approx(sign * 0.3), None)
    assert (told.metric, told.level, told.rivals, told.rows) == ("r2", 0.9, 3, 50)
    assert (told.folds, told.resamples) == (3, None)


def test_a_winner_of_folds_without_rivals_has_an_interval_only() -> None:
    told = judge_winner_of_folds(FoldScores("r2", True, np.array([[0.5, 0.7]]), 10, 10), n_rows=20)
    assert told.interval is not None
    assert (told.corrected, told.bias, told.rivals) == (None, None, 1)


def seeded(rng: np.random.Generator, n_rivals: int, n_rows: int, n_seeds: int = 3) -> Rivals:
    """Classifiers of one skill, each trained with several seeds: they find mostly the same rows hard."""
    truth = rng.integers(2, size=n_rows)
    hard = rng.normal(size=(n_rivals, 1, n_rows)) + rng.normal(scale=0.5, size=(n_rivals, n_seeds, n_rows))
    right = hard < norm.ppf(0.8) * np.sqrt(1.25)
    right = right[np.argsort(-right.mean(axis=(1, 2)), kind="stable")]
    chosen = np.where(right, truth, 1 - truth).reshape(n_rivals, -1)
    return Rivals(np.eye(2)[chosen] * 0.8 + 0.1, np.tile(truth, n_seeds), "accuracy", True, (n_rows,) * n_seeds)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_interval_of_the_mean_over_seeds_covers_the_true_score_and_one_of_their_rows_pooled_does_not() -> None:
    rng = np.random.default_rng(11)
    covered, pooled = [], []
    for seed in range(250):
        rivals = seeded(rng, 1, 120)
        low, high = judge_winner(rivals, seed).interval or (1.0, 0.0)
        covered.append(low <= 0.8 <= high)
        low, high = judge_winner(replace(rivals, sizes=()), seed).interval or (1.0, 0.0)
        pooled.append(low <= 0.8 <= high)
    assert 0.89 <= np.mean(covered) <= 0.99
    assert np.mean(pooled) < 0.85, "three networks that see the same rows are no three times as many rows"


@pytest.mark.timeout(600)
def test_the_luck_of_a_winner_over_seeds_is_undone() -> None:
    rng = np.random.default_rng(12)
    told = [judge_winner(seeded(rng, 20, 100), seed) for seed in range(60)]
    assert np.mean([one.score for one in told]) - 0.8 > 0.05
    assert abs(np.mean([one.corrected for one in told]) - 0.8) < 0.015  # type: ignore[misc]
    covered = [one.corrected_interval[0] <= 0.8 <= one.corrected_interval[1] for one in told]  # type: ignore[index]
    assert np.mean(covered) >= 0.9


@pytest.mark.parametrize("metric", ["mean_squared_error", "r2"])
def test_of_seeds_the_mean_of_scores_is_resampled(metric: str) -> None:
    """Two seeds by the book: each resample scores both on the same rows drawn."""
    rng = np.random.default_rng(13)
    truth, predictions = rng.normal(size=(40, 1)), rng.normal(size=(2, 40, 1))
    rivals = Rivals(predictions.reshape(1, 80, 1), np.tile(truth, (2, 1)), metric, False, (40, 40))
    told, draws = judge_winner(rivals, 5), np.random.default_rng(5)
    scores = []
    for _ in range(told.resamples or 0):
        rows = draws.integers(40, size=40)
        scores.append(np.mean([evaluate(metric, truth[rows], one[rows]) for one in predictions]))
    assert told.interval == pytest.approx(tuple(np.quantile(scores, [0.025, 0.975])))
    assert told.score == pytest.approx(np.mean([evaluate(metric, truth, one) for one in predictions]))
    assert told.rows == 40


def test_parts_of_other_rows_are_no_seeds() -> None:
    rivals = Rivals(np.zeros((1, 6, 1)), np.arange(6.0)[:, None], "mean_squared_error", False, (3, 3))
    with pytest.raises(ValueError, match="predict the same rows"):
        judge_winner(rivals, 0)
