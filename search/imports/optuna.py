"""Optuna's distributions: the JSON of `optuna.distributions.distribution_to_json`, by parameter name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from search.draft import Draft
from search.foreign import Format, Imported, Place

_FLOAT = {"low": "low", "high": "high", "log": "log", "step": "step"}
_BARE = {"low": "low", "high": "high"}
CLASSES: dict[str, tuple[str, Mapping[str, str], bool]] = {
    "FloatDistribution": ("float", _FLOAT, False),
    "IntDistribution": ("int", _FLOAT, False),
    "CategoricalDistribution": ("choice", {"values": "choices"}, False),
    "UniformDistribution": ("float", _BARE, False),
    "LogUniformDistribution": ("float", _BARE, True),
    "DiscreteUniformDistribution": ("float", {**_BARE, "step": "q"}, False),
    "IntUniformDistribution": ("int", {**_BARE, "step": "step"}, False),
    "IntLogUniformDistribution": ("int", {**_BARE, "step": "step"}, True),
}
"""By class: the type of our parameter, where its fields come from, and whether the class itself says log."""
ABBREVIATIONS = {"float": "FloatDistribution", "int": "IntDistribution", "categorical": "CategoricalDistribution"}
OBJECTIVE = {"name": "value", "maximize": False}
SAMPLER = {"kind": "optuna", "multivariate": False}


class Optuna(Format):
    """Optuna's distributions, by name: what `distribution_to_json` writes, also the class names of before 3.0."""

    kind: ClassVar[str] = "optuna"
    example: ClassVar[Any] = {
        "x": {"name": "FloatDistribution", "attributes": {"low": -10.0, "high": 10.0, "log": False, "step": None}},
        "layers": {"name": "IntDistribution", "attributes": {"low": 1, "high": 3, "log": False, "step": 1}},
        "optimizer": {"name": "CategoricalDistribution", "attributes": {"choices": ["MomentumSGD", "Adam"]}},
    }

    @classmethod
    def recognises(cls, document: Any) -> bool:
        return isinstance(document, dict) and any(_is_distribution(_opened(value)) for value in document.values())

    @classmethod
    def read(cls, document: Any) -> Imported:
        draft = Draft(document)
        for name, place in draft.document.fields().items():
            _add(draft, name, Place(_opened(place.value), place.path, draft.report))
        draft.job |= {"objective": OBJECTIVE, "algorithm": SAMPLER, "start_from_default": False}
        draft.document.note(
            "distributions say nothing else of a study: the objective is 'value', minimised, and the algorithm TPE, as"
            " Optuna has them by default; budget.trials is not said either"
        )
        return draft.finish(cls.kind, draft.document)


def _add(draft: Draft, name: str, distribution: Place) -> None:
    is_short = isinstance(distribution.value, dict) and "name" not in distribution.value
    if is_short:
        short = distribution.need("type").choose(ABBREVIATIONS)
        chosen, attributes = CLASSES[short] if short else None, distribution
    else:
        chosen, attributes = distribution.need("name").choose(CLASSES), distribution.need("attributes")
    if chosen is None:
        return
    kind, sources, is_log = chosen
    fields = {ours: attributes.get(theirs) for ours, theirs in sources.items()}
    parameter = {ours: _read(place, ours, kind) for ours, place in fields.items()}
    for ours in {"low", "high", "values"} & set(sources):
        attributes.need(sources[ours])
    attributes.close()
    distribution.close()
    parameter |= {"log": True} if is_log or parameter.get("log") else {"log": None}
    if kind == "int" and parameter.get("step") == 1:
        parameter["step"] = None
    draft.add(Place(name, distribution.path, draft.report), {"type": kind, **parameter}, fields)


def _read(place: Place, field: str, kind: str) -> Any:
    if field == "values":
        return [item.value for item in place.items()]
    if field == "log":
        return place.flag()
    return place.whole() if kind == "int" else place.number()


def _opened(value: Any) -> Any:
    """Open a distribution that is still the text that Optuna wrote."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return value


def _is_distribution(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    return value.get("name") in list(CLASSES) or value.get("type") in list(ABBREVIATIONS)
