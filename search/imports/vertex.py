"""Vertex AI: a StudySpec, by itself or in a Study or HyperparameterTuningJob.

Sources: REST reference of Vertex AI v1 (StudySpec, HyperparameterTuningJob), and `study.proto` of the open-source
Vizier, whose field names are in snake_case and whose `algorithm` is a free word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from search.budget import MOST_EPOCHS, MOST_TRIALS
from search.conditions import same_value
from search.draft import Draft, is_name
from search.foreign import Format, Imported, Place, shorten
from search.vertex_study import read_end, read_metrics

WRITTEN = ("name", "state", "createTime", "startTime", "endTime", "updateTime", "error", "trials", "inactiveReason")
PROGRAM = ("trialJobSpec", "encryptionSpec")
SCALES: dict[str, Literal["reverse"] | bool | None] = {
    "SCALE_TYPE_UNSPECIFIED": None,
    "UNIT_LINEAR_SCALE": None,
    "UNIT_LOG_SCALE": True,
    "UNIT_REVERSE_LOG_SCALE": "reverse",
}
KINDS = {
    "doubleValueSpec": "float",
    "integerValueSpec": "int",
    "categoricalValueSpec": "text",
    "discreteValueSpec": "numbers",
}
CONDITIONS = {"parentDiscreteValues": "numbers", "parentIntValues": "int", "parentCategoricalValues": "text"}
CLOSE = 1e-10
"""Discrete values that differ by less are the same."""

_OWN = "Vizier's own Bayesian search is not here: gp takes its place"
ALGORITHMS: dict[str, tuple[dict[str, Any], str | None]] = {
    "ALGORITHM_UNSPECIFIED": ({"kind": "gp"}, _OWN),
    "GRID_SEARCH": ({"kind": "grid"}, None),
    "RANDOM_SEARCH": ({"kind": "random"}, None),
    "DEFAULT": ({"kind": "gp"}, _OWN),
    "GAUSSIAN_PROCESS_BANDIT": ({"kind": "gp"}, _OWN),
    "GP_UCB_PE": ({"kind": "gp", "acquisition": "ucb"}, _OWN),
    "EMUKIT_GP_EI": ({"kind": "gp", "acquisition": "ei"}, "another Gaussian process: gp with acquisition ei"),
    "QUASI_RANDOM_SEARCH": ({"kind": "sobol"}, "another sequence that spreads evenly: sobol"),
    "SHUFFLED_GRID_SEARCH": ({"kind": "grid"}, "the grid goes in its own order"),
    "CMA_ES": ({"kind": "optuna", "sampler": "cmaes"}, None),
    "NSGA2": ({"kind": "optuna", "sampler": "nsgaii"}, None),
    "EAGLE_STRATEGY": (
        {"kind": "evolution"},
        "the eagle strategy is not here: another search by a population, evolution",
    ),
}
ALGORITHM_NUMBERS = {0: "ALGORITHM_UNSPECIFIED", 2: "GRID_SEARCH", 3: "RANDOM_SEARCH"}
SCALE_NUMBERS = dict(enumerate(SCALES))
STOPPING: dict[str, str | None] = {
    "medianAutomatedStoppingSpec": None,
    "decayCurveStoppingSpec": "no decay curves are fitted here: the median rule takes their place",
    "convexAutomatedStoppingSpec": "no curves are extrapolated here: the median rule takes the place of the convex one",
    "defaultStoppingSpec": "what Vizier does by default is not said: the median rule takes its place",
}


class Vertex(Format):
    """Vertex AI's StudySpec, also in a Study or HyperparameterTuningJob, and that of the open-source Vizier."""

    kind: ClassVar[str] = "vertex"
    example: ClassVar[Any] = {
        "maxTrialCount": 16,
        "parallelTrialCount": 2,
        "studySpec": {
            "metrics": [{"metricId": "val_rmse", "goal": "MINIMIZE"}],
            "parameters": [
                {
                    "parameterId": "batch_size",
                    "discreteValueSpec": {"values": [4, 8, 16, 32, 64, 128]},
                    "conditionalParameterSpecs": [
                        {
                            "parentDiscreteValues": {"values": [4, 8, 16]},
                            "parameterSpec": {
                                "parameterId": "learning_rate",
                                "doubleValueSpec": {"minValue": 1e-7, "maxValue": 1},
                                "scaleType": "UNIT_LOG_SCALE",
                            },
                        }
                    ],
                }
            ],
            "algorithm": "RANDOM_SEARCH",
        },
    }

    @classmethod
    def recognises(cls, document: Any) -> bool:
        if not isinstance(document, dict):
            return False
        parameters = document.get("parameters")
        first = parameters[0] if isinstance(parameters, list) and parameters else None
        inside = isinstance(first, dict) and ("parameterId" in first or "parameter_id" in first)
        return inside or "studySpec" in document or "study_spec" in document

    @classmethod
    def read(cls, document: Any) -> Imported:
        draft = Draft(document)
        study = draft.document
        if study.get("studySpec").is_there:
            _read_around(study, draft)
            study = study.get("studySpec")
        read_metrics(study.need("metrics"), draft)
        for parameter in study.need("parameters").items():
            _add_parameter(parameter, draft, {})
        algorithm = study.get("algorithm").as_word(ALGORITHM_NUMBERS)
        _read_algorithm(algorithm, draft)
        _read_stopping(study, draft)
        read_end(study.get("studyStoppingConfig"), draft)
        if study.get("measurementSelectionType").value != "BEST_MEASUREMENT" and "scheduler" in draft.job:
            study.get("measurementSelectionType").note("the last measurement decides there; here the best step does")
        study.set_aside(("observationNoise", "metadata"), "this has no counterpart")
        study.close()
        return draft.finish(cls.kind, algorithm)


@dataclass(frozen=True)
class _Parent:
    """What the condition of a child may name."""

    name: str
    kind: str
    values: list[Any]
    low: Any = None
    high: Any = None


def _read_around(job: Place, draft: Draft) -> None:
    draft.job["name"] = job.get("displayName").text() or None
    draft.job["labels"] = {name: place.text() for name, place in job.get("labels").fields().items()}
    draft.set_budget(trials=job.get("maxTrialCount").whole(1, MOST_TRIALS))
    draft.job["parallelism"] = job.get("parallelTrialCount").whole(1, MOST_TRIALS)
    seen = job.get("maxFailedTrialCount").whole(0, MOST_TRIALS)
    draft.job["max_failed_trials"] = seen - 1 if seen else None  # there the job fails with the last of them
    job.set_aside(PROGRAM, "this has no counterpart: a program of yours asks for trials, trains, and tells")
    job.set_aside(WRITTEN, "what the service wrote is left out")
    job.close()


def _add_parameter(place: Place, draft: Draft, when: Mapping[str, list[Any]]) -> None:
    name = place.need("parameterId")
    specs = {kind: spec for field, kind in KINDS.items() if (spec := place.get(field)).is_there}
    scale_place = place.get("scaleType").as_word(SCALE_NUMBERS)
    scale = scale_place.choose(SCALES)
    children = place.get("conditionalParameterSpecs").items()
    place.close()
    if len(specs) != 1:
        place.refuse(f"one of {', '.join(KINDS)} is expected, {len(specs)} are given")
        return
    ((kind, spec),) = specs.items()
    default = spec.get("defaultValue")
    if kind in ("float", "int"):
        read = Place.whole if kind == "int" else Place.number
        fields = {"low": spec.need("minValue"), "high": spec.need("maxValue"), "default": default}
        parameter: dict[str, Any] = {key: read(field) for key, field in fields.items()} | {"log": scale, "type": kind}
        parent = _Parent(name.value, kind, [], parameter["low"], parameter["high"])
    else:
        fields = {"values": spec.need("values"), "default": default}
        values = [_read_value(item, kind) for item in fields["values"].items()]
        parameter = {"type": "choice", "values": values, "default": _nearest(_read_value(default, kind), values, kind)}
        parent = _Parent(name.value, kind, values)
        if scale:
            scale_place.note("values of a list have no scale: neighbours in it count as equally far apart")
    spec.close()
    draft.job["start_from_default"] = default.is_there or draft.job.get("start_from_default", False)
    draft.add(name, parameter, fields, when)
    if not is_name(name):
        return
    inherited = when if name.value in draft.fixed else {}
    for child in children:
        _add_child(child, draft, parent, inherited)


def _add_child(place: Place, draft: Draft, parent: _Parent, inherited: Mapping[str, list[Any]]) -> None:
    """Add a parameter that is active for some values of its parent."""
    spec = place.need("parameterSpec")
    conditions = {kind: given for field, kind in CONDITIONS.items() if (given := place.get(field)).is_there}
    place.close()
    if list(conditions) != [parent.kind]:
        wanted = [field for field, kind in CONDITIONS.items() if kind == parent.kind]
        expected = f"give {wanted[0]} and no other" if wanted else "a DOUBLE parameter decides nothing: take it out"
        place.refuse(f"{parent.name} is to decide here: {expected}")
        return
    given = conditions[parent.kind]
    values = [_legal(item, parent) for item in given.need("values").items()]
    given.close()
    _add_parameter(spec, draft, {**inherited, parent.name: values})


def _legal(item: Place, parent: _Parent) -> Any:
    value = _nearest(_read_value(item, parent.kind), parent.values, parent.kind, CLOSE)
    if parent.kind == "int":
        inside = value is None or None in (parent.low, parent.high) or parent.low <= value <= parent.high
    else:
        inside = value is None or any(same_value(value, other) for other in parent.values)
    if not inside:
        item.refuse(f"{shorten(value)} is no value of {parent.name}")
    return value


def _read_value(place: Place, kind: str) -> Any:
    return {"text": Place.text, "numbers": Place.number, "int": Place.whole}[kind](place)


def _nearest(value: Any, values: list[Any], kind: str, reach: float | None = None) -> Any:
    """Round to a discrete value, as Vertex AI does: a default to any, a condition to one that is very close."""
    legal = [other for other in values if other is not None]
    if kind != "numbers" or value is None or not legal:
        return value
    nearest = min(legal, key=lambda other: abs(other - value))
    return nearest if reach is None or abs(nearest - value) <= reach else value


def _read_algorithm(algorithm: Place, draft: Draft) -> None:
    found = ALGORITHMS["ALGORITHM_UNSPECIFIED"] if not algorithm.value else algorithm.choose(ALGORITHMS)
    if found is not None:
        draft.job["algorithm"], message = dict(found[0]), found[1]
        if message:
            algorithm.note(message)


def _read_stopping(study: Place, draft: Draft) -> None:
    for field, message in STOPPING.items():
        rule = study.get(field)
        if not rule.is_there:
            continue
        draft.job["scheduler"] = {"kind": "median"}
        if rule.get("useElapsedDuration").flag():
            rule.get("useElapsedDuration").refuse("trials are compared at the same step here, not time: take it out")
        if field == "convexAutomatedStoppingSpec":
            grace = rule.get("minStepCount").whole(0, MOST_EPOCHS)
            draft.job["scheduler"] |= {} if grace is None else {"grace_period": max(grace, 1)}
            draft.set_budget(epochs_per_trial=rule.get("maxStepCount").whole(1, MOST_EPOCHS))
            aside = ("minMeasurementCount", "learningRateParameterName", "updateAllStoppedTrials")
            rule.set_aside(aside, "the median rule has no such setting")
        if message:
            rule.note(message)
        rule.close()
