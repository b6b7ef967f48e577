"""Learned embeddings of categories and numbers: in front of a lane's first layer, trained with it, and exported."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest

from models.artifact import Predictor, write_package
from models.categories import code_column
from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.job_data import Fold, JobData
from models.lanes import LaneStart, PackData, PackSettings
from models.layout import Layout
from models.pack import Pack
from models.prepare import Prepared
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

    return replace(data, x_train=insert(data.x_train), x_valid=insert(data.x_valid), embedding=EMBEDDINGS["tables"])


TABLES = ((0, 20, 4), (22, 5, 3))
EMBEDDINGS = {
    "tables": Embedding(30, TABLES),
    "waves": Embedding(30, (), ((20, 7), (21, 7), (28, 7))),
    "both": Embedding(30, TABLES, ((21, 3), (27, 3), (29, 3))),
}


@pytest.mark.parametrize("embedding", EMBEDDINGS)
@pytest.mark.parametrize(("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multiclass", 3)])
def test_a_lane_equals_its_solo_twin_with_embeddings_for_every_task(task: Any, n_outputs: int, embedding: str) -> None:
    data = replace(make_embedded(task, n_outputs), embedding=EMBEDDINGS[embedding])
    assert_equal_to_twins(data, [make_hyper(), make_hyper(hidden_layers=0), make_hyper(frequency_scale=3.0)])


@pytest.mark.parametrize("embedding", ["tables", "both"])
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
def test_learned_numbers_are_regularised_clipped_and_moved_as_all_parameters(
    more: dict[str, Any], embedding: str
) -> None:
    data = replace(make_embedded(), embedding=EMBEDDINGS[embedding])
    assert_equal_to_twins(data, [make_hyper(**more), make_hyper()])


def test_frequencies_are_drawn_per_lane_from_a_normal_distribution_of_their_scale() -> None:
    embedding = Embedding(2, (), ((0, 256), (1, 256)))
    layout = Layout.of(make_hyper(), 2, 1, embedding)
    assert layout.n_parameters == 512 + 1024 * 9 + 9 + 9 * 17 + 17 + 17 + 1
    one, same, wide, other = (
        layout.embedding_view(layout.draw(seed, make_hyper(frequency_scale=scale)))
        for seed, scale in ((1, 0.5), (1, 0.5), (1, 1.5), (2, 0.5))
    )
    np.testing.assert_array_equal(one, same)
    np.testing.assert_allclose(wide, 3 * one)
    assert not np.isin(other, one).any()
    assert kstest(one, "norm", args=(0, 0.5)).pvalue > 0.01


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
@pytest.mark.parametrize("embedding", ["tables", "both"])
def test_neighbours_and_place_change_no_bit(embedding: str, dtype: torch.dtype) -> None:
    data, lanes = replace(make_embedded("multiclass", 3), embedding=EMBEDDINGS[embedding]), list(enumerate(LANES))
    together, reversed_ = train(data, lanes, dtype), train(data, lanes[::-1], dtype)
    for seed, hyper in lanes:
        assert_same(together[seed], reversed_[seed])
        assert_same(together[seed], train(data, [(seed, hyper)], dtype)[seed])


@pytest.mark.parametrize("embedding", EMBEDDINGS)
def test_a_lane_that_is_saved_goes_on_as_if_it_had_not_been(embedding: str) -> None:
    data, hyper = replace(make_embedded(), embedding=EMBEDDINGS[embedding]), make_hyper()
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


def test_a_copy_takes_the_frequencies_of_its_source_and_keeps_its_own_best() -> None:
    data = replace(make_embedded(), embedding=EMBEDDINGS["waves"])
    pack = make_pack(data)
    start(pack, make_hyper(), make_hyper(learning_rate=0.03))
    pack.train({0: 2, 1: 2})
    best, state = pack.best_layers(1), pack.save([0])[0]
    pack.start([LaneStart(1, make_hyper(), 7, state, sequence=2, best_value=-1.0)])
    np.testing.assert_array_equal(pack.save([1])[1].arrays["parameters"], state.arrays["parameters"])
    reports = pack.train({0: 1, 1: 1})
    assert reports[0].train_loss == reports[1].train_loss
    assert best is not None
    np.testing.assert_array_equal((pack.best_layers(1) or [])[0][0], best[0][0])
    assert best[0][0].shape == (21,)


def test_frequencies_that_run_away_end_their_own_lane_only() -> None:
    data = replace(make_embedded(), embedding=EMBEDDINGS["waves"])
    wild = make_hyper(optimizer="sgd", learning_rate=100)
    pack = make_pack(data, torch.float32)
    start(pack, wild, make_hyper())
    reports = pack.train({0: 9, 1: 9})
    assert [report.outcome for report in reports if report.lane == 0][-1] == "diverged"
    calm = [report.values for report in reports if report.lane == 1]
    alone = make_pack(data, torch.float32)
    alone.start([LaneStart(0, make_hyper(), 101)])
    assert calm == [report.values for report in alone.train({0: 9})]


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


def make_waves(n_rows: int = 300) -> JobData:
    """A sum of waves of a number and of a date, beside a constant, a town and gaps."""
    rng = np.random.default_rng(8)
    x, size, places = rng.uniform(-2, 2, n_rows), rng.normal(size=n_rows), np.arange(n_rows)
    day = np.datetime64("2020-01-01", "us") + rng.integers(0, 900, n_rows).astype("timedelta64[D]")
    phase = (day - day.min()).astype(float) / 86_400e6 / 900
    labels = np.sin(2 * np.pi * 1.5 * x) + np.cos(2 * np.pi * 2 * phase) + size
    texts = np.array([f"town {place % 4}" for place in places], dtype=object)
    return JobData(
        task="regression",
        kinds={"none": "numeric", "x": "numeric", "town": "categorical", "day": "date", "size": "numeric"},
        columns={
            "none": np.full(n_rows, 3.0),
            "x": np.where(places % 10 == 0, np.nan, x),
            "town": code_column(texts),
            "day": day,
            "size": size,
        },
        target_names=["y"],
        labels=labels[:, None],
        n_outputs=1,
        folds=[Fold(places[: n_rows * 2 // 3], places[n_rows * 2 // 3 :])],
    )


PERIODIC: dict[str, Any] = {
    "numeric_embedding": "periodic",
    "embedding_frequencies": 5,
    "frequency_scale": 0.5,
    "learning_rate": 0.01,
    "batch_size": 32,
    "units": 32,
}


@pytest.mark.parametrize("categories", ["one_hot", "embedding"])
def test_a_package_predicts_by_the_frequencies_that_its_lane_has_learned(categories: Any) -> None:
    data = make_waves()
    hyper = Hyperparameters(**PERIODIC, categorical_encoding=categories, embedding_size=2)
    pack = Pack(data, make_settings())
    assert pack.start([LaneStart(0, hyper, 1)]) == []
    reports = pack.train({0: 20})
    layers = pack.best_layers(0)
    assert layers is not None
    first = Pack(data, make_settings())
    first.start([LaneStart(0, hyper, 1)])
    drawn = first.save([0])[0].arrays["parameters"][-15:]
    assert layers[0][0].shape == (15,)
    assert (layers[0][0] != drawn).all()
    example = {"none": 3.0, "x": 0.5, "town": "town 1", "day": "2020-03-04", "size": 1.0}
    prepared = Prepared(data, None, None, None, example=example)
    predictor = Predictor.from_package(write_package(layers, hyper, prepared, {}))
    none, x, _, day, size = predictor.card["preprocessing"]["features"]
    given = [column["frequencies"] for column in (none, x, day["trend"], size)]
    assert given[0] == []
    np.testing.assert_array_equal(np.array(given[1:], np.float32).ravel(), layers[0][0])
    inputs = predictor.card["architecture"]["inputs"]
    assert inputs == layers[1][0].shape[0] == data.view(hyper, 0).x_train.shape[1] + 3 * 9
    valid = data.folds[0].valid
    scored = predictor.evaluate(data.part(valid), data.labels[valid], ["mean_squared_error"])
    best = min(report.values[0] for report in reports)
    np.testing.assert_allclose(scored["mean_squared_error"], best, rtol=1e-4)
    np.testing.assert_array_equal(
        predictor.predict_inputs(data.view(hyper, 0).x_valid), predictor.outputs(data.part(valid))
    )


def test_frequencies_of_another_number_are_refused() -> None:
    data, hyper = make_waves(), Hyperparameters(**PERIODIC)
    pack = Pack(data, make_settings())
    pack.start([LaneStart(0, hyper, 1)])
    pack.train({0: 1})
    (frequencies,), *layers = pack.best_layers(0) or []
    prepared = Prepared(data, None, None, None)
    with pytest.raises(ValueError, match=r"\(14,\) frequencies are given for 3 numbers with 5 each"):
        write_package([(frequencies[:14],), *layers], hyper, prepared, {})
    with pytest.raises(ValueError, match="the weights have shapes"):
        write_package(layers, hyper, prepared, {})


def test_lanes_with_frequencies_of_different_scale_are_stacked() -> None:
    pack = Pack(make_waves(), make_settings())
    hypers = [Hyperparameters(**{**PERIODIC, "frequency_scale": scale}) for scale in (0.1, 0.5, 2.0)]
    assert pack.start([LaneStart(lane, hyper, 1) for lane, hyper in enumerate(hypers)]) == []
    pack.train(dict.fromkeys(range(3), 1))
    assert len({id(pack._lanes[lane].group) for lane in range(3)}) == 1


def test_a_frequency_is_learned_to_be_that_of_the_data() -> None:
    rng, places = np.random.default_rng(2), np.arange(400)
    x = rng.uniform(-1.7, 1.7, 400)
    labels = np.sin(2 * np.pi * 0.4 * x)[:, None]
    data = JobData("regression", {"x": "numeric"}, {"x": x}, ["y"], labels, 1, [Fold(places[:300], places[300:])])
    hyper = Hyperparameters(**{**PERIODIC, "embedding_frequencies": 1, "hidden_layers": 0, "learning_rate": 0.03})
    pack = Pack(data, PackSettings(1, ("r2",), True))
    pack.start([LaneStart(0, hyper, 5)])
    first = pack.save([0])[0].arrays["parameters"][-1]
    assert pack.train({0: 60})[-1].values[0] > 0.9999
    ((learned,), *_) = pack.best_layers(0) or []
    assert abs(abs(first) - 0.4 * x[:300].std()) > 0.1
    np.testing.assert_allclose(abs(learned), 0.4 * x[:300].std(), rtol=1e-4)


def test_a_table_without_categories_is_embedded_by_leaving_it_alone() -> None:
    data = make_towns(12)
    numbers = replace(data, kinds={"size": "numeric", "flag": "boolean"})
    hypers = [Hyperparameters(), Hyperparameters(categorical_encoding="embedding")]
    assert numbers.view(hypers[1], 0).embedding is None
    embedding = data.view(hypers[1], 0).embedding
    assert embedding == Embedding(15, ((0, 12, 8),))
    assert Layout.of(hypers[1], 15, 1, embedding).widths == (11, 64, 64, 1)
