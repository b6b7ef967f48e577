"""What a trainer declares: its hyperparameters, what they need and when they may change. No search, no training.

Everything is read off one Pydantic class, so that a new hyperparameter is one new field.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar

from pydantic import BaseModel, ValidationError

from models.lanes import Task
from models.schema import ColumnSchema
from search.conditions import Condition
from search.parameters import ChoiceParameter, FloatParameter, IntParameter
from search.problems import FieldProblem, join_path
from search.space import Space


class Trainer(ABC):
    """What a trial runs."""

    kind: ClassVar[str]
    hyperparameters: ClassVar[type[BaseModel]]
    layer_count: ClassVar[str]
    """The hyperparameter by which per-layer ones count."""
    horizon: ClassVar[str | None] = None
    """The hyperparameter that is the job's epochs per trial where nobody says."""
    default_preset: ClassVar[str]
    """The preset of a job that names neither a preset nor a space."""
    per_layer: ClassVar[frozenset[str]] = frozenset()
    inherits: ClassVar[bool] = True
    """Its networks can begin with the weights of one of another shape."""
    tasks: ClassVar[tuple[Task, ...]]

    @abstractmethod
    def metrics(self, task: Task) -> tuple[str, ...]:
        """List the metrics it reports for a task."""

    @abstractmethod
    def build(self, point: Mapping[str, Any], fixed: Mapping[str, Any]) -> Any:
        """Turn a point and what is fixed into hyperparameters."""

    def joint_problems(self, space: Space, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        """Refuse values that fit each hyperparameter but not each other."""
        return []

    def notes(self, hyper: Any) -> list[tuple[str, str]]:
        """List what a user should hear of a trial with fresh weights that is no error, as (code, message)."""
        return []

    def task_problems(
        self, task: Task, targets: Sequence[ColumnSchema], space: Space, fixed: Mapping[str, Any]
    ) -> list[FieldProblem]:
        """Refuse values that fit each other but not the task or its targets."""
        return []

    def networks(self, space: Space, fixed: Mapping[str, Any]) -> int:
        """Count the networks that a trial may train at once."""
        return 1

    def without_probabilities(self, space: Space, fixed: Mapping[str, Any]) -> list[str]:
        """Name what a trial may learn by that leaves it without probabilities."""
        return []

    def given_values(self, name: str, space: Space, fixed: Mapping[str, Any]) -> list[tuple[str, Any]]:
        """List the values that a hyperparameter may take, each with its path; of an interval its ends."""
        parameter = space.parameters.get(name)
        if parameter is None:
            return [(join_path("fixed", name), fixed.get(name))]
        path = join_path("space", name)
        if isinstance(parameter, ChoiceParameter):
            return [(join_path(path, "values", place), value) for place, value in enumerate(parameter.values)]
        return [(join_path(path, end), getattr(parameter, end)) for end in ("low", "high")]

    @property
    def names(self) -> list[str]:
        """The hyperparameters by name."""
        return list(self.hyperparameters.model_fields)

    @property
    def defaults(self) -> dict[str, Any]:
        """The value of each hyperparameter where nobody says."""
        return {name: field.default for name, field in self.hyperparameters.model_fields.items()}

    def defaults_for(self, epochs: int) -> dict[str, Any]:
        """Give the defaults in a job whose trials have so many epochs."""
        return self.defaults | ({self.horizon: epochs} if self.horizon else {})

    @property
    def mutable(self) -> frozenset[str]:
        """Those that may change while a trial trains."""
        return frozenset(name for name in self.names if self._facts(name)["mutable"])

    def needs(self, name: str) -> dict[str, Condition]:
        """Give the conditions without which a hyperparameter means nothing."""
        return {other: Condition.model_validate(given) for other, given in self._facts(name)["needs"].items()}

    def name_problem(self, path: str, name: str) -> FieldProblem | None:
        """Refuse a name that is no hyperparameter, with the nearest one."""
        if name in self.names:
            return None
        nearest = get_close_matches(name, self.names, n=1)
        hint = f"; did you mean {nearest[0]}?" if nearest else "."
        allowed = ", ".join(self.names)
        return FieldProblem(path, f"{self.kind} has no hyperparameter {name!r}{hint} Allowed: {allowed}")

    def value_problem(self, path: str, name: str, value: Any) -> FieldProblem | None:
        """Refuse a value that the hyperparameter does not take, whatever the others are."""
        try:
            self.hyperparameters.model_validate_json(json.dumps({name: value}), strict=True)
        except ValidationError as error:
            of_field = (detail for detail in error.errors() if detail["loc"])
            reasons = "; ".join(dict.fromkeys(_lower(detail["msg"]) for detail in of_field))
            return FieldProblem(path, f"{json.dumps(value)} is no value of {name}: {reasons}") if reasons else None
        return None

    def parameter_problems(
        self, name: str, parameter: FloatParameter | IntParameter | ChoiceParameter
    ) -> list[FieldProblem]:
        """Refuse a parameter whose values the hyperparameter does not take."""
        path = join_path("space", name)
        if not isinstance(parameter, ChoiceParameter) and (mismatch := self._type_problem(path, name, parameter.type)):
            return [mismatch]
        given = self.given_values(name, Space({name: parameter}), {})
        found = [self.value_problem(where, name, value) for where, value in given]
        if isinstance(parameter, IntParameter) and parameter.per_layer and name not in self.per_layer:
            allowed = ", ".join(sorted(self.per_layer))
            found.append(FieldProblem(join_path(path, "per_layer"), f"only {allowed} can be per layer, not {name}"))
        return [problem for problem in found if problem is not None]

    def _type_problem(self, path: str, name: str, given: str) -> FieldProblem | None:
        types = self.json_types(name)
        if (given == "float" and "number" in types) or (given == "int" and types & {"number", "integer"}):
            return None
        allowed = ["float", "int"] if "number" in types else ["int"] if "integer" in types else []
        return FieldProblem(
            join_path(path, "type"), f"{name} cannot be searched as {given}; allowed: {', '.join([*allowed, 'choice'])}"
        )

    def json_types(self, name: str) -> set[str]:
        """Name the JSON types of a hyperparameter's values."""
        schema = self.hyperparameters.model_json_schema()["properties"][name]
        return {str(part.get("type")) for part in schema.get("anyOf", [schema])}

    def _facts(self, name: str) -> dict[str, Any]:
        extra = self.hyperparameters.model_fields[name].json_schema_extra
        return extra if isinstance(extra, dict) else {}


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
