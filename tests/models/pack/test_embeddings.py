"""Learned embeddings of categories: in front of a lane's first layer, trained with it, gone when it is exported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models.categories import code_column
from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.job_data import Fold, JobData
from models.lanes import LaneStart, PackData, PackSettings
from models.layout import Layout
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack, make_settings, start
from tests.models.pack.test_bits import LANES, assert_same, train
from tests.models.pack.test_parity import assert_equal_to_twins

pytestmark = pytest.mark.usefixtures("engine")


def make_embedded(task: Any = "regression", n_outputs: int = 1) -> PackData:
    """Two columns of one-hot categories among five numbers: 20 categories in front, 5 behind the second number."""
    data = make_data(task, n_outputs)
    rng = np.random.default_rng(11)

    def insert(x: np.ndarray) -> np.ndarray:
        many, few = (np.eye(n + 1, dtype=np.float32)[rng.integers(0, n + 1, len(x))][:, :n] for n in (20, 5))
        return np.concatenate([many, x[:, :2], few, x[:, 2:]], axis=1)

    blocks = ((0, 20, 4), (22, 5, 3))
    return replace(data, x_train=insert(data.x_train), x_valid=insert(data.x_valid), embedding=Embedding(30, blocks))


@pytest.mark.parametrize(("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multiclass", 3)])
def test_a_lane_equals_its_solo_twin_with_tables_for_every_task(task: Any, n_outputs: int) -> None:
    assert_equal_to_twins(make_embedded(task, n_outputs), [make_hyper(), make_hyper(hidden_layers=0)])


@pytest.mark.parametrize(
    "more",
    [
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "sgd", "weight_decay": 0.1, "momentum": 0.5, "learning_rate": 0.1},
        {"optimizer": "rmsprop", "l1": 1e-3},
        {"gradient_clip": 0.01, "dropout": 0.3, "activation": "tanh"},
        {"hidden_layers": 3, "units": 20, "activation": "logistic", "optimizer": "nadam"},
        {"normalisation": "batch", "weight_decay": 0.1},
        {"normalisation": "layer", "optimizer": "adamw", "weight_decay": 0.1, "dropout": 0.2},
    ],
    ids=str,
)
def test_tables_are_regularised_clipped_and_moved_as_all_parameters(more: dict[str, Any]) -> None:
    assert_equal_to_twins(make_embedded(), [make_hyper(**more), make_hyper()])


def test_an_exported_network_answers_one_hot_rows_as_the_lane_does() -> None:
    data, hyper = make_embedded(), make_hyper()
    pack = make_pack(data)
    start(pack, hyper)
    report = pack.train({0: 1})[0]
    layers = pack.best_layers(0)
    assert layers is not None
    assert [weight.shape for weight, _ in layers] == [(30, 9), (9, 17), (17, 1)]
    h = data.x_valid.astype(np.float64)
    for weight, bias in layers[:-1]:
        h = np.maximum(h @ weight + bias, 0)
    answers = (h @ layers[-1][0] + layers[-1][1]) * data.target_scale + data.target_mean
    truth = data.y_valid * data.target_scale + data.target_mean
    np.testing.assert_allclose(np.mean((answers - truth) ** 2), report.values[0], rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_neighbours_and_place_change_no_bit(dtype: torch.dtype) -> None:
    data, lanes = make_embedded("multiclass", 3), list(enumerate(LANES))
    together, reversed_ = train(data, lanes, dtype), train(data, lanes[::-1], dtype)
    for seed, hyper in lanes:
        assert_same(together[seed], reversed_[seed])
        assert_same(together[seed], train(data, [(seed, hyper)], dtype)[seed])


def test_a_lane_that_is_saved_goes_on_as_if_it_had_not_been() -> None:
    data, hyper = make_embedded(), make_hyper()
    here, there = make_pack(data), make_pack(data)
    start(here, hyper)
    here.train({0: 2})
    state = here.save([0])[0]
    there.start([LaneStart(0, hyper, 100, state, sequence=2)])
    assert there.train({0: 2})[-1].values == here.train({0: 2})[-1].values
    other = replace(data, embedding=Embedding(30, ((0, 20, 5),)))
    (failed,) = make_pack(other).start([LaneStart(0, hyper, 100, state)])
    assert failed.error is not None
    assert "has shape" in failed.error.message


def make_towns(n_towns: int, n_rows: int = 400) -> JobData:
    """A price that hangs on the town alone, by a factor of its own for each."""
    rng = np.random.default_rng(6)
    town, size = rng.integers(0, n_towns, n_rows), rng.normal(size=n_rows)
    labels = np.sin(7.0 * town)[:, None] + 0.1 * size[:, None]
    texts = np.array([f"town {place}" for place in town], dtype=object)
    places = np.arange(n_rows)
    return JobData(
        task="regression",
        kinds={"town": "categorical", "size": "numeric", "flag": "boolean"},
        columns={"town": code_column(texts), "size": size, "flag": code_column(town % 2 == 0)},
        target_names=["y"],
        labels=labels,
        n_outputs=1,
        folds=[Fold(places[: n_rows * 3 // 4], places[n_rows * 3 // 4 :])],
    )


def test_one_hot_and_embedding_learn_side_by_side_what_hangs_on_a_category() -> None:
    data = make_towns(12)
    pack = Pack(data, PackSettings(1, ("r2",), True))
    hypers = [Hyperparameters(units=32), Hyperparameters(units=32, categorical_encoding="embedding", embedding_size=4)]
    hypers = [hyper.model_copy(update={"learning_rate": 0.01}) for hyper in hypers]
    assert pack.start([LaneStart(lane, hyper, 1) for lane, hyper in enumerate(hypers)]) == []
    reports = pack.train({0: 30, 1: 30})
    assert all(max(r.values[0] for r in reports if r.lane == lane) > 0.9 for lane in (0, 1))
    first = [pack.best_layers(lane) for lane in (0, 1)]
    assert first[0] is not None
    assert first[1] is not None
    assert np.linalg.matrix_rank(first[0][0][0][:12]) > 4
    assert np.linalg.matrix_rank(first[1][0][0][:12], tol=1e-4) == 4


def test_thousands_of_categories_train_either_way() -> None:
    data = make_towns(3000, n_rows=8000)
    pack = Pack(data, make_settings())
    more: dict[str, Any] = {"max_categories": 5000, "batch_size": 512}
    hypers = [Hyperparameters(**more), Hyperparameters(categorical_encoding="embedding", **more)]
    assert pack.start([LaneStart(lane, hyper, 1) for lane, hyper in enumerate(hypers)]) == []
    reports = pack.train({0: 2, 1: 2})
    assert all(np.isfinite(report.train_loss) for report in reports)
    layers = pack.best_layers(1)
    assert layers is not None
    assert layers[0][0].shape[0] == data.view(hypers[1], 0).x_train.shape[1] > 2500
    assert pack.bytes_needed(hypers[1]) < pack.bytes_needed(hypers[0])


def test_a_table_without_categories_is_embedded_by_leaving_it_alone() -> None:
    data = make_towns(12)
    numbers = replace(data, kinds={"size": "numeric", "flag": "boolean"})
    hypers = [Hyperparameters(), Hyperparameters(categorical_encoding="embedding")]
    assert numbers.view(hypers[1], 0).embedding is None
    embedding = data.view(hypers[1], 0).embedding
    assert embedding == Embedding(15, ((0, 12, 8),))
    assert Layout.of(hypers[1], 15, 1, embedding).widths == (11, 64, 64, 1)
