"""What the contenders of a job say together at its end: how sure the winner's score is, and whom to average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.artifact import build_predictor
from models.confidence import Confidence, FoldScores, judge_winner, judge_winner_of_folds
from models.ensemble import Greedy, Rivals, choose_members, mix
from models.evaluate import evaluate_all
from models.lanes import PackData
from models.prepare import Prepared
from workers.lives import TrialLife
from workers.resolved import ResolvedJob
from workers.winners import Contender

MOST_CELLS = 2_500_000
"""Predictions on validation rows that are compared: on large tables, where luck is small, fewer contenders compete."""


@dataclass(frozen=True)
class Share:
    """A member of the ensemble and its weight in the average."""

    contender: Contender
    share: float


@dataclass(frozen=True)
class Verdict:
    """`members`, the heaviest first, are empty where no average beats the winner alone; `metrics` are the average's."""

    confidence: Confidence
    members: list[Share]
    metrics: dict[str, float]


def judge(job: ResolvedJob, prepared: Prepared, contenders: Sequence[Contender]) -> Verdict:
    """Let contenders, the winner first, predict the validation rows, and judge by that. A function of its arguments."""
    contenders = contenders[: _count_competing(prepared.data, len(contenders))]
    predictors = [build_predictor(contender.layers, contender.hyper, prepared) for contender in contenders]
    views = (prepared.job_data.view(contender.hyper, 0) for contender in contenders)  # one at a time: they are large
    predictions = np.stack([one.predict_inputs(view.x_valid) for one, view in zip(predictors, views, strict=True)])
    rivals = Rivals(predictions, _truth(prepared), job.objective.name, job.objective.maximize)
    shares = _mixture(job, rivals)
    order = sorted(np.flatnonzero(shares).tolist(), key=lambda place: (-shares[place], place))
    labels_only = any(predictors[place].labels_only for place in order)
    return Verdict(
        confidence=judge_winner(rivals, job.seed),
        members=[Share(contenders[place], float(shares[place])) for place in order],
        metrics=evaluate_all(job.metrics, rivals.truth, mix(predictions, shares), labels_only) if order else {},
    )


def judge_folds(job: ResolvedJob, prepared: Prepared, rivals: Sequence[TrialLife]) -> Confidence | None:
    """Judge the winner, the first of the trials that compete, by their scores on each fold. None where there is one.

    Repeats with other seeds share their fold's rows, so that only their mean counts as a score of the fold.
    """
    n_folds = prepared.n_folds
    if n_folds < 2:
        return None
    parts = np.array([[values[0] for values in life.best.parts] for life in rivals if life.best])
    folds = prepared.job_data.folds[:n_folds]
    scores = FoldScores(
        metric=job.objective.name,
        maximize=job.objective.maximize,
        values=parts.reshape(len(parts), job.repeats, n_folds).mean(axis=1),
        n_train=sum(len(fold.train) + len(fold.stop) for fold in folds),
        n_test=sum(len(fold.valid) for fold in folds),
    )
    return judge_winner_of_folds(scores, len(np.unique(np.concatenate([fold.valid for fold in folds]))))


def _count_competing(data: PackData, n_contenders: int) -> int:
    n_cells = len(data.x_valid) * max(2, data.n_outputs)
    return min(n_contenders, max(2, MOST_CELLS // n_cells))


def _truth(prepared: Prepared) -> NDArray[Any]:
    """The targets of validation rows as `models.evaluate` takes them."""
    truth: NDArray[Any] = prepared.job_data.labels[prepared.job_data.folds[0].valid]
    return truth


def _mixture(job: ResolvedJob, rivals: Rivals) -> NDArray[np.float64]:
    """Choose shares; all zero where no ensemble is wanted, or none is better than the winner alone."""
    nobody = np.zeros(len(rivals.predictions))
    if job.ensemble is None:
        return nobody
    shares = choose_members(rivals, Greedy(job.ensemble.size, job.ensemble.start, job.ensemble.bags), job.seed)
    is_better = rivals.loss(mix(rivals.predictions, shares)) < rivals.loss(rivals.predictions[0])
    return shares if is_better and np.count_nonzero(shares) > 1 else nobody
