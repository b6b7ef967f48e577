"""Batch and layer normalisation: equal to torch's modules, at home in a lane's state, and in what a lane hands out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.hyper import Hyperparameters
from models.lanes import LaneStart, LaneState, Layers, PackData, Task
from models.layout import Layout
from models.predictor import Predictor
from models.preprocess import Preprocessor
from tests.models.oracle import ACTIVATIONS, Twin
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")

KINDS = ["batch", "layer"]
both_kinds = pytest.mark.parametrize("kind", KINDS)


def assert_equal_to_twins(data: PackData, hypers: list[Hyperparameters], n_epochs: int = 3) -> None:
    pack = make_pack(data)
    assert start(pack, *hypers) == []
    reports = pack.train(dict.fromkeys(range(len(hypers)), n_epochs))
    states = pack.save(range(len(hypers)))
    for lane, hyper in enumerate(hypers):
        twin = Twin(data, hyper, seed=100 + lane, job_seed=3)
        losses = [twin.train_epoch() for _ in range(n_epochs)]
        mine = [report.train_loss for report in reports if report.lane == lane]
        np.testing.assert_allclose(mine, losses, rtol=1e-9)
        # Of a shift before another linear normalised layer the gradient is rounding errors, which adam makes large.
        np.testing.assert_allclose(states[lane].arrays["parameters"], twin.parameters(), rtol=1e-8, atol=3e-9)
        running = states[lane].arrays.get("running", np.zeros(0))
        np.testing.assert_allclose(running, twin.running(), rtol=1e-8, atol=3e-9)


@both_kinds
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_normalised_lane_equals_its_solo_twin_for_every_activation(kind: str, activation: str) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(activation=activation, normalisation=kind)])


@both_kinds
@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_a_normalised_lane_equals_its_solo_twin_at_every_depth(kind: str, depth: int) -> None:
    assert_equal_to_twins(
        make_data(), [make_hyper(hidden_layers=depth, units=11, activation="logistic", normalisation=kind)]
    )


@both_kinds
@pytest.mark.parametrize(
    "more",
    [
        {"dropout": 0.3},
        {"dropout": 0.3, "activation": "gelu"},
        {"l1": 0.01},
        {"weight_decay": 0.1},
        {"weight_decay": 0.1, "optimizer": "adamw"},
        {"gradient_clip": 0.2},
        {"optimizer": "sgd", "nesterov": True},
        {"optimizer": "rmsprop", "schedule": "cosine"},
        {"initialisation": "zeros"},
        {"units": (16, 32)},
        {"units": (1, 33)},
        {"units": 64, "shape": "funnel", "hidden_layers": 3},
        {"batch_size": 1000},
    ],
    ids=str,
)
def test_a_normalised_lane_equals_its_solo_twin_with_all_else_that_lanes_may_want(
    kind: str, more: dict[str, Any]
) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(normalisation=kind, **more)])


@both_kinds
@pytest.mark.parametrize(("task", "n_outputs"), [("regression", 3), ("binary", 1), ("multiclass", 17)])
def test_a_normalised_lane_equals_its_solo_twin_for_every_task(kind: str, task: Task, n_outputs: int) -> None:
    assert_equal_to_twins(make_data(task, n_outputs), [make_hyper(normalisation=kind)])


@both_kinds
@pytest.mark.parametrize(("batch_size", "n_epochs"), [(1, 3), (37, 3), (2, 1)])
def test_a_batch_of_one_row_is_normalised_by_the_running_statistics_and_leaves_them_alone(
    kind: str, batch_size: int, n_epochs: int
) -> None:
    hyper = make_hyper(normalisation=kind, batch_size=batch_size, optimizer="sgd")
    assert_equal_to_twins(make_data(n_train=75), [hyper], n_epochs)


def test_lanes_of_all_kinds_in_one_pack_equal_their_solo_twins() -> None:
    assert_equal_to_twins(make_data("multiclass", 3), [make_hyper(normalisation=kind) for kind in ("none", *KINDS)] * 2)


def test_validation_goes_by_the_running_statistics() -> None:
    data = make_data(n_outputs=2)
    pack, twin = make_pack(data), Twin(data, make_hyper(normalisation="batch"), seed=100, job_seed=3)
    start(pack, twin.hyper)
    twin.train_epoch()
    error = (twin.predict(data.x_valid) - data.y_valid) * data.target_scale
    assert pack.train({0: 1})[0].values[0] == pytest.approx(np.mean(error**2), rel=1e-9)


@both_kinds
def test_padding_stays_exactly_zero(kind: str) -> None:
    pack = make_pack(make_data())
    start(pack, *(make_hyper(activation="logistic", normalisation=kind, units=units) for units in ((3, 5), (9, 2))))
    pack.train({0: 3, 1: 3})
    for lane in pack._lanes.values():
        for name in lane.state_names:
            row = lane.rows[name].numpy()
            assert np.count_nonzero(row) == np.count_nonzero(lane.layout.unpack(row, name))


def test_scales_begin_at_one_shifts_at_zero_and_running_statistics_at_a_standard_normal() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper(normalisation="batch", units=(3, 5)))
    arrays = pack.save([0])[0].arrays
    assert arrays["parameters"][-16:].tolist() == [1] * 3 + [0] * 3 + [1] * 5 + [0] * 5
    assert arrays["running"].tolist() == [0] * 3 + [1] * 3 + [0] * 5 + [1] * 5


def test_only_batch_normalisation_has_running_statistics() -> None:
    pack = make_pack(make_data())
    start(pack, *(make_hyper(normalisation=kind, optimizer="sgd") for kind in ("none", "layer", "batch")))
    start_of_linear = make_hyper(normalisation="batch", hidden_layers=0, optimizer="sgd")
    pack.start([LaneStart(3, start_of_linear, 1)])
    names = [set(state.arrays) - {"parameters", "first_moment"} for state in pack.save(range(4)).values()]
    assert names == [set(), set(), {"running"}, set()]


def test_a_copied_lane_has_the_running_statistics_of_its_source() -> None:
    pack = make_pack(make_data())
    hyper = make_hyper(normalisation="batch")
    start(pack, hyper, hyper)
    pack.train({0: 3, 1: 1})
    source = pack.save([0])[0]
    explored = hyper.model_copy(update={"learning_rate": 0.03})
    pack.start([LaneStart(1, explored, 101, source, sequence=1)])
    np.testing.assert_array_equal(pack.save([1])[1].arrays["running"], source.arrays["running"])
    assert np.ptp(source.arrays["running"]) > 0


def test_a_state_with_running_statistics_of_another_network_is_refused() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper(normalisation="batch"))
    arrays = {**pack.save([0])[0].arrays, "running": np.zeros(7)}
    reports = pack.start([LaneStart(0, make_hyper(normalisation="batch"), 0, LaneState(1, 5, arrays))])
    assert reports[0].error is not None
    assert reports[0].error.message == "running of a state has shape (7,); widths (5, 9, 17, 1) need (52,)"


@both_kinds
def test_the_best_layers_predict_what_the_best_epoch_predicted(kind: str) -> None:
    """With the running statistics of that epoch, though training went on for long after it."""
    data = make_data(n_train=30)
    hyper = make_hyper(units=64, learning_rate=0.03, normalisation=kind)
    pack = make_pack(data)
    start(pack, hyper)
    values = [report.values[0] for report in pack.train({0: 60})]
    best = int(np.argmin(values))
    assert best < 50
    layers = pack.best_layers(0) or []
    assert [len(layer) for layer in layers] == ([2, 2, 2] if kind == "batch" else [4, 4, 2])
    answers = predict(layers, data.x_valid)
    mine = np.mean(((answers - data.y_valid) * data.target_scale) ** 2)
    assert mine == pytest.approx(values[best], rel=1e-4)
    twin = Twin(data, hyper, seed=100, job_seed=3)
    for _ in range(best + 1):
        twin.train_epoch()
    np.testing.assert_allclose(answers, twin.predict(data.x_valid), atol=1e-5)


def predict(layers: Layers, x: np.ndarray) -> np.ndarray:
    """Predict as packages do, without preprocessing."""
    return Predictor({"architecture": {"activation": "relu"}}, layers, Preprocessor())._forward(x)


def test_best_weights_survive_a_move_and_a_restart_with_their_statistics() -> None:
    pack, other = make_pack(make_data()), make_pack(make_data())
    hyper = make_hyper(normalisation="batch")
    start(pack, hyper)
    pack.train({0: 3})
    best = pack.best_layers(0) or []
    other.start(pack.leave([0]))
    other.start([LaneStart(0, hyper, 1, best_value=1e-9)])
    other.train({0: 1})
    for one, same in zip(best, other.best_layers(0) or [], strict=True):
        for part, kept in zip(one, same, strict=True):
            np.testing.assert_array_equal(part, kept)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_failed_epoch_leaves_the_running_statistics_of_the_epoch_before(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack = make_pack(make_data(), dtype)
    start(pack, make_hyper(normalisation="batch"))
    pack.train({0: 2})
    before = pack.save([0])[0]

    def fail(answers: torch.Tensor) -> None:
        raise RuntimeError("judge broke")

    (bench,) = pack._benches.held.values()
    monkeypatch.setattr(bench.judge, "score", fail)
    assert pack.train({0: 1})[0].outcome == "failed"
    for name, array in pack.save([0])[0].arrays.items():
        np.testing.assert_array_equal(array, before.arrays[name])


def test_a_layout_knows_the_rows_of_normalisation() -> None:
    plain, batch, layer = (Layout((5, 9, 17, 1), None, kind) for kind in ("none", "batch", "layer"))  # type: ignore[arg-type]
    assert batch.size == layer.size == plain.size + 2 * (16 + 32)
    assert batch.n_parameters == layer.n_parameters == plain.n_parameters + 2 * (9 + 17)
    assert (plain.running_size, batch.running_size, layer.running_size) == (0, 96, 0)
    assert len({plain.pack_key, batch.pack_key, layer.pack_key}) == 3
