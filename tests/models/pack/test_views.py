"""Lanes of several folds in one pack: each sees its own rows, and only those."""

import gc
import pickle
import weakref
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from models import preprocess
from models.bench import IDLE_BENCHES
from models.capacity import bytes_of_rows
from models.categories import code_column
from models.hyper import Hyperparameters
from models.job_data import VIEWS_KEPT, Fold, JobData
from models.lanes import LaneStart, PackSettings
from models.pack import Pack
from models.preprocess import Preprocessor


def make_job_data(n_folds: int = 3, n_rows: int = 60) -> JobData:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n_rows, 3)) * [1, 10, 100]
    places = np.arange(n_rows)
    return JobData(
        task="regression",
        kinds=dict.fromkeys("abc", "numeric"),
        columns={name: x[:, i] for i, name in enumerate("abc")},
        target_names=["y"],
        labels=(x[:, :1] ** 2 + x[:, 1:2]) * 7 + 3,
        n_outputs=1,
        folds=[Fold(places[places % n_folds != k], places[places % n_folds == k]) for k in range(n_folds)],
    )


def curves(data: JobData, starts: list[LaneStart], kernels: bool) -> dict[int, list[tuple[float, ...]]]:
    settings = PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False)
    pack = Pack(data, settings, dtype=torch.float64, kernels=kernels)
    assert pack.start(starts) == []
    reports = pack.train({start.lane: 3 for start in starts})
    return {start.lane: [(r.train_loss, *r.values) for r in reports if r.lane == start.lane] for start in starts}


@pytest.mark.parametrize("kernels", [True, False])
def test_lanes_of_several_folds_train_as_each_would_alone(kernels: bool) -> None:
    data, hyper = make_job_data(), Hyperparameters(units=8)
    starts = [LaneStart(lane, hyper, seed=9, fold=lane % 3) for lane in range(6)]
    together = curves(data, starts, kernels)
    assert together == {start.lane: curves(data, [start], kernels)[start.lane] for start in starts}
    assert together[0] == together[3]
    assert together[0] != together[1]


ENCODINGS: list[dict[str, Any]] = [
    {},
    {"numeric_scaling": "quantile", "numeric_embedding": "piecewise_linear", "embedding_bins": 5},
    {"numeric_embedding": "periodic", "embedding_frequencies": 2},
    {"categorical_encoding": "embedding", "embedding_size": 2},
    {"max_categories": 2, "missing": "mean", "numeric_scaling": "robust_smooth"},
]


def make_mixed_data() -> JobData:
    """Numbers, dates, categories and truth values, all of them with gaps."""
    data, n = make_job_data(n_folds=2), 60
    town = np.array([None if i % 11 == 0 else f"town {i % 4}" for i in range(n)], dtype=object)
    day = np.datetime64("2020-01-01", "us") + (np.arange(n) * 5).astype("timedelta64[D]")
    day[::7] = np.datetime64("NaT")
    flag = np.array([i % 3 == 0 for i in range(n)], dtype=object)
    columns = {**data.columns, "town": code_column(town), "day": day, "flag": code_column(flag)}
    columns["a"] = np.where(np.arange(n) % 9 == 0, np.nan, np.asarray(columns["a"]))
    kinds = {**data.kinds, "town": "categorical", "day": "date", "flag": "boolean"}
    return replace(data, columns=columns, kinds=kinds)


@pytest.mark.parametrize("kernels", [True, False])
def test_lanes_that_encode_differently_train_as_each_would_alone(kernels: bool) -> None:
    data = make_mixed_data()
    hypers = [Hyperparameters(units=8, **encoding) for encoding in ENCODINGS]
    starts = [LaneStart(lane, hypers[lane % 5], seed=9, fold=lane // 5) for lane in range(10)]
    together = curves(data, starts, kernels)
    assert together == {start.lane: curves(data, [start], kernels)[start.lane] for start in starts}
    assert len({str(curve) for curve in together.values()}) == 10


def test_a_lane_is_shown_what_its_preprocessor_makes_of_the_rows_on_every_machine() -> None:
    data = make_mixed_data()
    for encoding in ENCODINGS:
        hyper = Hyperparameters(**encoding)
        travelled: JobData = pickle.loads(pickle.dumps(data))
        view, fold = travelled.view(hyper, 1), data.folds[1]
        rows = {name: column[fold.valid] for name, column in data.columns.items()}
        np.testing.assert_array_equal(view.x_valid, data.encoder(hyper, 1).preprocessor.transform(rows))
        assert np.isfinite(view.x_train).all()


class Encoded(Exception):
    """Rows were encoded."""


def test_a_view_is_measured_without_being_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = make_mixed_data()
    data = replace(data, folds=[fold._replace(train=fold.train[:-7], stop=fold.train[-7:]) for fold in data.folds])
    hypers = [Hyperparameters(**encoding, numeric_clip=clip) for encoding in ENCODINGS for clip in (0.0, 0.5)]
    with monkeypatch.context() as patch:
        patch.setattr(Preprocessor, "transform", lambda *given: (_ for _ in ()).throw(Encoded()))
        shapes = [data.shape(hyper, fold) for hyper in hypers for fold in range(2)]
        with pytest.raises(Encoded):
            data.view(hypers[0], 0)
    views = [data.view(hyper, fold) for hyper in hypers for fold in range(2)]
    for shape, view in zip(shapes, views, strict=True):
        assert view.stopping is not None
        assert (shape.n_train, shape.n_inputs) == view.x_train.shape
        assert shape.n_valid == len(view.x_valid) + len(view.stopping[0])
        assert (shape.n_outputs, shape.embedding) == (view.n_outputs, view.embedding)
        assert view.shape(hypers[0], 0) == shape
    assert len({(shape.n_inputs, shape.embedding) for shape in shapes}) >= 4


def test_an_encoding_that_cannot_be_made_fails_its_own_lanes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preprocess, "MOST_NUMBERS", 40 * 30)
    pack = Pack(make_job_data(), PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False))
    wide = Hyperparameters(numeric_embedding="piecewise_linear", embedding_bins=30)
    (failed,) = pack.start([LaneStart(0, Hyperparameters(), 9), LaneStart(1, wide, 9)])
    assert failed.lane == 1
    assert failed.error is not None
    assert "take fewer embedding_bins" in failed.error.message
    assert pack.train({0: 1, 1: 1})[0].outcome is None


def test_a_lane_keeps_its_fold_when_it_moves() -> None:
    data, hyper = make_job_data(), Hyperparameters(units=8)
    settings = PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False)
    here, there = Pack(data, settings), Pack(data, settings)
    here.start([LaneStart(0, hyper, 9, fold=2), LaneStart(1, hyper, 9, fold=2)])
    here.train({0: 1, 1: 1})
    there.start(here.leave([0]))
    assert there.train({0: 2})[-1].values == here.train({1: 2})[-1].values


def test_a_fold_that_cannot_be_encoded_fails_its_own_lanes_only() -> None:
    data = make_job_data()
    data.labels[data.folds[1].train] = 4.0
    pack = Pack(data, PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False))
    (failed,) = pack.start([LaneStart(lane, Hyperparameters(), 9, fold=lane) for lane in range(2)])
    assert failed.lane == 1
    assert failed.error is not None
    assert "'y' is constant in the training rows" in failed.error.message
    assert pack.train({0: 1, 1: 1})[0].outcome is None


def test_of_a_job_with_many_encodings_few_views_are_held() -> None:
    data = make_mixed_data()
    views = [data.view(Hyperparameters(numeric_clip=1 + place / 100), 0) for place in range(100)]
    held = [weakref.ref(view) for view in views]
    del views
    gc.collect()
    assert sum(view() is not None for view in held) <= VIEWS_KEPT


def test_lanes_that_encode_for_themselves_are_refused_when_their_rows_leave_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, settings = make_job_data(n_rows=6000), PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False)
    hypers = [Hyperparameters(units=4, numeric_clip=1 + place / 10) for place in range(5)]
    pack = Pack(data, settings)
    one = pack.bytes_needed(hypers[0]) + bytes_of_rows(hypers[0], data.shape(hypers[0], 0), 4)
    monkeypatch.setattr("models.pack.bytes_available", lambda device: 3 * one)
    starts = [LaneStart(place, hyper, 9) for place, hyper in enumerate(hypers)]
    failed = Pack(data, settings).start(starts)
    assert [report.lane for report in failed] == [3, 4]
    assert all(report.error and report.error.out_of_memory for report in failed)
    assert "the table as this lane encodes it needs" in failed[0].error.message  # type: ignore[union-attr]
    alike = [replace(start, hyper=hypers[0]) for start in starts]
    assert Pack(data, settings).start(alike) == [], "lanes that encode alike share their rows"


@pytest.mark.parametrize("batch_size", [1, 24, 700])
def test_the_estimate_of_rows_is_above_what_they_take(batch_size: int) -> None:
    data, hyper = make_job_data(n_rows=1000), Hyperparameters(units=4, batch_size=batch_size)
    pack = Pack(data, PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False))
    pack.start([LaneStart(0, hyper, 9)])
    pack.train({0: 1})
    (bench,) = pack._benches.held.values()
    rows = bench.rows
    assert rows._cached is not None
    batches = rows._cached[1]
    held = [rows._x, rows._target, rows.x_valid, batches.x, batches.target, batches.weight, bench.judge._truth]
    taken = sum(tensor.nbytes for tensor in held)
    assert taken <= bytes_of_rows(hyper, data.shape(hyper, 0), 4) <= 1.3 * taken


def test_rows_that_no_lane_sees_any_more_are_forgotten() -> None:
    data = make_job_data(n_folds=IDLE_BENCHES + 4, n_rows=80)
    pack = Pack(data, PackSettings(seed=1, metrics=("mean_squared_error",), maximize=False))
    for fold in range(IDLE_BENCHES + 4):
        pack.start([LaneStart(0, Hyperparameters(units=4), 9, fold=fold)])
        pack.train({0: 1})
    assert len(pack._benches.held) <= IDLE_BENCHES
