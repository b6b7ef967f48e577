from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from models.bundled import bundled_table, bundled_target
from models.lanes import Watch
from models.scores import DEFAULTS, SCORES
from search.discovery import ALGORITHMS, SCHEDULERS
from search.plugins import admit
from tests.workers.spec_tables import N, resolve_job, table_of
from workers.body_parts import Ensemble
from workers.presets import PRESETS
from workers.spec import ResolvedJob, preview, read_spec, resolve
from workers.trainers import TRAINERS

ROOT = Path(__file__).resolve().parents[2]
RATE = {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}


def test_the_spec_loads_neither_ray_nor_torch() -> None:
    code = "import sys, workers.spec, workers.catalog; print({'ray', 'torch', 'hyperopt'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_dataset_and_a_target_are_a_whole_job() -> None:
    job = resolve_job()
    assert (job.task, job.objective.name, job.objective.maximize) == ("regression", "mean_squared_error", False)
    assert (job.algorithm.kind, job.scheduler.kind) == ("hyperopt", "asha")
    assert (job.trials, job.epochs, job.parallelism, job.patience, job.seed) == (64, 30, 8, 10, 0)
    assert set(job.space.parameters) == set(PRESETS["default"].space.parameters)
    assert job.fixed["optimizer"] == "adamw"
    assert not set(job.fixed) & set(job.space.parameters)


@pytest.mark.parametrize(
    ("scheduler", "algorithm"),
    [("fifo", "gp"), ("median", "gp"), ("asha", "hyperopt"), ("hyperband", "hyperopt"), ("pb2", "random")],
)
def test_the_algorithm_by_default_is_the_one_that_learns_from_what_the_scheduler_lets_it_hear(
    scheduler: str, algorithm: str
) -> None:
    assert resolve_job(scheduler={"kind": scheduler}).algorithm.kind == algorithm


def test_a_schedule_lasts_as_long_as_a_trial_unless_the_job_says_otherwise() -> None:
    budget = {"trials": 4, "epochs_per_trial": 17}
    assert resolve_job(budget=budget).fixed["schedule_epochs"] == 17
    assert resolve_job(budget=budget, fixed={"schedule_epochs": 40}).fixed["schedule_epochs"] == 40


def test_a_bundled_set_knows_its_target() -> None:
    spec = read_spec({"dataset": "iris"})
    job = resolve(spec, bundled_table("iris").schema, [bundled_target("iris")])
    assert job.targets == ["species"]
    assert job.classes == ["setosa", "versicolor", "virginica"]


@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_admitted_pair_resolves_and_survives_json(algorithm: str, scheduler: str) -> None:
    if admit(ALGORITHMS[algorithm], SCHEDULERS[scheduler]) is not None:
        return
    space = {
        "learning_rate": {**RATE, "log": False, "step": 0.009},
        "hidden_layers": {"type": "int", "low": 0, "high": 2},
    }
    job = resolve_job(algorithm={"kind": algorithm}, scheduler={"kind": scheduler}, space=space)
    again = ResolvedJob.model_validate_json(job.model_dump_json())
    assert again == job
    assert again.search_request() == job.search_request()
    assert again.schedule_request() == job.schedule_request()
    assert len(job.search_request().initial_points) == (job.trials if algorithm == "grid" else 1)


def test_the_first_point_is_the_default_point_and_builds_a_network() -> None:
    job = resolve_job(space={"learning_rate": RATE, "hidden_layers": {"type": "int", "low": 3, "high": 5}})
    (encoded,) = job.search_request().initial_points
    point = job.decode(encoded)
    assert point == {"learning_rate": 1e-3, "hidden_layers": 3}, "the trainer's defaults, clipped into the space"
    hyper = TRAINERS["mlp"].build(point, job.fixed)
    assert (hyper.hidden_layers, hyper.learning_rate, hyper.widths) == (3, 1e-3, (64, 64, 64))
    assert resolve_job(start_from_default=False).search_request().initial_points == []


def test_widths_per_layer_become_the_widths_of_the_network() -> None:
    job = resolve_job(
        space={
            "hidden_layers": {"type": "int", "low": 0, "high": 3},
            "units": {"type": "int", "low": 8, "high": 99, "per_layer": True},
        }
    )
    encoded = {"hidden_layers": 2, "units.1": 50, "units.2": 20, "units.3": 9}
    assert job.decode(encoded) == {"hidden_layers": 2, "units.1": 50, "units.2": 20}
    hyper = TRAINERS["mlp"].build(job.decode(encoded), job.fixed)
    assert hyper.widths == (50, 20)
    assert TRAINERS["mlp"].build(job.decode({**encoded, "hidden_layers": 0}), job.fixed).widths == ()


def test_a_list_of_widths_may_be_fixed_or_chosen() -> None:
    job = resolve_job(fixed={"hidden_layers": 2, "units": [30, 10]}, space={"learning_rate": RATE})
    assert TRAINERS["mlp"].build({}, job.fixed).widths == (30, 10)
    chosen = resolve_job(fixed={"hidden_layers": 2}, space={"units": {"type": "choice", "values": [8, [30, 10]]}})
    assert TRAINERS["mlp"].build(chosen.decode({"units": 1}), chosen.fixed).widths == (30, 10)


def test_shapes_and_normalisations_may_be_searched_where_there_are_layers_for_them() -> None:
    job = resolve_job(
        space={
            "hidden_layers": {"type": "int", "low": 0, "high": 3},
            "shape": {"type": "choice", "values": ["constant", "funnel"]},
            "normalisation": {"type": "choice", "values": ["none", "batch", "layer"]},
        }
    )
    encoded = {"hidden_layers": 3, "shape": 1, "normalisation": 2}
    point = job.decode(encoded)
    assert point == {"hidden_layers": 3, "shape": "funnel", "normalisation": "layer"}
    assert TRAINERS["mlp"].build(point, job.fixed).widths == (64, 43, 22)
    assert job.decode({**encoded, "hidden_layers": 1}) == {"hidden_layers": 1, "normalisation": "layer"}
    assert job.decode({**encoded, "hidden_layers": 0}) == {"hidden_layers": 0}
    assert not {"shape", "normalisation"} & set(job.mutable)


def test_momentum_gains_the_condition_that_it_implies() -> None:
    job = resolve_job(
        space={
            "optimizer": {"type": "choice", "values": ["adam", "sgd"]},
            "momentum": {"type": "float", "low": 0.1, "high": 0.9},
        }
    )
    assert job.decode({"optimizer": 0, "momentum": 0.5}) == {"optimizer": "adam"}
    assert job.decode({"optimizer": 1, "momentum": 0.5}) == {"optimizer": "sgd", "momentum": 0.5}


def test_fixed_and_space_win_over_the_preset_by_whole_parameter() -> None:
    job = resolve_job(
        preset="default", fixed={"units": 32}, space={"learning_rate": {"type": "choice", "values": [0.1, 0.2]}}
    )
    assert job.fixed["units"] == 32
    assert job.space.parameters["learning_rate"].type == "choice"
    assert "dropout" in job.space.parameters
    optimizers = {"type": "choice", "values": ["adam", "sgd"]}
    assert "optimizer" in resolve_job(preset="default", space={"optimizer": optimizers}).space.parameters
    only = resolve_job(space={"learning_rate": RATE})
    assert list(only.space.parameters) == ["learning_rate"], "a space of one's own leaves the preset out"


def test_what_a_preset_brings_gives_way_to_a_linear_model() -> None:
    job = resolve_job(fixed={"hidden_layers": 0})
    assert "units" not in job.space.parameters
    assert "learning_rate" in job.space.parameters


def test_only_what_keeps_a_network_its_shape_may_change_while_training() -> None:
    job = resolve_job(
        scheduler={"kind": "pbt"},
        space={
            "learning_rate": RATE,
            "dropout": {"type": "float", "low": 0.0, "high": 0.5},
            "units": {"type": "int", "low": 8, "high": 64, "when": {"dropout": {"lt": 0.3}}},
        },
    )
    assert job.mutable == ["learning_rate"], "dropout decides whether units are searched at all"
    assert list(job.schedule_request().mutable) == ["learning_rate"]
    assert job.algorithm.kind == "random", "neither hyperopt nor gp fits pbt"


def test_preview_says_what_the_budget_buys() -> None:
    job = resolve_job(
        algorithm={"kind": "random"}, scheduler={"kind": "hyperband"}, budget={"trials": 62, "epochs_per_trial": 50}
    )
    shown = preview(job)
    assert (shown["trials"], shown["lanes"], shown["parallelism"]) == (62, 62, 62)
    assert shown["rungs"] == [1, 3, 5, 9, 15, 16, 27, 45, 48, 50]
    assert shown["epochs_bought"] == 777
    assert shown["task_reason"] == "price holds 100 different numbers"
    assert preview(resolve_job(scheduler={"kind": "fifo"}))["epochs_bought"] == 64 * 30


def test_hyperband_with_an_algorithm_that_learns_runs_one_bracket_at_a_time() -> None:
    job = resolve_job(scheduler={"kind": "hyperband"}, budget={"trials": 300, "epochs_per_trial": 50})
    assert job.parallelism == 34


def test_a_grid_has_as_many_trials_as_points() -> None:
    space = {
        "activation": {"type": "choice", "values": ["relu", "tanh"]},
        "hidden_layers": {"type": "int", "low": 0, "high": 2},
    }
    job = resolve_job(algorithm={"kind": "grid"}, space=space)
    assert (job.trials, job.budget.trials) == (6, 6)


LOSSES_OF_SHOPS = {"loss": {"type": "choice", "values": ["cross_entropy", "perceptron"]}}


@pytest.mark.parametrize("score", SCORES, ids=lambda score: score.name)
def test_every_metric_is_an_objective_of_its_tasks_with_its_direction(score: Any) -> None:
    targets: dict[str, Any] = {
        "regression": "rate",
        "binary": "shop",
        "multiclass": "town",
        "multilabel": ["shop", "sold"],
    }
    table = table_of(
        rate=[0.5 + i for i in range(N)],
        shop=["x", "y"] * (N // 2),
        sold=[True, False] * (N // 2),
        town=["a", "b", "c", "d"] * (N // 4),
    )
    for task in score.tasks:
        job = resolve_job(table, target=targets[task], task=task, columns={}, objective=score.name)
        assert (job.objective.name, job.objective.maximize) == (score.name, score.maximize)
        assert job.metrics[0] == score.name
        assert set(job.metrics) == {score.name, *DEFAULTS[task]}


def test_a_job_computes_its_objective_a_few_defaults_and_the_metrics_it_names() -> None:
    assert resolve_job().metrics == [*DEFAULTS["regression"]]
    assert resolve_job(metrics=[]).metrics == resolve_job(metrics=None).metrics == [*DEFAULTS["regression"]]
    job = resolve_job(objective="r2", metrics=["max_error", "r2", "median_absolute_error"])
    assert job.metrics == [
        "r2",
        "mean_squared_error",
        "root_mean_squared_error",
        "mean_absolute_error",
        "max_error",
        "median_absolute_error",
    ]
    assert preview(job)["metrics"] == job.metrics


@pytest.mark.parametrize("body", [{"fixed": {"loss": "hinge"}}, {"preset": "perceptron"}, {"space": LOSSES_OF_SHOPS}])
def test_the_objective_is_accuracy_where_a_loss_gives_no_probabilities(body: dict[str, Any]) -> None:
    job = resolve_job(target="shop", **body)
    assert (job.objective.name, job.objective.maximize) == ("accuracy", True)
    assert "log_loss" in job.metrics
    assert resolve_job(target="shop", objective="roc_auc", **body).objective.name == "roc_auc"


def test_one_objective_in_a_list_is_one_objective() -> None:
    assert resolve_job(objective=["r2"]).objective.name == "r2"


@pytest.mark.parametrize(
    ("body", "watch", "stopping_metric"),
    [
        ({}, Watch(0, False), None),
        ({"early_stopping": {"metric": "r2", "min_delta": 0.1}}, Watch(3, True, 0.1), None),
        ({"split": {"stopping": {"kind": "fraction"}}}, Watch(4, False), "mean_squared_error"),
        (
            {"split": {"stopping": {"kind": "fraction"}}, "early_stopping": {"metric": "r2"}},
            Watch(4, True),
            "r2",
        ),
        ({"objective": "r2", "early_stopping": None}, Watch(0, True), None),
        ({"early_stopping": {"metric": "max_error"}}, Watch(4, False), None),
        ({"early_stopping": {"metric": "max_error"}, "metrics": ["explained_variance"]}, Watch(5, False), None),
    ],
)
def test_the_watched_metric_is_the_objective_unless_another_is_named(
    body: dict[str, Any], watch: Watch, stopping_metric: str | None
) -> None:
    settings = resolve_job(**body).pack_settings()
    assert (settings.watched, settings.stopping_metric) == (watch, stopping_metric)


@pytest.mark.parametrize(
    ("body", "lanes", "refit"),
    [
        ({}, 1, False),
        ({"refit": True}, 1, True),
        ({"repeats": 4}, 4, False),
        ({"split": {"validation": {"kind": "kfold", "folds": 3, "repeats": 2}}, "repeats": 5}, 30, True),
        ({"split": {"validation": {"kind": "folds", "column": "town"}}}, 3, True),
        ({"split": {"validation": {"kind": "time", "column": "stars", "folds": 4}}, "refit": False}, 4, False),
    ],
)
def test_a_trial_has_a_lane_for_every_fold_and_repeat(body: dict[str, Any], lanes: int, refit: bool) -> None:
    job = resolve_job(budget={"trials": 7}, **body)
    told = preview(job)
    assert (told["trials"], told["lanes_per_trial"], told["lanes"]) == (7, lanes, 7 * lanes)
    assert job.refit == refit
    assert (job.ensemble, job.contenders) == (Ensemble(), 25)
    assert ResolvedJob.model_validate_json(job.model_dump_json()) == job


def test_early_stopping_can_be_switched_off() -> None:
    assert resolve_job(early_stopping=None).patience is None
    assert resolve_job(early_stopping={"patience": 3}).patience == 3


def test_every_field_of_the_body_is_described_with_an_example() -> None:
    for name, field in type(read_spec({"dataset": "iris"})).model_fields.items():
        assert field.description, name
        assert field.examples, name


def test_the_body_of_the_design_is_understood() -> None:
    job = resolve_job(
        name="housing",
        labels={"team": "a"},
        columns={"include": None, "exclude": ["nothing", "part"], "kinds": {"stars": "categorical"}},
        task="auto",
        split={
            "test": {"kind": "fraction", "fraction": 0.2},
            "validation": {"kind": "holdout", "fraction": 0.2, "stratify": "auto", "group": None},
            "stopping": None,
            "seed": 0,
        },
        fixed={"optimizer": "adam", "batch_size": 32},
        space={
            "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
            "hidden_layers": {"type": "int", "low": 0, "high": 3},
            "units": {"type": "int", "low": 1, "high": 99},
            "dropout": {"type": "float", "low": 0.0, "high": 0.5, "when": {"units": {"ge": 32}}},
            "activation": {"type": "choice", "values": ["relu", "tanh"]},
        },
        preset=None,
        objective="mean_squared_error",
        algorithm={"kind": "hyperopt"},
        scheduler={"kind": "hyperband", "reduction_factor": 3},
        budget={"trials": 100, "epochs_per_trial": 50, "seconds": None, "stop_at": None},
        early_stopping={"patience": 10},
        start_from_default=True,
        parallelism=None,
        repeats=1,
        refit=None,
        keep_models=3,
        seed=42,
    )
    assert job.seed == 42
