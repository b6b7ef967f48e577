"""Specs of other tuners become jobs of ours: each format on the examples of its own documentation."""

from __future__ import annotations

import copy
import inspect
import json
import math
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna.distributions as theirs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.schema import TableSchema
from search.discovery import FORMATS
from search.documents import import_document, read_text
from search.foreign import Imported, Unreadable
from search.objective import Objective
from search.space import Space
from tests.search import foreign_specs as specs
from workers.resolved import ResolvedJob
from workers.spec import SpecError, read_spec, resolve

ROOT = Path(__file__).resolve().parents[2]
ODD = st.sampled_from([None, [], {}, "x", "1e999", -1, 0, True, 1e308, [[]], {"values": None}, ["a", 1], "NaN"])


def resolved(imported: Imported) -> ResolvedJob:
    return resolve(read_spec(imported.job), TableSchema(rows=0, columns=[]))


def refusals(document: Any, kind: str | None = None) -> dict[str, str]:
    with pytest.raises(Unreadable) as refused:
        import_document(document, kind)
    return {problem.path: problem.message for problem in refused.value.problems}


def notes_of(imported: Imported) -> dict[str, str]:
    return {note.path: note.message for note in imported.notes}


def study(*parameters: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {"metrics": [{"metricId": "m", "goal": "MAXIMIZE"}], "parameters": list(parameters), **changes}


def number(name: str, low: Any, high: Any, kind: str = "double", **more: Any) -> dict[str, Any]:
    return {"parameterId": name, f"{kind}ValueSpec": {"minValue": low, "maxValue": high}, **more}


def child(spec: dict[str, Any], *values: Any, of: str = "parentCategoricalValues") -> dict[str, Any]:
    return {"parameterSpec": spec, of: {"values": list(values)}}


def test_every_file_in_the_folder_is_a_format_whose_example_imports() -> None:
    assert set(FORMATS) == {path.stem for path in (ROOT / "search" / "imports").glob("*.py")} - {"__init__"}
    for kind, form in FORMATS.items():
        assert form.about().endswith(".")
        assert import_document(form.example).format == kind
        assert resolved(import_document(form.example, kind)).trainer == "external"


@pytest.mark.parametrize("name", specs.IMPORTED)
def test_a_documented_example_is_recognised_and_resolves_as_a_job(name: str) -> None:
    imported = import_document(specs.IMPORTED[name])
    assert imported.format == name.partition("-")[0].replace("vizier", "vertex")
    job = resolved(imported)
    assert set(job.space.parameters) == set(imported.job["space"])
    assert json.loads(json.dumps(imported.job, allow_nan=False)) == imported.job
    for unit in (0.0, 0.3, 1.0):
        assert job.space.decode(dict.fromkeys(job.space.parameters, unit))


@pytest.mark.parametrize("name", specs.IMPORTED)
def test_text_of_json_is_read_as_the_json(name: str) -> None:
    document = specs.IMPORTED[name]
    if not isinstance(document, str):
        assert import_document(json.dumps(document)) == import_document(document)


def test_children_of_a_vertex_parameter_are_active_for_its_values() -> None:
    job = resolved(import_document(specs.VERTEX_CONDITIONAL))
    assert (job.trials, job.parallelism, job.algorithm.kind, job.objective.name) == (4, 2, "random", "val_rmse")
    assert not job.objective.maximize
    sizes = {size: set(job.space.decode({"batch_size": code})) for code, size in enumerate([4, 8, 16, 32, 64, 128])}
    rate, decay = {"batch_size", "learning_rate"}, {"batch_size", "decay"}
    assert sizes == {4: rate, 8: rate, 16: rate, 32: decay, 64: decay, 128: {"batch_size"}}


def test_a_tuning_job_of_vertex_brings_budget_labels_and_scales() -> None:
    imported = import_document(specs.VERTEX_SDK)
    assert imported.job["space"] == {
        "lr": {"type": "float", "low": 0.001, "high": 0.1, "log": True},
        "units": {"type": "int", "low": 4, "high": 128},
        "activation": {"type": "choice", "values": ["relu", "selu"]},
        "batch_size": {"type": "choice", "values": [128, 256]},
    }
    assert imported.job | {"space": 0} == {
        "name": "hp-test",
        "labels": {"my_key": "my_value"},
        "trainer": "external",
        "space": 0,
        "objective": {"name": "loss", "maximize": False},
        "algorithm": {"kind": "gp"},
        "scheduler": {"kind": "fifo"},
        "budget": {"trials": 128, "epochs_per_trial": 1},
        "parallelism": 8,
        "start_from_default": False,
    }
    assert "gp" in notes_of(imported)["study_spec.algorithm"]
    assert import_document(specs.VERTEX_SDK | {"maxFailedTrialCount": 3}).job["max_failed_trials"] == 2
    words = study({**number("x", 0.1, 1), "scaleType": 3}, algorithm=3)
    assert import_document(words).job["space"]["x"]["log"] == "reverse"
    assert import_document(words).job["algorithm"] == {"kind": "random"}
    assert "got 9" in refusals(study({**number("x", 0.1, 1), "scaleType": 9}))["parameters.0.scaleType"]
    assert "no counterpart" in notes_of(import_document(specs.VERTEX_CONDITIONAL))["trialJobSpec"]


def test_defaults_of_vizier_are_tried_first() -> None:
    imported = import_document(specs.VIZIER_FLAT)
    job = resolved(imported)
    assert job.start_from_default
    assert job.space.default_point()["double_with_default"] == 0.5
    parameter = {"parameterId": "d", "discreteValueSpec": {"values": [1.5, 2.5, 4], "defaultValue": 3.6}}
    assert import_document(study(parameter)).job["space"]["d"]["default"] == 4


def test_a_logarithm_from_zero_as_in_the_guide_of_vizier_is_refused_where_it_stands() -> None:
    path = "parameters.0.conditional_parameter_specs.2.parameter_spec.double_value_spec.min_value"
    assert refusals(specs.vizier_conditional(0.0))[path] == "log needs low above 0, got 0"
    space = import_document(specs.vizier_conditional(0.001)).job["space"]
    assert space["adam_beta1"]["log"] == "reverse"
    assert space["adam_beta1"]["when"] == {"optimizer": ["adam"]}


def test_metrics_of_vertex_are_objectives_and_those_with_a_safety_config_limits() -> None:
    pair = resolved(import_document(specs.VERTEX_VIZIER))
    assert pair.objective == Objective(name="y1", maximize=False)
    assert (pair.further_objectives, pair.limits) == ([Objective(name="y2", maximize=True)], [])
    safe = import_document(specs.VERTEX_SAFETY)
    assert safe.job["objective"] == [{"name": "outcome_1", "maximize": True}, {"name": "outcome_2", "maximize": False}]
    assert safe.job["limits"] == [{"metric": "outcome_3", "at_least": 0}]
    said = notes_of(safe)
    assert "dominated" in said["study_spec.metrics"]
    assert "no counterpart" in said["study_spec.metrics.2.safety_config.desired_min_safe_trials_fraction"]
    aims = resolved(safe).aims
    assert aims.keeps([1, 1, 0])
    assert aims.broken([1, 1, -2]) == {"outcome_3": 2}


def test_the_side_of_a_safety_threshold_follows_the_goal_and_it_is_0_unless_given() -> None:
    spec = study(number("x", 0, 1))
    spec["metrics"] += [
        {"metricId": "cost", "goal": "MINIMIZE", "safetyConfig": {"safetyThreshold": "2.5"}},
        {"metricId": "profit", "goal": 0, "safetyConfig": {"desiredMinSafeTrialsFraction": 0}},
    ]
    imported = import_document(spec)
    assert imported.job["objective"] == {"name": "m", "maximize": True}
    assert imported.job["limits"] == [{"metric": "cost", "at_most": 2.5}, {"metric": "profit", "at_least": 0}]
    said = notes_of(imported)
    assert set(said) == {"metrics.2.goal", "metrics.2.safetyConfig", "algorithm", ""}
    assert "0, as there" in said["metrics.2.safetyConfig"]
    assert len(resolved(imported).limits) == 2


def test_metrics_of_vertex_that_no_job_can_have_are_refused_by_name() -> None:
    def metrics(*given: dict[str, Any]) -> dict[str, str]:
        return refusals(study(number("x", 0, 1), metrics=list(given)))

    five = metrics(*({"metricId": f"m{place}", "goal": "MINIMIZE"} for place in range(5)))
    assert list(five) == ["metrics.4"]
    assert "4 objectives at most" in five["metrics.4"]
    unsafe = {"metricId": "s", "goal": "MAXIMIZE", "safetyConfig": {"safetyThreshold": 1}}
    assert "name one without it" in metrics(unsafe)["metrics"]
    assert "another metric" in metrics({"metricId": "s"}, unsafe)["metrics.1.metricId"]
    odd = {**unsafe, "safetyConfig": {"safetyTreshold": 1, "desiredMinSafeTrialsFraction": 2}}
    assert metrics({"metricId": "m"}, odd) == {
        "metrics.1.safetyConfig.safetyTreshold": "this field is not known; did you mean safetyThreshold?",
        "metrics.1.safetyConfig.desiredMinSafeTrialsFraction": "a number from 0 to 1 is expected, got 2",
    }
    assert metrics({"metricId": ""})["metrics.0.metricId"] == "a name has 1 to 200 characters; this one has 0"


def test_rules_that_compare_one_objective_are_left_out_with_several_as_vertex_does() -> None:
    end = {"maxNumTrials": 50, "maxNumTrialsNoProgress": 10, "maxDurationNoProgress": "60s"}
    spec = study(number("x", 0, 1), studyStoppingConfig=end, medianAutomatedStoppingSpec={})
    assert list(refusals(spec)) == ["studyStoppingConfig.maxDurationNoProgress"]
    spec["metrics"].append({"metricId": "n", "goal": "MINIMIZE"})
    imported = import_document(spec)
    assert imported.job["budget"] == {"trials": 50, "epochs_per_trial": 30}
    for field in ("maxNumTrialsNoProgress", "maxDurationNoProgress"):
        assert "one objective only" in notes_of(imported)[f"studyStoppingConfig.{field}"]
    job = resolved(imported)
    assert (job.scheduler.kind, job.trials, len(job.further_objectives)) == ("median", 50, 1)


def test_conditions_of_vertex_nest_and_fit_their_parents() -> None:
    grandchild = child(number("momentum", 0, 0.9), 2, of="parentIntValues")
    depth = number("depth", "1", "3", "integer", conditionalParameterSpecs=[grandchild])
    net = {
        "parameterId": "net",
        "categoricalValueSpec": {"values": ["deep", "linear"]},
        "conditionalParameterSpecs": [child(depth, "deep")],
    }
    space = Space.model_validate(import_document(study(net)).job["space"])
    assert set(space.decode({"net": 0, "depth": 2, "momentum": 0.5})) == {"net", "depth", "momentum"}
    assert set(space.decode({"net": 0, "depth": 3, "momentum": 0.5})) == {"net", "depth"}
    assert set(space.decode({"net": 1, "depth": 2, "momentum": 0.5})) == {"net"}
    bad = copy.deepcopy(net)
    bad["conditionalParameterSpecs"] = [child(depth, "shallow"), child(number("b", 0, 1), 1, of="parentIntValues")]
    found = refusals(study(bad))
    assert "is no value of net" in found["parameters.0.conditionalParameterSpecs.0.parentCategoricalValues.values.0"]
    assert "give parentCategoricalValues" in found["parameters.0.conditionalParameterSpecs.1"]


def test_a_child_that_comes_twice_is_one_parameter_if_it_is_the_same_and_refused_else() -> None:
    def net(high: float) -> dict[str, Any]:
        children = [child(number("rate", 0.1, 1), "a"), child(number("rate", 0.1, high), "b")]
        values = {"values": ["a", "b", "c"]}
        return {"parameterId": "net", "categoricalValueSpec": values, "conditionalParameterSpecs": children}

    assert import_document(study(net(1))).job["space"]["rate"]["when"] == {"net": ["a", "b"]}
    (path,) = refusals(study(net(2)))
    assert path == "parameters.0.conditionalParameterSpecs.1.parameterSpec.parameterId"


def test_stopping_rules_of_vertex_become_the_median_rule() -> None:
    x = number("x", 0, 1)
    exact = import_document(study(x, medianAutomatedStoppingSpec={}, measurementSelectionType="BEST_MEASUREMENT"))
    assert exact.job["scheduler"] == {"kind": "median"}
    assert set(notes_of(exact)) == {"algorithm", ""}
    convex = import_document(study(x, convexAutomatedStoppingSpec={"maxStepCount": "50", "minStepCount": "5"}))
    assert convex.job["scheduler"] == {"kind": "median", "grace_period": 5}
    assert convex.job["budget"] == {"epochs_per_trial": 50}
    assert "median rule" in notes_of(convex)["convexAutomatedStoppingSpec"]
    assert "last measurement" in notes_of(convex)["measurementSelectionType"]
    by_time = study(x, decayCurveStoppingSpec={"useElapsedDuration": True})
    assert list(refusals(by_time)) == ["decayCurveStoppingSpec.useElapsedDuration"]


def test_the_end_of_a_study_becomes_a_budget() -> None:
    end = {"maxNumTrials": 50, "maxNumTrialsNoProgress": 10, "maximumRuntimeConstraint": {"maxDuration": "3600s"}}
    job = import_document(study(number("x", 0, 1), studyStoppingConfig=end)).job
    assert job["budget"] == {"trials": 50, "patience_trials": 10, "seconds": 3600, "epochs_per_trial": 1}
    bad = study(number("x", 0, 1), studyStoppingConfig={"minNumTrials": 3})
    assert list(refusals(bad)) == ["studyStoppingConfig.minNumTrials"]


def test_settings_of_katibs_algorithms_are_taken_noted_or_refused() -> None:
    gp = import_document(katib_with("bayesianoptimization", random_state="10", acq_func="LCB", n_initial_points="5"))
    assert gp.job["algorithm"] == {"kind": "gp", "acquisition": "ucb", "n_initial_points": 5}
    assert gp.job["seed"] == 10
    tpe = import_document(katib_with("tpe", gamma="0.2", prior_weight="1.1"))
    assert tpe.job["algorithm"] == {"kind": "hyperopt", "algo": "tpe", "gamma": 0.2}
    assert "no such setting" in notes_of(tpe)["spec.algorithm.algorithmSettings.1.value"]
    found = refusals(katib_with("tpe", sigma="0.1"))
    assert "gamma" in found["spec.algorithm.algorithmSettings.0.value"]
    assert "tpe" in refusals(katib_with("bayesianoptimization", base_estimator="RF")).popitem()[1]


def katib_with(algorithm: str, **given: str) -> dict[str, Any]:
    return specs.katib(algorithm, given)


def test_goal_metrics_and_failures_of_katib_are_those_of_the_job() -> None:
    job = import_document(specs.katib("random")).job
    assert job["objective"] == {"name": "Validation-accuracy", "maximize": True}
    assert job["metrics"] == ["Train-accuracy"]
    assert job["budget"] == {"stop_at": 0.99, "trials": 12, "epochs_per_trial": 1}
    assert (job["parallelism"], job["max_failed_trials"], job["name"]) == (3, 3, "random")
    assert job["space"]["num-layers"] == {"type": "int", "low": 2, "high": 5}


def test_katibs_yaml_with_medianstop_is_read_from_its_text() -> None:
    imported = import_document(specs.KATIB_MEDIAN_STOP_YAML)
    assert imported.job["scheduler"] == {"kind": "median", "grace_period": 2, "min_samples_required": 1}
    assert "namespace" in notes_of(imported)["metadata"]
    assert "no counterpart" in notes_of(imported)["spec.trialTemplate"]
    assert "epochs_per_trial" in notes_of(imported)[""]


def test_laws_of_katib_are_drawn_as_its_services_draw_them() -> None:
    imported = import_document(specs.KATIB_HYPEROPT_LAWS)
    space = imported.job["space"]
    assert space["lr"] == {"type": "float", "low": 0.01, "high": 0.05, "step": 0.01, "mean": 0.03} | {
        "sigma": pytest.approx(0.04 / 6)
    }
    assert space["epochs"] == {"type": "int", "low": 1, "high": 3, "log": True}
    assert space["batch_size"]["mean"] == pytest.approx(math.log(32 * 64) / 2)
    assert space["batch_size"]["sigma"] == pytest.approx(math.log(2) / 6)
    assert "3 sigma" in notes_of(imported)["spec.parameters.0.feasibleSpace.distribution"]
    assert import_document(specs.KATIB_OPTUNA_LAWS).job["space"]["lr"]["step"] == 0.1


def test_a_grid_that_is_cut_off_is_drawn_from_and_a_whole_one_is_tried() -> None:
    cut = import_document(specs.KATIB_GRID)
    assert (cut.job["algorithm"], cut.job["budget"]["trials"]) == ({"kind": "random"}, 12)
    assert "more than 12 points" in notes_of(cut)["spec.algorithm.algorithmName"]
    whole = copy.deepcopy(specs.KATIB_GRID)
    whole["spec"]["maxTrialCount"] = 200
    assert resolved(import_document(whole)).trials == 10 * 4 * 3
    endless = study(*(number(f"x{n}", 1, 1000, "integer") for n in range(9)), algorithm="GRID_SEARCH")
    assert "more than 100000 points" in refusals(endless)["algorithm"]
    assert "continuous" in refusals(specs.katib("grid"))["spec.parameters.0.name"]


def test_the_resource_of_hyperband_is_the_steps_of_a_trial() -> None:
    imported = import_document(specs.KATIB_HYPERBAND)
    assert "num-epochs" not in imported.job["space"]
    job = resolved(imported)
    assert (job.scheduler.kind, job.budget.epochs_per_trial, job.trials) == ("hyperband", 2, 2)
    assert "num-epochs" in notes_of(imported)["spec.algorithm.algorithmName"]


def test_population_training_and_architecture_search_of_katib_are_refused_with_what_to_do() -> None:
    pbt = refusals(specs.katib("pbt", {"n_population": "40", "truncation_threshold": "0.2"}))
    assert "medianstop" in pbt["spec.algorithm.algorithmName"]
    enas = specs.katib("enas", nasConfig={"graphConfig": {"numLayers": 1}}, parameters=None)
    assert "graphs of layers" in refusals(enas)["spec.algorithm.algorithmName"]
    beside = import_document(specs.katib("random", nasConfig={}, resumePolicy="FromVolume"))
    assert {"spec.nasConfig", "spec.resumePolicy"} <= set(notes_of(beside))


def test_every_distribution_that_optuna_writes_becomes_the_same_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = {
            "float": theirs.FloatDistribution(-1.5, 2.5),
            "float.log": theirs.FloatDistribution(1e-5, 1e-1, log=True),
            "float step": theirs.FloatDistribution(0.1, 1.0, step=0.2),
            "int": theirs.IntDistribution(1, 9),
            "int-step": theirs.IntDistribution(1, 10, step=3),
            "int_log": theirs.IntDistribution(1, 100, log=True),
            "choice": theirs.CategoricalDistribution(["a", None, True, 1, 2.5]),
            "uniform": theirs.UniformDistribution(0, 1),
            "log uniform": theirs.LogUniformDistribution(1e-5, 1e-1),
            "discrete": theirs.DiscreteUniformDistribution(0, 1, 0.1),
            "int uniform": theirs.IntUniformDistribution(1, 9, 2),
            "int log uniform": theirs.IntLogUniformDistribution(2, 8),
        }
        texts = {name: theirs.distribution_to_json(distribution) for name, distribution in given.items()}
    imported = import_document(texts)
    assert import_document({name: json.loads(text) for name, text in texts.items()}) == imported
    space = Space.model_validate(imported.job["space"])
    assert space.problems() == []
    for name, distribution in given.items():
        parameter = space.parameters[name]
        values = list(parameter.lattice() or map(parameter.decode, [-1e9, 1e-4, 0.3, 0.7, 1e9]))
        inside = [distribution._contains(distribution.to_internal_repr(value)) for value in values]
        assert all(inside), name
        assert getattr(distribution, "log", False) == bool(getattr(parameter, "log", False)), name
    sizes = {name: len(list(space.parameters[name].lattice() or [])) for name in ("float step", "int-step", "discrete")}
    assert sizes == {"float step": 5, "int-step": 4, "discrete": 11}
    covered = {
        cls for cls in vars(theirs).values() if inspect.isclass(cls) and issubclass(cls, theirs.BaseDistribution)
    }
    assert covered == {theirs.BaseDistribution, *map(type, given.values())}


def test_a_value_that_does_not_vary_stands_in_fixed() -> None:
    parent = {
        "parameterId": "net",
        "categoricalValueSpec": {"values": ["deep"]},
        "conditionalParameterSpecs": [child(number("rate", 0, 1), "deep")],
    }
    imported = import_document(study(parent, number("depth", "3", "3", "integer"), number("x", 0, 1)))
    assert imported.job["fixed"] == {"net": "deep", "depth": 3}
    assert set(resolved(imported).space.default_point()) == {"rate", "x"}
    assert "one value" in notes_of(imported)["parameters.1.parameterId"]
    assert "nothing varies" in refusals(study(number("depth", "3", "3", "integer")))[""]


def test_names_are_taken_as_they_are_and_refused_where_they_are_none_or_come_twice() -> None:
    strange = ["num-layers", "a.b", "--lr", "größe", "x y"]
    job = import_document(study(*(number(name, 0, 1) for name in strange))).job
    assert list(job["space"]) == strange
    found = refusals(study(number("x", 0, 1), number("x", 0, 1), number("", 0, 1), number("n" * 201, 0, 1)))
    assert list(found) == [f"parameters.{place}.parameterId" for place in (1, 2, 3)]


def test_what_is_unknown_missing_or_of_another_kind_is_said_with_its_path() -> None:
    document = study({"parameterId": "x", "doubleValueSpec": {"minValue": "low", "maxValu": 1}}, algoritm="GRID_SEARCH")
    assert refusals(document) == {
        "parameters.0.doubleValueSpec.minValue": 'a finite number is expected, got "low"',
        "parameters.0.doubleValueSpec.maxValue": "this field is required",
        "parameters.0.doubleValueSpec.maxValu": "this field is not known; did you mean maxValue?",
        "algoritm": "this field is not known; did you mean algorithm?",
    }
    assert "a finite number" in refusals(study(number("x", 0, 10**400)))["parameters.0.doubleValueSpec.maxValue"]
    assert "low must be below high" in refusals(study(number("x", 2, 1)))["parameters.0.doubleValueSpec.minValue"]
    found = refusals(specs.katib("grid", maxTrialCount=-1, parallelTrialCount="1e9"))
    assert found["spec.maxTrialCount"] == "a whole number from 1 to 100000 is expected, got -1"
    assert "spec.parallelTrialCount" in found
    twice = {"parameterId": "x", "parameter_id": "y", "doubleValueSpec": {"minValue": 0, "maxValue": 1}}
    assert refusals(study(twice)) == {"parameters.0.parameterId": "parameter_id is given too: keep one of them"}
    assert refusals([], "katib")[""] == "an object is expected, got []"
    law = {"min": "1", "max": "2", "distribution": "beta"}
    beta = specs.katib("random", parameters=[{"name": "a", "parameterType": "double", "feasibleSpace": law}])
    assert "logNormal" in refusals(beta)["spec.parameters.0.feasibleSpace.distribution"]


def test_a_format_that_is_not_known_or_not_recognised_is_refused_with_those_there_are() -> None:
    for document in ({"a": 1}, [], "hello", 3, None, {"name": ["FloatDistribution"]}):
        assert refusals(document)["format"].endswith("give one of katib, optuna, vertex")
    assert "give one of" in refusals({}, "talos")["format"]
    assert refusals({"x": {"type": "float"}}, "vertex")["metrics"] == "this field is required"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2", "neither JSON nor YAML"),
        ("a: &x [1]\nb: *x", "line 2: anchors"),
        ("a: !!python/object:os.system {}", "the tag"),
        ("a: 1\n---\nb: 2", "second document"),
        ("[" * 100, "nested deeper"),
        ("a: .nan", "what JSON cannot say"),
        ("? [1]\n: 2", "neither JSON nor YAML"),
        ("x" * 100_001, "100000 are allowed"),
    ],
)
def test_text_that_cannot_be_read_is_refused_with_the_line(text: str, said: str) -> None:
    assert said in refusals(text)[""]


def test_dates_in_yaml_stay_text_and_deep_json_is_refused() -> None:
    assert read_text("a: 2026-01-01\nb: 1\nc: [on]\n") == {"a": "2026-01-01", "b": 1, "c": [True]}
    assert "nested deeper" in refusals("[" * 40_000 + "]" * 40_000)[""]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_an_example_with_any_part_replaced_is_read_or_refused_and_nothing_else(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([name for name, spec in specs.IMPORTED.items() if isinstance(spec, dict)]))
    document = copy.deepcopy(specs.IMPORTED[name])
    for _ in range(data.draw(st.integers(1, 2))):
        part: Any = document
        while True:
            key = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
            if not part[key] or not isinstance(part[key], dict | list) or data.draw(st.integers(0, 4)) == 0:
                break
            part = part[key]
        part[key] = copy.deepcopy(data.draw(ODD))
    for kind in FORMATS:
        job = _job_of(document, kind)
        if job is not None:
            _is_read_or_refused(job)


def _job_of(document: Any, kind: str) -> dict[str, Any] | None:
    """The job that a document becomes; None where it is refused."""
    try:
        return import_document(document, kind).job
    except Unreadable:
        return None


def _is_read_or_refused(job: dict[str, Any]) -> None:
    """What imports is a job, or refused as jobs are."""
    with suppress(SpecError):
        resolve(read_spec(job), TableSchema(rows=0, columns=[]))
