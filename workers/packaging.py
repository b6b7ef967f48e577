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
from workers.resolved import ResolvedJob
from workers.sink import ModelFact
from workers.verdict import Mixture
from workers.winners import Contender


@dataclass
class Packaging:
    """Packs models of one job; `numeric_class` is known once its fleet is open."""

    job: ResolvedJob
    prepared: Prepared
    numeric_class: str = ""

    def of_trial(self, winner: Contender, confidence: Confidence | None = None) -> ModelFact:
        """Pack the network of a trial; that of the winner, at the job's end, with how sure its score is.

        It was trained with the trial's seed on the first fold, or on all rows where the job refits.
        """
        prepared, best = self.prepared, winner.best
        metrics = self._name(best.metrics)
        facts: dict[str, Any] = {
            **_lineage(winner),
            "parameters": dict(winner.life.segments[best.key.segment].fact.parameters),
            **self._say_validation(metrics, [self._name(values) for values in best.parts]),
        }
        if confidence is not None:
            facts["confidence"] = confidence.to_json()
        return ModelFact(
            trial=winner.life.number,
            epoch=best.epoch,
            sequence=best.key.sequence,
            origin="trial" if prepared.refit_fold is None else "refit",
            objective=best.value,
            metrics=metrics,
            **self._finish(
                facts,
                lambda said: write_package(winner.layers[0], winner.hyper, prepared, said, self._fold),
            ),
        )

    def _name(self, values: Sequence[float]) -> dict[str, float]:
        """Name the values of a report; what was computed on stopping rows comes last, and is left out."""
        return dict(zip(self.job.metrics, map(float, values), strict=False))

    @property
    def _fold(self) -> int:
        """The one on whose rows the networks of models are trained."""
        return self.prepared.refit_fold or 0

    def _say_validation(self, metrics: Mapping[str, float], parts: Sequence[Mapping[str, float]]) -> dict[str, Any]:
        """Give validation metrics, those of each fold and repeat too; and say if the network has seen more rows."""
        facts: dict[str, Any] = {"validation_metrics": metrics}
        if self.prepared.refit_fold is not None:
            facts["refit"] = "all rows but the test rows"
        if parts:
            places = [divmod(part, self.prepared.n_folds) for part in range(len(parts))]
            facts["validation_parts"] = [
                {"fold": fold, "repeat": repeat, "metrics": part}
                for (repeat, fold), part in zip(places, parts, strict=True)
            ]
        return facts

    def of_ensemble(self, mixture: Mixture) -> ModelFact:
        """Pack the average of the models of several trials; it stands under the trial of its heaviest member."""
        prepared, first = self.prepared, mixture.members[0].contender
        members = [
            Member(m.share, m.contender.layers[0], m.contender.hyper, _lineage(m.contender)) for m in mixture.members
        ]
        facts = self._say_validation(mixture.metrics, mixture.parts)
        return ModelFact(
            trial=first.life.number,
            epoch=first.best.epoch,
            sequence=first.best.key.sequence,
            origin="ensemble",
            objective=mixture.metrics[self.job.objective.name],
            metrics=mixture.metrics,
            **self._finish(facts, lambda said: write_ensemble(members, prepared, said, self._fold)),
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
            test_metrics = predictor.evaluate(prepared.test_columns, prepared.y_test, job.scores)
            package = write(facts | {"test_metrics": test_metrics})
        return {"test_metrics": test_metrics, "card": Predictor.from_package(package).card, "package": package}


def _lineage(contender: Contender) -> dict[str, Any]:
    return {"trial": contender.life.number, "epoch": contender.best.epoch}
