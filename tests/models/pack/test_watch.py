"""What early stopping watches: any metric, a least improvement, rows of its own; against a plain loop over a curve."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from models.evaluate import evaluate
from models.lanes import LaneReport, LaneStart, PackData, Watch
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")

HYPER = make_hyper(units=64, learning_rate=0.03)


def with_stopping_rows(data: PackData) -> PackData:
    """Set the last 30 training rows aside."""
    stopping = data.x_train[-30:], data.y_train[-30:]
    return replace(data, x_train=data.x_train[:-30], y_train=data.y_train[:-30], stopping=stopping)


def trained(data: PackData, n_epochs: int, **more: Any) -> tuple[Pack, list[LaneReport]]:
    pack = make_pack(data, **more)
    start(pack, HYPER)
    return pack, pack.train({0: n_epochs})


def plain_loop(values: list[float], watch: Watch, patience: int) -> tuple[int, int]:
    """Give the best epoch and the last one, by Keras' rule."""
    sign = 1 if watch.maximize else -1
    best, best_epoch, waited = -math.inf, 0, 0
    for epoch, value in enumerate(values, 1):
        if sign * value - watch.min_delta > best:
            best, best_epoch, waited = sign * value, epoch, 0
        else:
            waited += 1
        if waited >= patience:
            return best_epoch, epoch
    return best_epoch, len(values)


def weights(pack: Pack) -> np.ndarray:
    return np.concatenate([part.ravel() for layer in pack.best_layers(0) or [] for part in layer])


@pytest.mark.parametrize("watch", [Watch(2, False, 0.0), Watch(1, True, 0.01), Watch(0, False, 0.02), Watch(3, True)])
def test_patience_and_the_best_epoch_follow_what_is_watched(watch: Watch) -> None:
    data = with_stopping_rows(make_data(n_train=60))
    more: dict[str, Any] = {"watch": watch, "stopping_metric": "r2"}
    _, whole = trained(data, 60, **more)
    best, last = plain_loop([report.values[watch.place] for report in whole], watch, patience=4)
    assert last < 60, "it must run out of patience for this test to say anything"
    pack, reports = trained(data, 60, patience=4, **more)
    assert [(r.epoch, r.values) for r in reports] == [(r.epoch, r.values) for r in whole[:last]]
    assert reports[-1].outcome == "patience"
    until, _ = trained(data, best, watch=Watch(0, False, -math.inf), stopping_metric="r2")  # every epoch is better
    np.testing.assert_array_equal(weights(pack), weights(until))


@pytest.mark.parametrize(("task", "metric"), [("regression", "r2"), ("binary", "roc_auc"), ("multiclass", "log_loss")])
def test_stopping_rows_are_scored_as_validation_rows_are(task: Any, metric: str) -> None:
    data = with_stopping_rows(make_data(task, n_outputs=3 if task == "multiclass" else 1))
    _, reports = trained(data, 3, stopping_metric=metric)
    x, y = data.stopping or (data.x_valid, data.y_valid)
    swapped = replace(data, x_valid=x, y_valid=y, stopping=None)
    _, expected = trained(swapped, 3, metrics=(metric,))
    for report, other in zip(reports, expected, strict=True):
        assert len(report.values) == 4
        assert report.values[-1] == pytest.approx(other.values[0], rel=1e-9)


def test_stopping_rows_change_neither_training_nor_validation() -> None:
    data = with_stopping_rows(make_data())
    _, with_them = trained(data, 4, stopping_metric="r2")
    _, without = trained(replace(data, stopping=None), 4)
    for report, other in zip(with_them, without, strict=True):
        assert report.train_loss == other.train_loss
        assert report.values[:3] == pytest.approx(other.values, rel=1e-12)


def test_a_patient_lane_repeats_what_another_has_done_and_does_not_end() -> None:
    data = make_data(n_train=30)
    pack = make_pack(data, patience=2)
    pack.start([LaneStart(0, HYPER, 100), LaneStart(1, HYPER, 100, patient=True)])
    reports = pack.train({0: 60, 1: 60})
    own, patient = ([report for report in reports if report.lane == lane] for lane in (0, 1))
    assert own[-1].outcome == "patience"
    assert [report.values for report in patient[: len(own)]] == [report.values for report in own]
    assert len(patient) == 60
    assert patient[-1].outcome is None


def test_a_failed_lane_reports_a_value_for_the_stopping_rows_too() -> None:
    pack = make_pack(with_stopping_rows(make_data()), stopping_metric="r2")
    (failed,) = start(pack, make_hyper(hidden_layers=16, units=65536))
    assert failed.outcome == "failed"
    assert len(failed.values) == 4


def test_what_is_no_number_is_never_an_improvement() -> None:
    watch = Watch()
    assert not watch.improves([math.nan], None)
    assert not watch.improves([math.nan], 1.0)
    assert watch.improves([0.5], 1.0)


def test_stopping_values_equal_the_metric_in_numpy() -> None:
    data = with_stopping_rows(make_data())
    pack, reports = trained(data, 1, stopping_metric="mean_absolute_error")
    hidden, y = data.stopping or (data.x_valid, data.y_valid)
    layers = pack.best_layers(0) or []
    for place, (weight, bias) in enumerate(layers):
        hidden = hidden @ weight + bias
        hidden = np.maximum(hidden, 0) if place + 1 < len(layers) else hidden
    truth, predicted = (part * data.target_scale + data.target_mean for part in (y, hidden))
    assert reports[0].values[-1] == pytest.approx(evaluate("mean_absolute_error", truth, predicted), rel=1e-4)
