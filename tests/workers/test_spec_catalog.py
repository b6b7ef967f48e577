from __future__ import annotations

import json

import pytest

from models.hyper import Hyperparameters
from models.scores import DEFAULTS, SCORES
from search.discovery import ALGORITHMS, SCHEDULERS
from workers.catalog import catalog
from workers.presets import PRESETS
from workers.trainers import TRAINERS
from workers.trainers.base import Trainer


def test_the_catalog_is_json_and_names_everything_with_a_line() -> None:
    shown = json.loads(json.dumps(catalog()))
    assert [entry["kind"] for entry in shown["algorithms"]] == list(ALGORITHMS)
    assert [entry["kind"] for entry in shown["schedulers"]] == list(SCHEDULERS)
    assert {entry["name"] for entry in shown["hyperparameters"]} == set(Hyperparameters.model_fields)
    assert [entry["name"] for entry in shown["presets"]] == list(PRESETS)
    assert {entry["name"] for entries in shown["metrics"].values() for entry in entries} == {s.name for s in SCORES}
    assert {entry["name"]: entry["target"] for entry in shown["datasets"]}["iris"] == "species"
    for section in ("algorithms", "schedulers", "trainers", "hyperparameters", "presets"):
        assert all(entry["about"].endswith(".") for entry in shown[section]), section


def test_the_catalog_lists_the_metrics_of_each_task_and_which_are_computed_by_default() -> None:
    shown = catalog()["metrics"]
    assert set(shown) == {"regression", "binary", "multiclass", "multilabel"}
    for task, entries in shown.items():
        assert entries[0]["name"] == DEFAULTS[task][0]
        assert {entry["name"] for entry in entries if entry["by_default"]} == set(DEFAULTS[task])
        assert all(entry["about"].endswith(".") and len(entry["about"]) <= 120 for entry in entries)
    needs = {entry["name"]: entry["needs"] for entries in shown.values() for entry in entries}
    assert (needs["r2"], needs["f1"], needs["roc_auc"]) == (None, "labels", "ranking")


def test_the_catalog_tells_which_pairs_are_refused_and_what_needs_what() -> None:
    shown = catalog()
    hyperopt = next(entry for entry in shown["algorithms"] if entry["kind"] == "hyperopt")
    assert sorted(hyperopt["refused_with"]) == ["pb2", "pbt"]
    momentum = next(entry for entry in shown["hyperparameters"] if entry["name"] == "momentum")
    assert momentum["needs"] == {"optimizer": {"in": ["sgd"]}}
    assert momentum["mutable"]


def test_each_trainer_lists_its_own_hyperparameters_and_a_preset_of_its_own() -> None:
    shown = {entry["kind"]: entry for entry in catalog()["trainers"]}
    own_presets = {entry["name"]: entry["trainer"] for entry in catalog()["presets"]}
    for kind, trainer in TRAINERS.items():
        assert [entry["name"] for entry in shown[kind]["hyperparameters"]] == trainer.names
        assert own_presets[shown[kind]["default_preset"]] == kind
    of_population = {entry["name"]: entry for entry in shown["neuroevolution"]["hyperparameters"]}
    assert of_population["mutation_strength"]["mutable"]
    assert not of_population.keys() & {"learning_rate", "optimizer", "dropout"}


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=lambda trainer: trainer.kind)
def test_every_default_is_a_value_that_the_trainer_takes(trainer: Trainer) -> None:
    for name, value in trainer.defaults.items():
        assert trainer.value_problem(f"fixed.{name}", name, value) is None
    assert trainer.build({}, trainer.defaults) == trainer.hyperparameters()


def test_every_preset_is_a_space_that_its_trainer_takes() -> None:
    for preset in PRESETS.values():
        trainer = TRAINERS[preset.trainer]
        assert preset.space.problems(trainer.defaults) == []
        for name, parameter in preset.space.parameters.items():
            assert trainer.parameter_problems(name, parameter) == []
        for name, value in preset.fixed.items():
            assert trainer.value_problem(f"fixed.{name}", name, value) is None
