"""Losses, output activations and class weights: a lane equals its twin with torch's own losses and autograd."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from models.hyper import Hyperparameters, OutputActivationName
from models.job_data import balanced_weights
from models.lanes import LaneStart, LaneState, PackData, PackSettings, Task
from models.loss_table import LOSSES, losses_for
from models.pack import Pack
from tests.models.oracle import Twin
from tests.models.pack.jobs import make_data, make_hyper, make_pack, make_settings, start
from tests.models.pack.test_bits import assert_same, train
from tests.models.pack.test_parity import assert_equal_to_twins

pytestmark = pytest.mark.usefixtures("engine")

TASKS: list[tuple[Task, int]] = [
    ("regression", 1),
    ("regression", 3),
    ("binary", 1),
    ("multilabel", 3),
    ("multiclass", 3),
    ("multiclass", 17),
]
SETTINGS: dict[str, list[dict[str, Any]]] = {
    "huber": [{}, {"huber_delta": 0.3}],
    "quantile": [{}, {"quantile": 0.9}],
    "cross_entropy": [{}, {"label_smoothing": 0.2}],
    "focal": [{}, {"focal_gamma": 0.5}, {"focal_gamma": 0.0}],
}


def variants(task: Task) -> list[dict[str, Any]]:
    """Every loss of a task with each of its settings."""
    return [{"loss": name, **more} for name in losses_for(task) for more in SETTINGS.get(name, [{}])]


def of_labels(task: Task) -> dict[str, Any]:
    """An objective that every loss has."""
    return {} if task == "regression" else {"metrics": ("accuracy", "log_loss"), "maximize": True}


def balanced(data: PackData) -> PackData:
    return replace(data, weights=balanced_weights(data.y_train.astype(np.int64)))


@pytest.mark.parametrize(("task", "n_outputs"), TASKS)
def test_a_lane_equals_its_solo_twin_for_every_loss_of_its_task(task: Task, n_outputs: int) -> None:
    assert_equal_to_twins(
        make_data(task, n_outputs), [make_hyper(**more) for more in variants(task)], **of_labels(task)
    )


@pytest.mark.parametrize("activation", get_args(OutputActivationName))
@pytest.mark.parametrize("loss", losses_for("regression"))
def test_the_gradient_goes_through_the_output_activation(activation: str, loss: str) -> None:
    hypers = [
        make_hyper(loss=loss, output_activation=activation),
        make_hyper(loss=loss, output_activation=activation, hidden_layers=0),
    ]
    assert_equal_to_twins(make_data(n_outputs=2), hypers)


@pytest.mark.parametrize(("task", "n_outputs"), TASKS[2:])
def test_balanced_classes_weigh_in_every_loss_as_torch_weighs_rows(task: Task, n_outputs: int) -> None:
    data = balanced(make_data(task, n_outputs))
    assert_equal_to_twins(data, [make_hyper(**more) for more in variants(task)], **of_labels(task))


def test_balanced_weights_are_those_of_scikit_learn_and_average_one() -> None:
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.array([0, 0, 0, 0, 1, 2, 2, 0])
    expected = compute_class_weight("balanced", classes=np.arange(3), y=labels)
    np.testing.assert_allclose(balanced_weights(labels)[:, 0], expected[labels], rtol=1e-6)
    several = np.stack([labels > 0, labels == 2], axis=1).astype(np.int64)
    for column, weights in zip(several.T, balanced_weights(several).T, strict=True):
        expected = compute_class_weight("balanced", classes=np.arange(2), y=column)
        np.testing.assert_allclose(weights, expected[column], rtol=1e-6)
        assert weights.mean() == pytest.approx(1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    ("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multilabel", 3), ("multiclass", 5)]
)
def test_a_lane_has_the_same_bits_beside_lanes_with_other_losses(
    task: Task, n_outputs: int, dtype: torch.dtype
) -> None:
    data = make_data(task, n_outputs)
    hypers = [make_hyper(units=(40, 24), activation=f, **more) for f in ("relu", "mish") for more in variants(task)]
    lanes = list(enumerate(hypers))
    more = of_labels(task)
    together, reversed_ = train(data, lanes, dtype, **more), train(data, lanes[::-1], dtype, **more)
    for seed, hyper in lanes:
        assert_same(together[seed], reversed_[seed])
        assert_same(together[seed], train(data, [(seed, hyper)], dtype, **more)[seed])


def test_lanes_of_several_output_activations_share_a_pack_and_keep_their_bits() -> None:
    data = make_data(n_outputs=2)
    lanes = [(seed, make_hyper(output_activation=name)) for seed, name in enumerate(get_args(OutputActivationName))]
    together = train(data, lanes, torch.float32)
    for lane in lanes:
        assert_same(together[lane[0]], train(data, [lane], torch.float32)[lane[0]])
    assert len({curve[1] for curve in together.values()}) == len(lanes)


def test_validation_metrics_of_an_output_activation_are_in_raw_units() -> None:
    data = make_data(n_outputs=2)
    pack, twin = make_pack(data), Twin(data, make_hyper(output_activation="softplus"), seed=100, job_seed=3)
    start(pack, twin.hyper)
    twin.train_epoch()
    predicted = np.logaddexp(0, twin.predict(data.x_valid))
    error = (predicted - data.y_valid) * data.target_scale
    assert pack.train({0: 1})[0].values[0] == pytest.approx(np.mean(error**2), rel=1e-9)


@pytest.mark.parametrize(("loss", "task"), [("hinge", "binary"), ("perceptron", "multiclass"), ("hinge", "multilabel")])
def test_a_loss_without_probabilities_leaves_metrics_that_need_them_open(loss: str, task: Task) -> None:
    pack = make_pack(make_data(task, 1 if task == "binary" else 3), metrics=("accuracy", "log_loss"), maximize=True)
    start(pack, make_hyper(loss=loss), make_hyper())
    mine, other = pack.train({0: 1, 1: 1})
    assert np.isfinite(mine.values[0])
    assert np.isnan(mine.values[1])
    assert mine.outcome is None
    assert np.isfinite(other.values).all()


def test_on_stopping_rows_a_metric_that_needs_probabilities_stays_open_and_another_one_does_not() -> None:
    data = make_data("binary")
    data = replace(data, stopping=(data.x_train[:20], data.y_train[:20]))
    for metric, is_open in (("log_loss", True), ("accuracy", False)):
        pack = make_pack(data, metrics=("accuracy", "log_loss"), maximize=True, stopping_metric=metric)
        start(pack, make_hyper(loss="hinge"))
        (report,) = pack.train({0: 1})
        assert np.isnan(report.values).tolist() == [False, True, is_open]


@pytest.mark.parametrize(
    ("task", "wrong", "message"),
    [
        ("binary", {"loss": "huber"}, "the loss huber is not for binary"),
        ("regression", {"loss": "cross_entropy"}, "the loss cross_entropy is not for regression"),
        (
            "multiclass",
            {"output_activation": "relu"},
            "output_activation: the output activation relu is for regression",
        ),
        ("regression", {"class_weight": "balanced"}, "class_weight: balanced weighs classes"),
        ("regression", {"label_smoothing": 0.1}, "label_smoothing: it smooths classes"),
    ],
)
def test_a_lane_whose_settings_are_not_for_its_task_fails_alone(
    task: Task, wrong: dict[str, Any], message: str
) -> None:
    pack = make_pack(make_data(task, 3 if task == "multiclass" else 1))
    (failed,) = start(pack, make_hyper(**wrong), make_hyper())
    assert failed.lane == 0
    assert failed.error is not None
    assert message in failed.error.message
    assert pack.train({0: 1, 1: 1})[0].outcome is None


@pytest.mark.parametrize("loss", ["hinge", "focal", "cross_entropy"])
def test_every_loss_of_classes_learns(loss: str) -> None:
    data = make_data("multiclass", 3, n_train=300, n_valid=200)
    pack = Pack(data, PackSettings(0, ("accuracy",), maximize=True))
    pack.start([LaneStart(0, Hyperparameters(loss=loss, units=16, learning_rate=0.01), 0)])
    assert pack.train({0: 30})[-1].values[0] > 0.8


def test_the_quantile_loss_learns_a_quantile() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 2)).astype(np.float32), rng.normal(size=(2000, 1)).astype(np.float32)
    pack = Pack(PackData("regression", 1, x, y, x, y), make_settings())
    hyper = Hyperparameters(hidden_layers=0, loss="quantile", quantile=0.9, learning_rate=0.01)
    pack.start([LaneStart(0, hyper, 0)])
    pack.train({0: 10})
    *weight, bias = pack.save([0])[0].arrays["parameters"]
    assert np.mean(y[:, 0] < x @ weight + bias) == pytest.approx(0.9, abs=0.03)


def test_every_loss_is_for_some_task_and_has_a_twin() -> None:
    assert {name for task in get_args(Task) for name in losses_for(task)} == set(LOSSES)


@pytest.mark.parametrize(
    ("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multilabel", 3), ("multiclass", 5)]
)
def test_a_lane_whose_outputs_overflow_ends_as_diverged_whatever_its_loss(task: Task, n_outputs: int) -> None:
    data, lanes = make_data(task, n_outputs), [make_hyper(**more) for more in variants(task)]
    pack = make_pack(data, torch.float32, **of_labels(task))
    start(pack, *lanes)
    huge = {
        n: LaneState(0, 0, {k: a + 1e30 for k, a in s.arrays.items()}) for n, s in pack.save(range(len(lanes))).items()
    }
    healthy = len(lanes)
    starts = [LaneStart(lane, hyper, 100, huge[lane]) for lane, hyper in enumerate(lanes)]
    assert pack.start([*starts, LaneStart(healthy, make_hyper(), 100)]) == []
    reports = pack.train(dict.fromkeys(range(healthy + 1), 1))
    assert [report.outcome for report in reports] == ["diverged"] * healthy + [None]


@pytest.mark.parametrize(
    ("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multilabel", 3), ("multiclass", 5)]
)
def test_a_lane_of_any_loss_goes_on_elsewhere_as_if_nothing_had_happened(task: Task, n_outputs: int) -> None:
    data, lanes = make_data(task, n_outputs), [make_hyper(**more) for more in variants(task)]
    numbers, more = range(len(lanes)), of_labels(task)
    whole, first, second = (make_pack(data, torch.float32, **more) for _ in range(3))
    start(whole, *lanes)
    whole.train(dict.fromkeys(numbers, 4))
    start(first, *lanes)
    first.train(dict.fromkeys(numbers, 2))
    second.start(first.leave(numbers))
    second.train(dict.fromkeys(numbers, 2))
    expected, given = whole.save(numbers), second.save(numbers)
    for lane in numbers:
        assert given[lane].arrays["parameters"].tobytes() == expected[lane].arrays["parameters"].tobytes()
