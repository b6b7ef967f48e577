"""The job that an import makes: its space is checked parameter by parameter, with the paths of the document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from search.budget import MOST_TRIALS, Budget
from search.foreign import Imported, Place, Report
from search.parameters import Parameter
from search.problems import join_path
from search.space import Space

MOST_NAME = 200
TRAINER = "external"
_PARAMETER: TypeAdapter[Any] = TypeAdapter(Parameter)
When = Mapping[str, list[Any]]


class Draft:
    """A job body that grows while a document is read. `job` holds fields other than space, fixed and budget."""

    def __init__(self, document: Any) -> None:
        self.report = Report()
        self.document = Place(document, "", self.report)
        self.space: dict[str, dict[str, Any]] = {}
        self.fixed: dict[str, Any] = {}
        self.budget: dict[str, Any] = {}
        self.job: dict[str, Any] = {}
        self._places: dict[str, Place] = {}

    def add(
        self, name: Place, parameter: Mapping[str, Any], fields: Mapping[str, Place], when: When | None = None
    ) -> None:
        """Add a parameter by its fields in a space; None is left out. `fields` are the places that they come from.

        Where only one value is legal it goes to `fixed`.
        """
        given = {key: value for key, value in parameter.items() if value is not None}
        if not is_name(name):
            return
        given |= {"when": {other: list(values) for other, values in when.items()}} if when else {}
        if name.value in self.fixed or (name.value in self.space and not self._widen(name.value, given)):
            name.refuse(
                f"there is another {name.value}, and a name stands for one parameter with one condition: rename one"
            )
        elif (only := _only_value(given)) is not None:
            also = "; there it is given also where it would not be active" if when else ""
            name.note(f"{name.value} has one value: it stands in fixed{also}")
            self.fixed[name.value] = only[0]
        elif name.value not in self.space:
            self._places[name.value] = name
            self.space[name.value] = given
            self._check(name, given, fields)

    def set_budget(self, **amounts: float | None) -> None:
        """Set fields of the budget; None is left out."""
        self.budget |= {name: amount for name, amount in amounts.items() if amount is not None}

    def finish(self, kind: str, algorithm: Place) -> Imported:
        """Check what fits together, and give the body. `algorithm` is where the document says what searches.

        Raises: Unreadable.
        """
        self.report.raise_any()
        if not self.space:
            self.document.refuse("nothing varies: a space needs at least one parameter with two values or more")
        else:
            space = Space.model_validate(self.space)
            for problem in space.problems(self.fixed):
                self._owner(problem.path).refuse(problem.message)
            self.report.raise_any()
            self._settle_grid(space, algorithm)
        self.report.raise_any()
        self._settle_steps()
        parts = {"name": None, "trainer": TRAINER, "fixed": self.fixed, "space": self.space, **self.job}
        parts["budget"] = self.budget
        body = {name: part for name, part in parts.items() if part not in (None, {}, [])}
        return Imported(kind, body, self.report.notes)

    def _widen(self, name: str, given: dict[str, Any]) -> bool:
        """Let a parameter that comes again, under other values of the same parent, be active there too."""
        known = self.space[name]
        if {**known, "when": 0} != {**given, "when": 0} or len(known.get("when", {})) != 1:
            return False
        if known["when"].keys() != given.get("when", {}).keys():
            return False
        for other, values in given["when"].items():
            known["when"][other] += [value for value in values if value not in known["when"][other]]
        return True

    def _check(self, name: Place, given: dict[str, Any], fields: Mapping[str, Place]) -> None:
        try:
            parameter = _PARAMETER.validate_python(given)
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                if detail["type"] == "missing":  # whoever read the field has said so
                    continue
                place = next((fields[str(part)] for part in detail["loc"] if str(part) in fields), name)
                place.refuse(detail["msg"])
            return
        for problem in parameter.problems(""):
            fields.get(problem.path, name).refuse(problem.message)

    def _owner(self, path: str) -> Place:
        """The place of the parameter that a path in our space speaks of."""
        names = [name for name in self.space if f"{path}.".startswith(f"{join_path('space', name)}.")]
        return self._places[max(names, key=len)] if names else self.document

    def _settle_grid(self, space: Space, algorithm: Place) -> None:
        """A grid of ours tries all of its points; one that is cut off by the number of trials is drawn from."""
        if self.job.get("algorithm", {}).get("kind") != "grid":
            return
        continuous = [name for name, parameter in space.parameters.items() if parameter.lattice() is None]
        for name in continuous:
            self._places[name].refuse(f"a grid needs a step or a list of values, and {name} is continuous")
        if continuous:
            return
        trials = self.budget.pop("trials", None)
        most = trials or MOST_TRIALS
        if len(space.grid(self.fixed, most + 1)) <= most:
            return
        if trials is None:
            algorithm.refuse(f"the grid has more than {most} points: limit the number of trials, or take fewer values")
        else:
            self.job["algorithm"] = {"kind": "random"}
            self.budget["trials"] = trials
            algorithm.note(
                f"the grid has more than {trials} points, and a grid here tries all of its points: {trials} of them"
                " are drawn at random instead"
            )

    def _settle_steps(self) -> None:
        if "scheduler" not in self.job:
            self.job["scheduler"] = {"kind": "fifo"}
            self.budget["epochs_per_trial"] = 1
            self.document.note(
                "no trial is stopped early, so each is told one value; for values step by step set"
                " budget.epochs_per_trial, and a scheduler that stops the worse ones"
            )
        elif "epochs_per_trial" not in self.budget:
            least = self.job["scheduler"].get("grace_period", 1)
            self.budget["epochs_per_trial"] = steps = max(Budget().epochs_per_trial, least)
            self.document.note(
                f"nothing says how many steps a trial has: budget.epochs_per_trial is {steps}, set yours"
            )


def is_name(name: Place) -> bool:
    """Tell whether it is a name, and refuse it else. The trainer external takes any text as a name."""
    if not name.is_there:
        name.refuse("this field is required")
    elif (text := name.text()) is not None and not 0 < len(text) <= MOST_NAME:
        name.refuse(f"a name has 1 to {MOST_NAME} characters; this one has {len(text)}")
    return isinstance(name.value, str) and 0 < len(name.value) <= MOST_NAME


def _only_value(given: Mapping[str, Any]) -> list[Any] | None:
    """The value of a parameter that does not vary, in a list."""
    if given["type"] == "choice":
        return given["values"] if len(given.get("values", [])) == 1 else None
    return [given["low"]] if "low" in given and given["low"] == given.get("high") else None
