"""A lane equals its solo twin: nn.Sequential and torch.optim in float64, alone and in mixed company."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest

from models.hyper import Hyperparameters
from models.hyper_training import OptimizerName, ScheduleName
from models.lanes import LaneStart, PackData, Task
from tests.models.oracle import ACTIVATIONS, Twin
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")

MIXED = [
    make_hyper(activation="relu", optimizer="adam", weight_decay=0.01),
    make_hyper(activation="tanh", optimizer="adamw", weight_decay=0.1, units=(12, 30)),
    make_hyper(activation="logistic", optimizer="sgd", momentum=0.5),
    make_hyper(activation="gelu", optimizer="sgd", momentum=0.0, weight_decay=0.01),
    make_hyper(activation="silu", dropout=0.3),
    make_hyper(activation="elu", dropout=0.1, optimizer="adamw", beta1=0.5, beta2=0.9, epsilon=1e-4),
    make_hyper(activation="tanh", dropout=0.5, units=33, hidden_layers=1, batch_size=20),
    make_hyper(hidden_layers=0),
    make_hyper(hidden_layers=3, units=20, activation="logistic"),
    make_hyper(activation="relu", batch_size=1000),
]


def assert_equal_to_twins(data: PackData, hypers: list[Hyperparameters], n_epochs: int = 3, **more: Any) -> None:
    pack = make_pack(data, **more)
    assert start(pack, *hypers) == []
    reports = pack.train(dict.fromkeys(range(len(hypers)), n_epochs))
    states = pack.save(range(len(hypers)))
    for lane, hyper in enumerate(hypers):
        twin = Twin(data, hyper, seed=100 + lane, job_seed=3)
        losses = [twin.train_epoch() for _ in range(n_epochs)]
        mine = [report.train_loss for report in reports if report.lane == lane]
        np.testing.assert_allclose(mine, losses, rtol=1e-9)
        np.testing.assert_allclose(states[lane].arrays["parameters"], twin.parameters(), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_lane_equals_its_solo_twin_for_every_activation(activation: str) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(activation=activation)])


@pytest.mark.parametrize("optimizer", get_args(OptimizerName))
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_a_lane_equals_its_solo_twin_for_every_optimizer(optimizer: str, weight_decay: float) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(optimizer=optimizer, weight_decay=weight_decay)])


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_lane_equals_its_solo_twin_with_nesterov_momentum(momentum: float) -> None:
    if momentum:  # torch refuses a look ahead without momentum; ours is then plain sgd
        assert_equal_to_twins(make_data(), [make_hyper(optimizer="sgd", momentum=momentum, nesterov=True)])
    else:
        plain, ahead = (make_hyper(optimizer="sgd", momentum=0.0, nesterov=nesterov) for nesterov in (False, True))
        pack = make_pack(make_data())
        pack.start([LaneStart(lane, hyper, 100) for lane, hyper in enumerate((plain, ahead))])
        reports = pack.train({0: 2, 1: 2})
        assert [r.train_loss for r in reports if r.lane == 0] == [r.train_loss for r in reports if r.lane == 1]


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("penalty", [{"l1": 0.01}, {"gradient_clip": 0.2}, {"l1": 0.02, "gradient_clip": 0.3}])
def test_a_lane_equals_its_solo_twin_with_penalties_and_clipped_gradients(
    optimizer: str, penalty: dict[str, float]
) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(optimizer=optimizer, weight_decay=0.05, **penalty)])


@pytest.mark.parametrize("schedule", get_args(ScheduleName))
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_lane_equals_its_solo_twin_under_every_schedule(schedule: str, optimizer: str) -> None:
    course = {"schedule": schedule, "schedule_epochs": 4, "decay_epochs": 1, "decay_factor": 0.5}
    momentum = {"beta1": 0.95} if optimizer == "adamw" else {"momentum": 0.95}  # where torch's 1cycle begins
    warm = {} if schedule == "one_cycle" else {"warmup_epochs": 2.0}
    hypers = [make_hyper(optimizer=optimizer, weight_decay=0.1, **momentum, **course, **extra) for extra in ({}, warm)]
    assert_equal_to_twins(make_data(), hypers, n_epochs=4)


@pytest.mark.parametrize("batch_size", [16, 32, 1000])
def test_a_lane_equals_its_solo_twin_with_a_rate_that_grows_with_the_batch(batch_size: int) -> None:
    course = {"optimizer": "sgd", "learning_rate": 0.01, "rate_batch_size": 16, "batch_size": batch_size}
    hypers = [make_hyper(**course), make_hyper(**course, schedule="one_cycle", momentum=0.95, schedule_epochs=3)]
    assert_equal_to_twins(make_data(), hypers)


@pytest.mark.parametrize(
    ("task", "n_outputs"), [("regression", 1), ("regression", 3), ("binary", 1), ("multiclass", 3), ("multiclass", 17)]
)
def test_a_lane_equals_its_solo_twin_for_every_task(task: Task, n_outputs: int) -> None:
    assert_equal_to_twins(make_data(task, n_outputs), [make_hyper(), make_hyper(activation="logistic", dropout=0.2)])


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_a_lane_equals_its_solo_twin_at_every_depth(depth: int) -> None:
    assert_equal_to_twins(make_data(), [make_hyper(hidden_layers=depth, units=11, activation="logistic")])


@pytest.mark.parametrize(("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multiclass", 4)])
def test_lanes_of_a_mixed_pack_equal_their_solo_twins(task: Task, n_outputs: int) -> None:
    assert_equal_to_twins(make_data(task, n_outputs), MIXED)


def test_validation_metrics_are_those_of_the_twin_in_raw_units() -> None:
    data = make_data(n_outputs=2)
    pack, twin = make_pack(data), Twin(data, make_hyper(), seed=100, job_seed=3)
    start(pack, twin.hyper)
    twin.train_epoch()
    error = (twin.predict(data.x_valid) - data.y_valid) * data.target_scale
    assert pack.train({0: 1})[0].values[0] == pytest.approx(np.mean(error**2), rel=1e-9)
