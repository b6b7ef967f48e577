"""The `mlp` trainer: a multilayer perceptron by gradient descent. How it trains is `models/`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from models.hyper import Hyperparameters
from models.lanes import Task
from models.scores import scores_for
from search.parameters import ChoiceParameter
from search.problems import FieldProblem
from search.space import Space
from workers.trainers.base import Trainer


class MlpTrainer(Trainer):
    """Trains a multilayer perceptron on a table."""

    kind: ClassVar[str] = "mlp"
    hyperparameters = Hyperparameters
    layer_count: ClassVar[str] = "hidden_layers"
    horizon: ClassVar[str] = "schedule_epochs"
    per_layer: ClassVar[frozenset[str]] = frozenset({"units"})
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "binary", "multiclass")

    def metrics(self, task: Task) -> tuple[str, ...]:
        """List the metrics it reports for a task, the default objective first."""
        return tuple(score.name for score in scores_for(task))

    def joint_problems(self, space: Space, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        """Refuse lists of widths that do not reach as many layers as there can be."""
        most = space.most("hidden_layers", fixed)
        given = [("fixed.units", fixed.get("units"))]
        if isinstance(units := space.parameters.get("units"), ChoiceParameter):
            given += [(f"space.units.values.{place}", value) for place, value in enumerate(units.values)]
        return [
            FieldProblem(path, f"{widths} names {len(widths)} widths, but there can be {most} hidden layers")
            for path, widths in given
            if isinstance(widths, list | tuple)
            and (len(widths) < most or len(widths) > most == fixed.get("hidden_layers"))
        ]

    def build(self, point: Mapping[str, Any], fixed: Mapping[str, Any]) -> Hyperparameters:
        """Turn a point and what is fixed into hyperparameters; units.1, units.2, ... become one tuple."""
        values = {**fixed, **point}
        widths = {name: values.pop(name) for name in list(values) if name.startswith("units.")}
        if widths:
            values["units"] = tuple(widths[f"units.{layer}"] for layer in range(1, len(widths) + 1))
        elif isinstance(values.get("units"), list):
            values["units"] = tuple(values["units"])
        return Hyperparameters.model_validate(values)
