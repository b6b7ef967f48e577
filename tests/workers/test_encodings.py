"""Jobs whose trials encode their table each in its own way: curves, models and scores, on one seat and on two."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np
import pytest

from models.artifact import Predictor
from models.prepare import prepare
from models.table import Table
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race, finished
from workers.spec import read_spec, resolve

SPACE: dict[str, Any] = {
    "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True},
    "numeric_scaling": {"type": "choice", "values": ["standard", "robust", "robust_smooth", "quantile"]},
    "numeric_embedding": {"type": "choice", "values": ["none", "piecewise_linear", "periodic"]},
    "embedding_bins": {"type": "choice", "values": [2, 5]},
    "categorical_encoding": {"type": "choice", "values": ["one_hot", "embedding"]},
    "embedding_size": {"type": "int", "low": 1, "high": 3},
    "max_categories": {"type": "choice", "values": [2, 100]},
    "missing": {"type": "choice", "values": ["median", "mean"]},
    "missing_indicator": {"type": "choice", "values": [True, False]},
}


@cache
def mixed_table() -> Table:
    """Sixty rows with columns of every kind, all with gaps."""
    rng, n = np.random.default_rng(8), 60
    x, place = rng.normal(size=n), rng.integers(0, 6, n)
    day = np.datetime64("2021-03-01", "us") + rng.integers(0, 300, n).astype("timedelta64[D]")
    y = x + place % 3 + day.astype("datetime64[M]").astype(int) % 12 / 6
    day[::9], gaps = np.datetime64("NaT"), np.arange(n)
    town = np.array([None if i % 8 == 0 else f"t{p}" for i, p in zip(gaps, place, strict=True)], dtype=object)
    flag = np.array([None if i % 7 == 0 else bool(p % 2) for i, p in zip(gaps, place, strict=True)], dtype=object)
    return Table({"x": np.where(gaps % 6 == 0, np.nan, x), "town": town, "day": day, "flag": flag, "y": y})


def mixed_race(scheduler: str) -> Race:
    body = {
        "dataset": "d_1",
        "target": "y",
        "space": SPACE,
        "fixed": {"units": 4, "hidden_layers": 1, "batch_size": 8, "embedding_frequencies": 2},
        "algorithm": {"kind": "random"},
        "scheduler": {"kind": scheduler},
        "budget": {"trials": 14, "epochs_per_trial": 6},
        "keep_models": 14,
        "seed": 3,
    }
    table = mixed_table()
    job = resolve(read_spec(body), table.schema)
    return Race(job, prepare(table, job.prepare_request()))


def models_of(sink: MemorySink) -> list[Any]:
    found = list(sink.stored.models.values())
    assert found
    return found


@pytest.mark.parametrize("scheduler", ["fifo", "hyperband", "pbt"])
def test_every_stored_network_scores_what_its_best_epoch_scored_by_its_own_preprocessing(scheduler: str) -> None:
    started = mixed_race(scheduler)
    data = started.prepared.job_data
    valid = data.folds[0].valid
    rows = data.part(valid)
    end, sink = finished(started)
    assert end.state == "succeeded", end
    for fact in models_of(sink):
        predictor = Predictor.from_package(fact.package)
        scored = predictor.evaluate(rows, data.labels[valid], ["mean_squared_error"])
        assert math.isclose(scored["mean_squared_error"], fact.objective, rel_tol=1e-4)
        assert fact.test_metrics
    inputs = {len(fact.card["preprocessing"]["features"][0]["edges"]) for fact in models_of(sink)}
    assert len(inputs) > 1


def test_members_of_an_ensemble_encode_each_in_its_own_way() -> None:
    started = mixed_race("fifo")
    data = started.prepared.job_data
    valid = data.folds[0].valid
    _, sink = finished(started)
    fact = sink.stored.ensemble
    assert fact is not None
    predictor = Predictor.from_package(fact.package)
    assert len({member.preprocessor.n_inputs for _, member in predictor.members}) > 1
    scored = predictor.evaluate(data.part(valid), data.labels[valid], started.job.metrics)
    assert scored == pytest.approx(dict(fact.metrics), rel=1e-9)
    example = fact.card["example"]
    assert predictor.predict([example["row"]]).to_json() == example["answer"]


def test_two_seats_encode_and_train_as_one_does() -> None:
    (_, one), (_, two) = (finished(mixed_race("asha"), seats=n) for n in (1, 2))
    assert one.rows() == two.rows()
