"""What the best trials of a job say together at its end: how sure the winner's score is, and whom to average."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.artifact import build_predictor
from models.confidence import Confidence, FoldScores, judge_winner, judge_winner_of_folds
from models.ensemble import Greedy, Rivals, choose_members, mix
from models.evaluate import evaluate_all
from models.loss_table import gives_probabilities
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
class Mixture:
    """Whom to average, the heaviest first, and the metrics of the average: their means over the lanes of a trial, and
    those of each lane where there are several."""

    members: list[Share]
    metrics: dict[str, float]
    parts: list[dict[str, float]]


@dataclass(frozen=True)
class Verdict:
    """`mixture` is None where no ensemble is wanted or none beats the winner alone, `confidence` where nobody can be
    judged."""

    confidence: Confidence | None = None
    mixture: Mixture | None = None


def count_contenders(job: ResolvedJob, prepared: Prepared) -> int:
    """Say how many trials are compared by what they predict: of folds, the winner is judged by scores alone."""
    return 1 if prepared.n_folds > 1 and job.ensemble is None else job.contenders


def judge(
    job: ResolvedJob, prepared: Prepared, rivals: Sequence[TrialLife], contenders: Sequence[Contender]
) -> Verdict:
    """Judge the winner, the first of the trials that compete and of the contenders, and choose an ensemble.

    Contenders predict the validation rows, each lane those of its fold. A function of its arguments.
    """
    verdict = Verdict(_judge_folds(job, prepared, rivals) if rivals and prepared.n_folds > 1 else None)
    if not contenders or (prepared.n_folds > 1 and job.ensemble is None):
        return verdict
    contenders = contenders[: _count_competing(job, prepared, len(contenders))]
    answers = _predict(job, prepared, contenders)
    if prepared.n_folds == 1:
        verdict = replace(verdict, confidence=judge_winner(answers, job.seed, kin=prepared.kin))
    return replace(verdict, mixture=_mix(job, contenders, answers))


def _judge_folds(job: ResolvedJob, prepared: Prepared, rivals: Sequence[TrialLife]) -> Confidence:
    """Judge by the scores of all trials that compete on each fold.

    Repeats with other seeds share their fold's rows, so that only their mean counts as a score of the fold.
    """
    n_folds = prepared.n_folds
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


def _count_competing(job: ResolvedJob, prepared: Prepared, n_contenders: int) -> int:
    data = prepared.job_data
    n_rows = job.repeats * sum(len(fold.valid) for fold in data.folds[: prepared.n_folds])
    return min(n_contenders, max(2, MOST_CELLS // (n_rows * max(2, data.n_outputs))))


def _predict(job: ResolvedJob, prepared: Prepared, contenders: Sequence[Contender]) -> Rivals:
    """Let every lane predict the validation rows of its fold; parts stand as lanes do, repeat by repeat."""
    data, n_folds = prepared.job_data, prepared.n_folds
    answers: dict[tuple[int, int], list[NDArray[np.float64]]] = {}
    for fold in range(n_folds):
        rows = data.part(data.folds[fold].valid)
        for contender in contenders:
            x = data.encoder(contender.hyper, fold).preprocessor.transform(rows)
            for repeat in range(job.repeats):
                layers = contender.layers[repeat * n_folds + fold]
                predictor = build_predictor(layers, contender.hyper, prepared, fold)
                answers.setdefault((repeat, fold), []).append(predictor.predict_inputs(x))
    parts = [(repeat, fold) for repeat in range(job.repeats) for fold in range(n_folds)]
    return Rivals(
        predictions=np.concatenate([np.stack(answers[part]) for part in parts], axis=1),
        truth=np.concatenate([data.labels[data.folds[fold].valid] for _, fold in parts]),
        metric=job.objective.name,
        maximize=job.objective.maximize,
        sizes=tuple(len(data.folds[fold].valid) for _, fold in parts),
    )


def _mix(job: ResolvedJob, contenders: Sequence[Contender], rivals: Rivals) -> Mixture | None:
    """Choose an ensemble if one is wanted; None if none is better than the winner alone."""
    if job.ensemble is None:
        return None
    shares = choose_members(rivals, Greedy(job.ensemble.size, job.ensemble.start, job.ensemble.bags), job.seed)
    mixed = mix(rivals.predictions, shares)
    if np.count_nonzero(shares) < 2 or not rivals.loss(mixed) < rivals.loss(rivals.predictions[0]):
        return None
    order = sorted(np.flatnonzero(shares).tolist(), key=lambda place: (-shares[place], place))
    labels_only = any(not gives_probabilities(contenders[place].hyper.loss) for place in order)
    parts = [evaluate_all(job.scores, rivals.truth[part], mixed[part], labels_only) for part in rivals.parts]
    return Mixture(
        members=[Share(contenders[place], float(shares[place])) for place in order],
        metrics={name: float(np.mean([part[name] for part in parts])) for name in job.scores},
        parts=parts if len(parts) > 1 else [],
    )
