"""Katib: an Experiment of kubeflow.org/v1beta1, its numbers being text as Kubernetes wants it.

Sources: `experiment_types.go` of Katib, and its guides to experiments, algorithms and early stopping. What a normal
law is there (min and max lie 3 sigma from the mean) is said by its Hyperopt service alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from search.budget import MOST_EPOCHS, MOST_TRIALS
from search.draft import Draft
from search.foreign import Format, Imported, Place

OUTSIDE = ("trialTemplate", "metricsCollectorSpec", "resumePolicy")
NO_GRAPH = "there is no search for graphs of layers here: what varies is in parameters"
TYPES = {"double": "float", "int": "int", "discrete": "numbers", "categorical": "text"}
LAWS = {"uniform": (False, False), "logUniform": (True, False), "normal": (False, True), "logNormal": (True, True)}
"""Whether the law is of the logarithm, and whether it is normal."""
SIGMAS = 6
"""Sigmas from min to max."""
GOALS = {"maximize": True, "minimize": False}
BEST = {True: "max", False: "min"}
START_STEP, LEAST_TRIALS = 4, 3
"""Katib's defaults of medianstop."""

Setting = Callable[[Place], Mapping[str, Any]]


def _whole(name: str) -> Setting:
    return lambda place: {name: place.whole()}


def _number(name: str) -> Setting:
    return lambda place: {name: place.number()}


def _aside(place: Place) -> Mapping[str, Any]:
    place.note("the algorithm has no such setting here")
    return {}


def _acquisition(place: Place) -> Mapping[str, Any]:
    table: dict[str, dict[str, Any]] = {
        "gp_hedge": {},
        "EI": {"acquisition": "ei"},
        "PI": {"acquisition": "pi"},
        "LCB": {"acquisition": "ucb"},
        "EIps": {"acquisition": "ei", "per_second": True},
        "PIps": {"acquisition": "pi", "per_second": True},
    }
    if place.value == "gp_hedge":
        place.note("no acquisition is chosen as it goes: gp takes noisy expected improvement")
    return place.choose(table) or {}


def _model(place: Place) -> Mapping[str, Any]:
    if place.value not in ("GP", None):
        place.refuse("gp knows Gaussian processes only: take it out, or take the algorithm tpe")
    return {}


def _restart(place: Place) -> Mapping[str, Any]:
    return {} if place.value == "none" else _aside(place)


@dataclass(frozen=True)
class _Algorithm:
    """Our algorithm, what becomes of its settings, and what to note."""

    ours: dict[str, Any]
    settings: dict[str, Setting] = field(default_factory=dict)
    note: str | None = None


ALGORITHMS: dict[str, _Algorithm] = {
    "random": _Algorithm({"kind": "random"}),
    "grid": _Algorithm({"kind": "grid"}),
    "sobol": _Algorithm({"kind": "sobol"}),
    "bayesianoptimization": _Algorithm(
        {"kind": "gp"},
        {
            "base_estimator": _model,
            "n_initial_points": _whole("n_initial_points"),
            "acq_func": _acquisition,
            "acq_optimizer": _aside,
        },
        "the Gaussian process is not that of Scikit-Optimize",
    ),
    "tpe": _Algorithm(
        {"kind": "hyperopt", "algo": "tpe"},
        {"gamma": _number("gamma"), "n_EI_candidates": _aside, "prior_weight": _aside},
    ),
    "multivariate-tpe": _Algorithm(
        {"kind": "optuna", "sampler": "tpe", "multivariate": True},
        {"n_ei_candidates": _whole("n_ei_candidates"), "n_startup_trials": _whole("n_startup_trials")},
    ),
    "cmaes": _Algorithm({"kind": "optuna", "sampler": "cmaes"}, {"sigma": _aside, "restart_strategy": _restart}),
    "hyperband": _Algorithm({"kind": "random"}, dict.fromkeys(("resource_name", "r_l", "eta"), lambda place: {})),
}
REFUSED = {
    "pbt": "copies weights from trial to trial, and those of your program are not here: take random with medianstop; a"
    " network of our own trainer mlp has the scheduler pbt",
    "enas": NO_GRAPH,
    "darts": NO_GRAPH,
}


class Katib(Format):
    """Katib's Experiment (kubeflow.org/v1beta1), as JSON or as the text of its YAML file."""

    kind: ClassVar[str] = "katib"
    example: ClassVar[Any] = {
        "apiVersion": "kubeflow.org/v1beta1",
        "kind": "Experiment",
        "metadata": {"name": "median-stop"},
        "spec": {
            "objective": {"type": "maximize", "goal": 0.99, "objectiveMetricName": "Validation-accuracy"},
            "algorithm": {"algorithmName": "random"},
            "earlyStopping": {
                "algorithmName": "medianstop",
                "algorithmSettings": [{"name": "min_trials_required", "value": "1"}],
            },
            "parallelTrialCount": 2,
            "maxTrialCount": 15,
            "maxFailedTrialCount": 3,
            "parameters": [
                {"name": "lr", "parameterType": "double", "feasibleSpace": {"min": "0.01", "max": "0.5"}},
                {"name": "num-epochs", "parameterType": "int", "feasibleSpace": {"min": "3", "max": "4"}},
            ],
        },
    }

    @classmethod
    def recognises(cls, document: Any) -> bool:
        if not isinstance(document, dict):
            return False
        return document.get("kind") == "Experiment" or str(document.get("apiVersion")).startswith("kubeflow.org/")

    @classmethod
    def read(cls, document: Any) -> Imported:
        draft = Draft(document)
        spec = draft.document.need("spec")
        _read_around(draft.document, draft)
        _read_objective(spec.need("objective"), draft)
        algorithm = spec.get("algorithm")
        resource = _read_algorithm(algorithm, draft)
        for parameter in spec.get("parameters").items():
            _add_parameter(parameter, draft, resource)
        _read_stopping(spec.get("earlyStopping"), draft)
        _read_budget(spec, draft)
        spec.set_aside(OUTSIDE, "this has no counterpart: a program of yours asks for trials, trains, and tells")
        spec.set_aside(("nasConfig",), NO_GRAPH)
        spec.close()
        draft.job["start_from_default"] = False
        return draft.finish(cls.kind, algorithm.get("algorithmName"))


def _read_around(document: Place, draft: Draft) -> None:
    document.get("apiVersion").choose({"kubeflow.org/v1beta1": True})
    document.get("kind").choose({"Experiment": True})
    metadata = document.get("metadata")
    draft.job["name"] = metadata.get("name").text()
    rest = [name for name in metadata.fields() if name != "name"]
    if rest:
        metadata.note(f"only the name is taken, and not {', '.join(rest)}")
    document.set_aside(("status",), "what the service wrote is left out")
    document.close()


def _read_objective(objective: Place, draft: Draft) -> None:
    name, maximize = objective.need("objectiveMetricName").text(), objective.need("type").choose(GOALS)
    draft.job["objective"] = {"name": name, "maximize": bool(maximize)}
    further = [item.text() for item in objective.get("additionalMetricNames").items()]
    draft.job["metrics"] = [metric for metric in dict.fromkeys(further) if metric not in (name, None)]
    draft.set_budget(stop_at=objective.get("goal").number())
    for strategy in objective.get("metricStrategies").items():
        of, value = strategy.need("name").text(), strategy.need("value").text()
        strategy.close()
        if value != BEST[bool(maximize)]:
            strategy.note(f"{of} is taken at the step where the objective is best, and not by {value}")
    objective.close()


def _read_algorithm(algorithm: Place, draft: Draft) -> str | None:
    """Read what searches; give the name of the parameter that is hyperband's resource."""
    word = algorithm.need("algorithmName")
    if word.value in list(REFUSED):
        word.refuse(f"{word.value}: {REFUSED[word.value]}")
        return None
    chosen = word.choose(ALGORITHMS)
    settings = _settings(algorithm)
    algorithm.close()
    if chosen is None:
        return None
    draft.job["algorithm"] = dict(chosen.ours)
    if chosen.note:
        word.note(chosen.note)
    if "random_state" in settings:
        draft.job["seed"] = settings.pop("random_state").whole()
    for name, place in settings.items():
        known = {**chosen.settings, "random_state": _aside}
        if name not in known:
            place.refuse(f"{word.value} has no setting {name}; known: {', '.join(known)}")
            continue
        given = {key: value for key, value in known[name](place).items() if value is not None}
        draft.job["algorithm"].update(given)
    return _read_hyperband(word, settings, draft) if word.value == "hyperband" else None


def _settings(algorithm: Place) -> dict[str, Place]:
    """List settings by name: places of their values."""
    found = {}
    for setting in algorithm.get("algorithmSettings").items():
        name, value = setting.need("name").text(), setting.need("value")
        setting.close()
        if name is not None:
            found[name] = value
    return found


def _read_hyperband(word: Place, settings: Mapping[str, Place], draft: Draft) -> str | None:
    for name in ("resource_name", "r_l"):
        if name not in settings:
            word.refuse(f"hyperband needs the setting {name}")
            return None
    resource, most = settings["resource_name"].text(), settings["r_l"].whole(1, MOST_EPOCHS)
    factor = settings["eta"].number() if "eta" in settings else None
    draft.job["scheduler"] = {"kind": "hyperband"} | ({} if factor is None else {"reduction_factor": factor})
    draft.set_budget(epochs_per_trial=most)
    word.note(
        f"{resource} is no parameter but the number of steps: a trial is told step by step, up to {most}, and paused"
        " where it waits for others; the scheduler hyperband keeps all that wait open, so parallelTrialCount is not"
        " taken"
    )
    return resource


def _add_parameter(place: Place, draft: Draft, resource: str | None) -> None:
    name, kind = place.need("name"), place.need("parameterType").choose(TYPES)
    space = place.need("feasibleSpace")
    place.close()
    if kind is None or (resource is not None and name.value == resource):
        return
    if kind in ("numbers", "text"):
        values = space.need("list")
        read = Place.number if kind == "numbers" else Place.text
        draft.add(name, {"type": "choice", "values": [read(item) for item in values.items()]}, {"values": values})
    else:
        whole = kind == "int"
        fields = {"low": space.need("min"), "high": space.need("max"), "step": space.get("step")}
        numbers = {key: (Place.whole if whole else Place.number)(field) for key, field in fields.items()}
        draft.add(name, {"type": kind, **numbers, **_read_law(space, numbers)}, fields)
    space.close()


def _read_law(space: Place, numbers: Mapping[str, float | None]) -> dict[str, Any]:
    distribution = space.get("distribution")
    of_logarithm, is_normal = distribution.choose(LAWS) or (False, False)
    low, high = numbers["low"], numbers["high"]
    law: dict[str, Any] = {"log": of_logarithm or None}
    if not is_normal or low is None or high is None or low >= high or (of_logarithm and low <= 0):
        return law
    ends = (math.log(low), math.log(high)) if of_logarithm else (low, high)
    mean, sigma = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / SIGMAS
    distribution.note("min and max lie 3 sigma from the mean, as in Katib with Hyperopt; no value lies beyond them")
    return law | {"mean": float(f"{mean:.12g}"), "sigma": float(f"{sigma:.12g}")}


def _read_stopping(stopping: Place, draft: Draft) -> None:
    if not stopping.is_there:
        return
    stopping.need("algorithmName").choose({"medianstop": True})
    settings = _settings(stopping)
    ours = {"grace_period": START_STEP, "min_samples_required": LEAST_TRIALS}
    for theirs, name in (("start_step", "grace_period"), ("min_trials_required", "min_samples_required")):
        if theirs in settings and (value := settings.pop(theirs).whole(0, MOST_EPOCHS)) is not None:
            ours[name] = max(value, 1)
    for name, place in settings.items():
        place.refuse(f"medianstop has no setting {name}; known: min_trials_required, start_step")
    if "scheduler" in draft.job:
        stopping.refuse("hyperband stops trials itself: take one of them")
    draft.job["scheduler"] = {"kind": "median", **ours}
    stopping.note("a step is what a trial tells once; there it is a line of metrics")
    stopping.close()


def _read_budget(spec: Place, draft: Draft) -> None:
    trials, at_once = (spec.get(name).whole(1, MOST_TRIALS) for name in ("maxTrialCount", "parallelTrialCount"))
    draft.set_budget(trials=trials)
    if not spec.get("maxTrialCount").is_there:
        spec.get("maxTrialCount").note("no limit is given: budget.trials has its default, set yours")
    if draft.job.get("scheduler", {}).get("kind") != "hyperband":
        draft.job["parallelism"] = at_once
    draft.job["max_failed_trials"] = spec.get("maxFailedTrialCount").whole(0, MOST_TRIALS)
