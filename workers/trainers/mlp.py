"""The `mlp` trainer: a multilayer perceptron by gradient descent. How it trains is `models/`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from models.hyper import Hyperparameters, LaneHyperparameters
from models.hyper_table import TableHyperparameters
from models.lanes import Task
from models.loss_table import contradiction, gives_probabilities
from models.schema import ColumnSchema
from models.scores import scores_for
from models.shapes import shape_problem
from search.problems import FieldProblem
from search.space import Space
from workers.trainers.base import Trainer


class MlpTrainer(Trainer):
    """Trains a multilayer perceptron on a table."""

    kind: ClassVar[str] = "mlp"
    hyperparameters: ClassVar[type[LaneHyperparameters]] = Hyperparameters
    layer_count: ClassVar[str] = "hidden_layers"
    horizon: ClassVar[str | None] = "schedule_epochs"
    default_preset: ClassVar[str] = "default"
    per_layer: ClassVar[frozenset[str]] = frozenset({"units"})
    tasks: ClassVar[tuple[Task, ...]] = ("regression", "binary", "multiclass", "multilabel")

    @property
    def names(self) -> list[str]:
        """The hyperparameters by name, those of the table last."""
        of_table = list(TableHyperparameters.model_fields)
        return [name for name in super().names if name not in of_table] + of_table

    def metrics(self, task: Task) -> tuple[str, ...]:
        """List the metrics it reports for a task, the default objective first."""
        return tuple(score.name for score in scores_for(task))

    def joint_problems(self, space: Space, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        """Refuse lists of widths that do not reach as many layers as there can be, or that a shape would bend."""
        most = space.most("hidden_layers", fixed)
        units = self.given_values("units", space, fixed)
        lists = [(path, widths) for path, widths in units if isinstance(widths, list | tuple)]
        found = [
            FieldProblem(path, f"{widths} names {len(widths)} widths, but there can be {most} hidden layers")
            for path, widths in lists
            if len(widths) < most or len(widths) > most == fixed.get("hidden_layers")
        ]
        by_layer = [None] if getattr(space.parameters.get("units"), "per_layer", False) else []
        for path, shape in self.given_values("shape", space, fixed):
            problems = (shape_problem(str(shape), units) for units in (*(widths for _, widths in lists), *by_layer))
            found += [FieldProblem(path, problem) for problem in problems if problem]
        return found

    def notes(self, hyper: LaneHyperparameters) -> list[tuple[str, str]]:
        """Tell of first weights that leave all units of a layer alike."""
        if hyper.initialisation != "zeros" or not hyper.hidden_layers:
            return []
        message = (
            "initialisation zeros: the units of a hidden layer start alike and get equal gradients, so that they stay"
            " alike, and nothing in the weights breaks the symmetry; any other initialisation does"
        )
        return [("broken-symmetry", message)]

    def task_problems(
        self, task: Task, targets: Sequence[ColumnSchema], space: Space, fixed: Mapping[str, Any]
    ) -> list[FieldProblem]:
        """Refuse losses, outputs and weights of another task, and outputs that no target can be scaled to."""
        given = [(name, path, value) for name in self.names for path, value in self.given_values(name, space, fixed)]
        found = [FieldProblem(path, reason) for n, path, value in given if (reason := contradiction(n, value, task))]
        below = next((t for t in targets if isinstance(t.minimum, int | float) and t.minimum < 0), None)
        if found or below is None:
            return found
        return [
            FieldProblem(
                path, f"{value} is never below 0, but the target {below.name!r} goes down to {below.minimum:g}"
            )
            for name, path, value in given
            if name == "output_activation" and value in ("relu", "softplus")
        ]

    def without_probabilities(self, space: Space, fixed: Mapping[str, Any]) -> list[str]:
        """Name the losses of a job that teach decisions only."""
        return [loss for _, loss in self.given_values("loss", space, fixed) if not gives_probabilities(loss)]

    def build(self, point: Mapping[str, Any], fixed: Mapping[str, Any]) -> LaneHyperparameters:
        """Turn a point and what is fixed into hyperparameters; units.1, units.2, ... become one tuple."""
        values = {**fixed, **point}
        widths = {name: values.pop(name) for name in list(values) if name.startswith("units.")}
        if widths:
            values["units"] = tuple(widths[f"units.{layer}"] for layer in range(1, len(widths) + 1))
        elif isinstance(values.get("units"), list):
            values["units"] = tuple(values["units"])
        return self.hyperparameters.model_validate(values)
