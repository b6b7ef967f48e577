"""Jobs of every task and of the losses and outputs that are particular to it, from the spec to the package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.bundled import bundled_table
from models.predictor import Predictor
from models.prepare import prepare
from models.table import Table
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race, finished
from workers.spec import read_spec, resolve
from workers.stops import JobEnd

RATES = {"learning_rate": {"type": "float", "low": 0.003, "high": 0.03, "log": True}}
BUDGET = {"trials": 4, "epochs_per_trial": 20}


def labelled_table(n_rows: int = 300) -> Table:
    """Three labels that depend on two numbers: true or false, 0 or 1, and a text; one of them is rare."""
    x = np.random.default_rng(4).normal(size=(n_rows, 2))
    return Table(
        {
            "a": x[:, 0],
            "b": x[:, 1],
            "right": (x[:, 0] > 0).astype(object),
            "far": (np.abs(x).sum(1) > 3).astype(np.float64),
            "side": np.where(x[:, 0] + x[:, 1] > 0, "up", "down").astype(object),
        }
    )


def run(table: Table, **body: Any) -> tuple[JobEnd, MemorySink, Race]:
    spec = read_spec({"dataset": "d", "budget": BUDGET, **({} if "preset" in body else {"space": RATES}), **body})
    job = resolve(spec, table.schema)
    race = Race(job, prepare(table, job.prepare_request()))
    return *finished(race), race


@pytest.mark.parametrize("fixed", [{}, {"class_weight": "balanced"}, {"loss": "focal"}, {"label_smoothing": 0.1}])
def test_a_multilabel_job_ends_with_a_model_of_all_labels(fixed: dict[str, Any]) -> None:
    table = labelled_table()
    end, sink, race = run(table, target=["right", "far", "side"], task="multilabel", fixed=fixed)
    assert end.reason == "trials_done"
    best = max(sink.stored.models.values(), key=lambda model: model.metrics["accuracy"])
    predictor = Predictor.from_package(best.package)
    assert predictor.classes == {"right": [False, True], "far": [0, 1], "side": ["down", "up"]}
    rows = [{"a": 3.0, "b": 3.0}, {"a": -0.5, "b": -0.1}]
    assert predictor.predict(rows).labels[0] == {"right": True, "far": 1, "side": "up"}
    assert predictor.predict(rows).labels[1] == {"right": False, "far": 0, "side": "down"}
    assert best.test_metrics is not None
    assert best.test_metrics["accuracy"] > 0.8
    assert race.job.objective.name == "log_loss"


def test_balanced_labels_are_found_more_often_than_rare_ones_without_weights() -> None:
    table, found = labelled_table(), {}
    for weight in ("none", "balanced"):
        fixed = {"class_weight": weight, "hidden_layers": 0}
        _, sink, _ = run(table, target=["far", "right"], task="multilabel", fixed=fixed)
        predictor = Predictor.from_package(next(iter(sink.stored.models.values())).package)
        said = [label["far"] for label in predictor.predict_columns(table.columns).labels]
        found[weight] = np.mean(said)
    assert found["balanced"] > found["none"]


def positive_table() -> Table:
    x = np.random.default_rng(4).normal(size=(300, 2))
    return Table({"a": x[:, 0], "b": x[:, 1], "y": 100 + 40 * np.tanh(x[:, 0] - x[:, 1]), "z": np.abs(x[:, 0])})


@pytest.mark.parametrize("activation", ["relu", "softplus", "logistic", "tanh"])
@pytest.mark.parametrize("loss", ["auto", "huber"])
def test_a_regression_job_learns_in_raw_units_through_any_output_activation(activation: str, loss: str) -> None:
    table = positive_table()
    end, sink, _ = run(table, target=["y", "z"], fixed={"output_activation": activation, "loss": loss})
    assert end.reason == "trials_done"
    model = min(sink.stored.models.values(), key=lambda model: model.objective)
    assert model.metrics["r2"] > 0.8
    assert model.test_metrics is not None
    assert model.test_metrics["r2"] > 0.75
    values = Predictor.from_package(model.package).predict([{"a": 9.0, "b": -9.0}, {"a": -9.0, "b": 9.0}]).values
    assert values is not None
    assert (values[:, 1] >= 0).all()


def test_output_activations_may_be_searched_and_each_model_undoes_its_own() -> None:
    table = positive_table()
    space = {"output_activation": {"type": "choice", "values": ["none", "relu", "softplus", "logistic", "tanh"]}}
    end, sink, race = run(table, target="y", space=space, algorithm={"kind": "grid"}, budget={"epochs_per_trial": 30})
    assert end.reason == "trials_done"
    assert len(sink.ends()) == 5
    valid = race.prepared.job_data.folds[0].valid
    columns = {name: column[valid] for name, column in race.prepared.job_data.columns.items()}
    for model in sink.stored.models.values():
        values = Predictor.from_package(model.package).predict_columns(columns).values
        error = np.mean((values - race.prepared.job_data.labels[valid]) ** 2)
        assert error == pytest.approx(model.objective, rel=1e-3)


def test_a_perceptron_job_fails_on_xor_and_a_hidden_layer_solves_it() -> None:
    table = bundled_table("xor")
    end, sink, race = run(table, target="label", preset="perceptron")
    assert end.reason == "trials_done"
    assert race.job.objective.name == "accuracy"
    assert max(model.objective for model in sink.stored.models.values()) <= 0.75
    place = race.job.metrics.index("log_loss")
    assert all(np.isnan(report.values[place]) for report in sink.stored.reports.values())
    predictor = Predictor.from_package(next(iter(sink.stored.models.values())).package)
    assert set(predictor.predict([{"x1": 1, "x2": 1}]).to_json()["predictions"][0]) == {"label"}

    fixed = {"hidden_layers": 1, "loss": "perceptron", "units": 16}
    deep_budget = {"trials": 4, "epochs_per_trial": 60}
    _, sink, _ = run(table, target="label", fixed=fixed, budget=deep_budget)
    assert max(model.objective for model in sink.stored.models.values()) > 0.95
