"""From networks of a job to models: the facts of their cards, their scores on test rows, their packages."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.artifact import Member, Predictor, write_ensemble, write_package
from models.confidence import Confidence
from models.prepare import Prepared
from workers.lives import Best
from workers.resolved import ResolvedJob
from workers.sink import ModelFact
from workers.verdict import Verdict
from workers.winners import Contender


@dataclass
class Packaging:
    """Packs models of one job; `numeric_class` is known once its fleet is open."""

    job: ResolvedJob
    prepared: Prepared
    numeric_class: str = ""

    def of_trial(self, winner: Contender, confidence: Confidence | None = None) -> ModelFact:
        """Pack the network of a trial; that of the winner, at the job's end, with how sure its score is.

        It was trained on the first fold, or on all rows where the job refits.
        """
        prepared, best = self.prepared, winner.best
        metrics = self._name(best.metrics)
        is_refit = prepared.refit_fold is not None
        facts: dict[str, Any] = {
            **_lineage(winner),
            "parameters": dict(winner.life.segments[best.key.segment].fact.parameters),
            "validation_metrics": metrics,
        }
        if is_refit:
            facts["refit"] = "all rows but the test rows"
        if best.parts:
            facts["validation_parts"] = self._describe_parts(best)
        if confidence is not None:
            facts["confidence"] = confidence.to_json()
        return ModelFact(
            trial=winner.life.number,
            epoch=best.epoch,
            sequence=best.key.sequence,
            origin="refit" if is_refit else "trial",
            objective=best.value,
            metrics=metrics,
            **self._finish(
                facts,
                lambda said: write_package(winner.layers, winner.hyper, prepared, said, prepared.refit_fold or 0),
            ),
        )

    def _name(self, values: Sequence[float]) -> dict[str, float]:
        """Name the values of a report; what was computed on stopping rows comes last, and is left out."""
        return dict(zip(self.job.metrics, map(float, values), strict=False))

    def _describe_parts(self, best: Best) -> list[dict[str, Any]]:
        """Give the scores of each fold and repeat at the best epoch."""
        places = [divmod(part, self.prepared.n_folds) for part in range(len(best.parts))]
        return [
            {"fold": fold, "repeat": repeat, "metrics": self._name(values)}
            for (repeat, fold), values in zip(places, best.parts, strict=True)
        ]

    def of_ensemble(self, verdict: Verdict) -> ModelFact:
        """Pack the average of several contenders; it stands under the trial of its heaviest member."""
        prepared, first = self.prepared, verdict.members[0].contender
        members = [
            Member(m.share, m.contender.layers, m.contender.hyper, _lineage(m.contender)) for m in verdict.members
        ]
        facts = {"validation_metrics": verdict.metrics}
        return ModelFact(
            trial=first.life.number,
            epoch=first.best.epoch,
            sequence=first.best.key.sequence,
            origin="ensemble",
            objective=verdict.metrics[self.job.objective.name],
            metrics=verdict.metrics,
            **self._finish(facts, lambda said: write_ensemble(members, prepared, said)),
        )

    def _finish(self, own_facts: Mapping[str, Any], write: Callable[[Mapping[str, Any]], bytes]) -> dict[str, Any]:
        """Write a package with the facts of its job and, where there are test rows, its score on them."""
        job, prepared = self.job, self.prepared
        facts: dict[str, Any] = {
            "dataset": job.dataset,
            "seed": job.seed,
            "objective": job.objective.name,
            "numeric_class": self.numeric_class,
            "versions": {"python": platform.python_version(), "numpy": np.__version__},
            **own_facts,
        }
        package, test_metrics = write(facts), None
        if prepared.test_columns is not None and prepared.y_test is not None:
            predictor = Predictor.from_package(package)
            test_metrics = predictor.evaluate(prepared.test_columns, prepared.y_test, job.metrics)
            package = write(facts | {"test_metrics": test_metrics})
        return {"test_metrics": test_metrics, "card": Predictor.from_package(package).card, "package": package}


def _lineage(contender: Contender) -> dict[str, Any]:
    return {"trial": contender.life.number, "epoch": contender.best.epoch}
