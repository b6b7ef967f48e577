"""What may vary: named parameters with conditions between them. The only place for the meaning of a space.

Searchers and schedulers see encoded points only (flat, no conditions); which names a trainer knows is not decided here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any

from pydantic import ConfigDict, PrivateAttr, RootModel

from search.budget import MOST_TRIALS
from search.conditions import Condition
from search.constraints import Constraint
from search.feasible import Region
from search.parameters import Categories, Domain, Interval, IntParameter, Parameter
from search.problems import FieldProblem, join_path

__all__ = ["Categories", "Domain", "FieldProblem", "Interval", "Parameter", "Point", "Space"]

Point = dict[str, Any]
Encoded = Mapping[str, Any]


class Space(RootModel[dict[str, Parameter]]):
    """Parameters by name. A point holds the active ones only.

    Constraints are no part of its JSON: a job has them beside its space, and `under` brings them together.
    """

    model_config = ConfigDict(frozen=True)
    _region: Region | None = PrivateAttr(None)

    def under(self, constraints: Sequence[Constraint], fixed: Mapping[str, Any] | None = None) -> Space:
        """Give the space whose default point and grid satisfy constraints, and whose `region` holds a search to them.

        What is made from it (`given`, `with_conditions`, ...) is under no constraints again.
        """
        constrained = Space(self.root)
        if constraints:
            constrained._region = Region(Space(self.root), constraints, fixed or {})
        return constrained

    @property
    def region(self) -> Region | None:
        """The points that satisfy its constraints; None where there are none."""
        return self._region

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The parameters by name, in the order they were given."""
        return self.root

    def domains(self) -> dict[str, Domain]:
        """Encode the space: flat, without conditions, in value units or by index."""
        return {name: parameter.domain() for name, parameter in self.root.items()}

    def decode(self, encoded: Encoded, fixed: Mapping[str, Any] | None = None) -> Point:
        """Turn any numbers into a legal point: on the lattice, within bounds, inactive parameters dropped."""
        values = {
            name: parameter.decode(encoded[name]) if name in encoded else parameter.fallback
            for name, parameter in self.root.items()
        }
        return self._active(values, fixed or {})

    def encode(self, point: Mapping[str, Any]) -> dict[str, float]:
        """Turn a point into its code; inactive parameters are filled with their default."""
        return {name: parameter.encode(point.get(name, parameter.fallback)) for name, parameter in self.root.items()}

    def default_point(self, defaults: Mapping[str, Any] | None = None, fixed: Mapping[str, Any] | None = None) -> Point:
        """Give the default point: each parameter's own default, else the trainer's, else the middle of its law.

        Where that does not satisfy the constraints it is drawn back to a point that does.
        """
        values = {name: _default(name, parameter, defaults or {}) for name, parameter in self.root.items()}
        point = self._active(values, fixed or {})
        if self._region is None or self._region.admits(point):
            return point
        return self.decode(self._region.draw_back(self.encode(values), self._region.anchor), fixed)

    def grid(self, fixed: Mapping[str, Any] | None = None, limit: int | None = None) -> list[Point]:
        """List the distinct points after conditions, at most `limit` of them.

        Under constraints the first MOST_TRIALS points are looked at, and those listed that satisfy them.

        Raises: ValueError for a parameter whose values are continuous.
        """
        points = self._expand(self._ordered(), fixed or {}, {})
        if self._region is not None:
            points = filter(self._region.admits, islice(points, MOST_TRIALS))
        points = islice(points, limit)
        return [{name: point[name] for name in self.root if name in point} for point in points]

    def expand_layers(self, count: str, fixed: Mapping[str, Any] | None = None) -> Space:
        """Replace `units` with per_layer by `units.1 ... units.n`; `units.i` is active when `count` >= i."""
        expanded: dict[str, Any] = {}
        for name, parameter in self.root.items():
            if not (isinstance(parameter, IntParameter) and parameter.per_layer):
                expanded[name] = parameter
                continue
            for layer in range(1, self.most(count, fixed or {}) + 1):
                when = narrow(parameter.when, {count: Condition({"ge": layer})})
                expanded[f"{name}.{layer}"] = parameter.model_copy(update={"per_layer": False, "when": when})
        return Space(expanded)

    def most(self, name: str, fixed: Mapping[str, Any]) -> int:
        """Give the largest value that a whole number can take, in the space or fixed."""
        if name not in self.root:
            return int(fixed[name])
        parameter = self.root[name]
        largest = parameter.high if isinstance(parameter, IntParameter) else max(parameter.lattice() or [0])
        return int(largest)

    def with_defaults(self, defaults: Mapping[str, Any]) -> Space:
        """Write into each parameter the value it has in the default point."""
        return Space(
            {
                name: parameter.model_copy(update={"default": _default(name, parameter, defaults)})
                for name, parameter in self.root.items()
            }
        )

    def given(self, fixed: Mapping[str, Any]) -> Space:
        """Drop the conditions that `fixed` satisfies once and for all."""
        return Space(
            {
                name: parameter.model_copy(update={"when": _open(parameter, fixed)})
                for name, parameter in self.root.items()
            }
        )

    def with_conditions(self, extra: Mapping[str, Mapping[str, Condition]]) -> Space:
        """Narrow parameters by further conditions: {parameter: {other name: condition}}."""
        return Space(
            {
                name: parameter.model_copy(update={"when": narrow(parameter.when, extra.get(name, {}))})
                for name, parameter in self.root.items()
            }
        )

    def depends_on(self, name: str) -> set[str]:
        """List the names that decide, through conditions, whether `name` is active."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            parameter = self.root.get(waiting.pop())
            new = set(parameter.when) - found if parameter else set()
            found |= new
            waiting.extend(sorted(new))
        return found

    def problems(self, fixed: Mapping[str, Any] | None = None) -> list[FieldProblem]:
        """Say what makes no sense: intervals without values, conditions that nobody can judge or that never hold."""
        found = [p for name, parameter in self.root.items() for p in parameter.problems(join_path("space", name))]
        found += self._unknown_names(fixed or {})
        cyclic = [name for name in self.root if name in self.depends_on(name)]
        found += [FieldProblem(join_path("space", name, "when"), f"{name} depends on itself") for name in cyclic]
        return found or self._impossible(fixed or {})

    def _unknown_names(self, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        known = {*self.root, *fixed}
        return [
            FieldProblem(
                join_path("space", name, "when", other),
                f"{other!r} is neither in space nor in fixed; allowed: {', '.join(sorted(known - {name}))}",
            )
            for name, parameter in self.root.items()
            for other in parameter.when
            if other not in known
        ]

    def _impossible(self, fixed: Mapping[str, Any]) -> list[FieldProblem]:
        """A parameter is active where all conditions of itself and its ancestors hold; each speaks of one name only."""
        found = []
        for name in self.root:
            needs: dict[str, list[Condition]] = {}
            for source in [name, *sorted(self.depends_on(name) & set(self.root))]:
                for other, condition in self.root[source].when.items():
                    needs.setdefault(other, []).append(condition)
            for other, conditions in needs.items():
                if not self._can_hold(other, conditions, fixed):
                    path = join_path("space", name, *(["when", other] if other in self.root[name].when else ["when"]))
                    found.append(FieldProblem(path, self._never(name, other, conditions, fixed)))
        return found

    def _can_hold(self, name: str, conditions: list[Condition], fixed: Mapping[str, Any]) -> bool:
        if name in self.root:
            return self.root[name].can_hold(conditions)
        return all(condition.holds(fixed[name]) for condition in conditions)

    def _never(self, name: str, other: str, conditions: list[Condition], fixed: Mapping[str, Any]) -> str:
        wanted = " and ".join(f"{other} {condition}" for condition in conditions)
        actual = f"{other} is always {fixed[other]!r}" if other not in self.root else f"no value of {other} does that"
        return f"{name} can never be active: it needs {wanted}, but {actual}"

    def _ordered(self) -> list[str]:
        """Names such that each comes after those its conditions speak of."""
        before = {
            name: [other for other in parameter.when if other in self.root] for name, parameter in self.root.items()
        }
        try:
            return list(TopologicalSorter(before).static_order())
        except CycleError as error:
            raise ValueError(f"conditions run in a circle: {' -> '.join(error.args[1])}") from error

    def _active(self, values: Mapping[str, Any], fixed: Mapping[str, Any]) -> Point:
        active: Point = {}
        for name in self._ordered():
            if _is_active(self.root[name], active, fixed):
                active[name] = values[name]
        return {name: active[name] for name in self.root if name in active}

    def _expand(self, names: list[str], fixed: Mapping[str, Any], point: Point) -> Iterator[Point]:
        if not names:
            yield point
            return
        name, rest = names[0], names[1:]
        if not _is_active(self.root[name], point, fixed):
            yield from self._expand(rest, fixed, point)
            return
        lattice = self.root[name].lattice()
        if lattice is None:
            raise ValueError(f"{name} is continuous: a grid needs a step")
        for value in lattice:
            yield from self._expand(rest, fixed, {**point, name: value})


def narrow(when: Mapping[str, Condition], extra: Mapping[str, Condition]) -> dict[str, Condition]:
    """Build the conditions that hold where both sets do."""
    merged = dict(when)
    for name, condition in extra.items():
        merged[name] = merged[name].narrowed(condition) if name in merged else condition
    return merged


def _is_active(parameter: Any, active: Mapping[str, Any], fixed: Mapping[str, Any]) -> bool:
    """What is inactive satisfies no condition."""
    known = {**fixed, **active}
    return all(name in known and condition.holds(known[name]) for name, condition in parameter.when.items())


def _open(parameter: Any, fixed: Mapping[str, Any]) -> dict[str, Condition]:
    return {name: condition for name, condition in parameter.when.items() if name not in fixed}


def _default(name: str, parameter: Any, defaults: Mapping[str, Any]) -> Any:
    if parameter.default is not None:
        return parameter.fallback
    base = name.rpartition(".")[0] or name
    return parameter.fit(defaults.get(name, defaults.get(base)))
