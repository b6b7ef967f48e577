"""How sure a winner's score is, and how much of it is luck of having been chosen. No networks, no files.

Hold-out rows: the bootstrap, with the choice repeated in every resample. Folds: the corrected t interval and the bias
estimate from the folds' own winners.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from models.ensemble import Rivals
from models.evaluate import evaluate

Floats = NDArray[np.float64]
Interval = tuple[float, float]

MOST_RESAMPLES = 1000
MOST_RESAMPLES_SLOW = 200
"""For metrics that are no mean over rows, each resample is scored from its rows anew."""
FEWEST_RESAMPLES = 100
WORK = 150_000_000
"""Predictions that all resamples together may read: large tables get fewer resamples, whose scores vary less."""


@dataclass(frozen=True)
class Confidence:
    """What is known of the score of the winner, the first of M rivals, on N validation rows.

    `interval` holds for this network on rows like these, as if it had been the only one; of several with other seeds,
    for the mean of their scores; of folds, for networks that are trained like it. `corrected` is what one chosen like
    this one scores on rows that did not choose it; `bias` = corrected - score. None where rows or rivals are too few to
    tell. It comes from `resamples`, of rows or of `kin`, which are groups or stretches of time, or from `folds`.
    """

    metric: str
    level: float
    score: float
    interval: Interval | None
    corrected: float | None
    corrected_interval: Interval | None
    bias: float | None
    rivals: int
    rows: int
    resamples: int | None = None
    folds: int | None = None
    kin: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Write it as a card and the API have it."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def judge_winner(rivals: Rivals, seed: int, level: float = 0.95, kin: NDArray[np.int64] | None = None) -> Confidence:
    """Judge the winner's score by a bootstrap over rows in which the winner is chosen anew each time.

    In each resample of the rows with replacement, the rival that is best on the rows drawn is scored on the rows left
    out. The mean of these scores is the corrected score, their percentiles its interval: a cautious one, since only
    about 37 % of the rows are left out. The percentiles of the first rival's score on the rows drawn are the interval
    of its own score. Parts are networks with other seeds: all of them predict the same rows, of which each resample
    draws the same for all, and the mean of their scores counts. Where `kin` [N] numbers rows that resemble each other,
    all rows of a number are drawn or left out together. A function of its arguments.

    Raises: ValueError for parts of unequal rows: those of folds are judged by `judge_winner_of_folds`.
    Sources: Efron, Tibshirani (1993), An Introduction to the Bootstrap, chapter 13 (percentile interval); Tsamardinos,
    Greasidou, Borboudakis (2018), Bootstrapping the out-of-sample predictions, algorithm 2 (BBC-CV); Davison, Hinkley
    (1997), Bootstrap Methods and their Application, sections 3.8 (groups) and 8.2 (blocks).
    """
    n_rivals, n_rows = len(rivals.predictions), _count_rows(rivals)
    score = rivals.score(rivals.predictions[0])
    n_resamples = count_resamples(rivals)
    inside, outside = _resample(rivals, n_resamples, seed, _Units.of(np.arange(n_rows) if kin is None else kin))
    corrected = _mean(outside) if n_rivals > 1 else None
    return Confidence(
        metric=rivals.metric,
        level=level,
        score=score,
        interval=_percentiles(inside, level),
        corrected=corrected,
        corrected_interval=None if corrected is None else _percentiles(outside, level),
        bias=None if corrected is None else corrected - score,
        rivals=n_rivals,
        rows=n_rows,
        resamples=n_resamples,
        kin=None if kin is None else len(np.unique(kin)),
    )


@dataclass(frozen=True)
class FoldScores:
    """Scores of the winner, who comes first, and its rivals on the folds of all repeats of a split.

    Shapes: values [T, J]. `n_train` and `n_test` are rows of one fold, or of all folds together: their ratio counts.
    """

    metric: str
    maximize: bool
    values: Floats
    n_train: int
    n_test: int


def judge_winner_of_folds(scores: FoldScores, n_rows: int, level: float = 0.95) -> Confidence:
    """Judge the winner's mean score by how it and its rivals did on each fold; `n_rows` rows have validated.

    The corrected score has no interval: nobody has published one.

    Raises: ValueError for fewer than two folds.
    """
    n_rivals, n_folds = scores.values.shape
    mean = float(scores.values[0].mean())
    bias = bias_of_folds(scores.values, scores.maximize) if n_rivals > 1 else None
    return Confidence(
        metric=scores.metric,
        level=level,
        score=mean,
        interval=corrected_t_interval(scores.values[0], scores.n_train, scores.n_test, level),
        corrected=None if bias is None else mean + bias,
        corrected_interval=None,
        bias=bias,
        rivals=n_rivals,
        rows=n_rows,
        folds=n_folds,
    )


def count_resamples(rivals: Rivals) -> int:
    """Choose a number of resamples that stays within `WORK`."""
    most = MOST_RESAMPLES if rivals.metric in ROW_SCORES else MOST_RESAMPLES_SLOW
    return int(np.clip(WORK // max(1, rivals.predictions.size), FEWEST_RESAMPLES, most))


def corrected_t_interval(scores: Floats, n_train: int, n_test: int, level: float = 0.95) -> Interval:
    """Give an interval for the mean of a network's scores on J folds, whose training rows overlap.

    mean +- t(J - 1) * sqrt((1 / J + n_test / n_train) * variance). Shapes: scores [J], all folds of all repeats;
    n_train and n_test are the rows of one fold.

    Raises: ValueError for fewer than two folds.
    Source: Nadeau, Bengio (2003), Inference for the Generalization Error, section 3.
    """
    n_folds = len(scores)
    if n_folds < 2:
        raise ValueError(f"an interval needs the scores of at least two folds, got {n_folds}")
    spread = np.sqrt((1 / n_folds + n_test / n_train) * np.var(scores, ddof=1))
    reach = float(stdtrit(n_folds - 1, (1 + level) / 2) * spread)
    mean = float(np.mean(scores))
    return mean - reach, mean + reach


def bias_of_folds(scores: Floats, maximize: bool) -> float:
    """Estimate what to add to the best mean score of T trials on K folds, since it was chosen for being the best.

    The mean over folds of (score of the best trial - score of the fold's own best trial): never in the trial's favour,
    and too cautious where many trials are about equally good. Shapes: scores [T, K].

    Source: Tibshirani, Tibshirani (2009), A bias correction for the minimum error rate in cross-validation.
    """
    means = scores.mean(axis=1)
    best = int(means.argmax() if maximize else means.argmin())
    tops = scores.max(axis=0) if maximize else scores.min(axis=0)
    return float(np.mean(scores[best] - tops))


def _count_rows(rivals: Rivals) -> int:
    """Count the rows that every part has."""
    first, *others = (rivals.truth[part] for part in rivals.parts)
    if not all(np.array_equal(first, other) for other in others):
        raise ValueError(f"networks of other seeds predict the same rows, the parts have {rivals.sizes} different ones")
    return len(first)


@dataclass(frozen=True)
class _Units:
    """Rows that are drawn together: unit u has `counts[u]` of the `order`, from `starts[u]` on."""

    order: NDArray[np.int64]
    starts: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def of(cls, numbers: NDArray[np.int64]) -> _Units:
        """Put rows of one number into one unit."""
        counts = np.unique(numbers, return_counts=True)[1]
        return cls(np.argsort(numbers, kind="stable"), np.cumsum(counts) - counts, counts)

    def rows(self, units: NDArray[np.int64]) -> NDArray[np.int64]:
        """List the rows of these units, unit by unit."""
        counts = self.counts[units]
        ends = np.cumsum(counts)
        found: NDArray[np.int64] = self.order[
            np.repeat(self.starts[units] + counts - ends, counts) + np.arange(counts.sum())
        ]
        return found


def _resample(rivals: Rivals, n_resamples: int, seed: int, units: _Units) -> tuple[Floats, Floats]:
    """Score resamples: the first rival on the rows drawn, and the best there on the rows left out; NaN where none is.

    Shapes: both [resamples].
    """
    n_units = len(units.counts)
    rng = np.random.default_rng(seed)
    score = _scorer(rivals)
    inside, outside = np.full(n_resamples, np.nan), np.full(n_resamples, np.nan)
    if n_units < 2:
        return inside, outside  # one row or group tells nothing about others
    for place in range(n_resamples):
        drawn = rng.integers(n_units, size=(n_units,))
        left_out = np.flatnonzero(np.bincount(drawn, minlength=n_units) == 0)
        scores = score(units.rows(drawn), slice(None))
        inside[place] = scores[0]
        losses = np.where(np.isfinite(scores), -scores if rivals.maximize else scores, np.inf)
        best = int(losses.argmin())
        if len(left_out) and np.isfinite(losses[best]):
            outside[place] = score(units.rows(left_out), slice(best, best + 1))[0]
    return inside, outside


Scorer = Callable[[NDArray[Any], slice], Floats]
"""Scores of some rivals on some rows."""


def _scorer(rivals: Rivals) -> Scorer:
    of_rows, truth = ROW_SCORES.get(rivals.metric), rivals.truth[rivals.parts[0]]
    by_seed = [[one[part] for part in rivals.parts] for one in rivals.predictions]
    if of_rows is None:
        return lambda rows, who: np.array(
            [np.mean([evaluate(rivals.metric, truth[rows], one[rows]) for one in seeds]) for seeds in by_seed[who]]
        )
    table = np.mean([[of_rows(truth, one) for one in seeds] for seeds in by_seed], axis=1).T.copy()
    return lambda rows, who: table[rows, who].mean(axis=0)


def _finite(values: Floats) -> Floats:
    """Drop what could not be scored; nothing is left if that was more than half."""
    kept = values[np.isfinite(values)]
    return kept if 2 * len(kept) >= len(values) else kept[:0]


def _mean(values: Floats) -> float | None:
    kept = _finite(values)
    return float(kept.mean()) if len(kept) else None


def _percentiles(values: Floats, level: float) -> Interval | None:
    kept = _finite(values)
    if not len(kept):
        return None
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _mean_of_targets(values: Floats) -> Floats:
    means: Floats = values.mean(axis=1)
    return means


def _squared_errors(true: Floats, predicted: Floats) -> Floats:
    return _mean_of_targets((true - predicted) ** 2)


def _absolute_errors(true: Floats, predicted: Floats) -> Floats:
    return _mean_of_targets(np.abs(true - predicted))


def _surprises(true: NDArray[np.int64], probabilities: Floats) -> Floats:
    epsilon = np.finfo(np.float64).eps
    clipped = np.clip(probabilities, epsilon, 1 - epsilon)
    if true.ndim == 2:
        return _mean_of_targets(-np.log(np.where(true == 1, clipped, 1 - clipped)))
    surprises: Floats = -np.log(clipped[np.arange(len(true)), true] / clipped.sum(axis=1))
    return surprises


def _hits(true: NDArray[np.int64], probabilities: Floats) -> Floats:
    right = np.all((probabilities > 0.5) == true, axis=1) if true.ndim == 2 else probabilities.argmax(axis=1) == true
    hits: Floats = right.astype(np.float64)
    return hits


ROW_SCORES: dict[str, Callable[[Any, Any], Floats]] = {
    "mean_squared_error": _squared_errors,
    "mean_absolute_error": _absolute_errors,
    "log_loss": _surprises,
    "accuracy": _hits,
}
"""Metrics that are a mean over rows, as what each row adds: [N]. All others are computed by `models.evaluate`."""
