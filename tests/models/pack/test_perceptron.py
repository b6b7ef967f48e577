"""The perceptron: Rosenblatt's rule step by step, what it cannot learn, and what one hidden layer can."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Perceptron

from models.batches import batch_order
from models.hyper import Hyperparameters
from models.lanes import LaneStart, PackData, PackSettings
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_pack

pytestmark = pytest.mark.usefixtures("engine")

ROSENBLATT = Hyperparameters(
    hidden_layers=0,
    loss="perceptron",
    optimizer="sgd",
    momentum=0,
    learning_rate=1,
    batch_size=1,
    initialisation="zeros",
)
CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
XOR = PackData("binary", 1, CORNERS, np.array([0, 1, 1, 0]), CORNERS, np.array([0, 1, 1, 0]))


@pytest.mark.parametrize("n_classes", [2, 4])
def test_its_learning_rule_is_that_of_scikit_learns_perceptron(n_classes: int) -> None:
    task = "binary" if n_classes == 2 else "multiclass"
    data = make_data(task, 1 if n_classes == 2 else n_classes)
    pack, twin = make_pack(data, metrics=("accuracy",), maximize=True), Perceptron(shuffle=False)
    pack.start([LaneStart(0, ROSENBLATT, 0)])
    for epoch in range(4):
        order = batch_order(len(data.x_train), pack.settings.seed, epoch, 1)
        twin.partial_fit(data.x_train[order].astype(np.float64), data.y_train[order], classes=np.arange(n_classes))
        report = pack.train({0: 1})[0]
        weights, bias = np.split(pack.save([0])[0].arrays["parameters"], [twin.coef_.size])
        np.testing.assert_allclose(weights.reshape(-1, len(twin.coef_)).T, twin.coef_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(bias, twin.intercept_, rtol=1e-9, atol=1e-9)
        hits = twin.predict(data.x_valid.astype(np.float64)) == data.y_valid
        assert report.values[0] == pytest.approx(hits.mean())


def test_one_step_equals_scikit_learns_at_every_row() -> None:
    """A table of one more row each time ends where scikit-learn stands after as many updates."""
    data = make_data("binary", n_train=12)
    for n_rows in range(2, 13):
        cut = PackData("binary", 1, data.x_train[:n_rows], data.y_train[:n_rows], data.x_valid, data.y_valid)
        pack, twin = make_pack(cut, metrics=("accuracy",), maximize=True), Perceptron(shuffle=False)
        pack.start([LaneStart(0, ROSENBLATT, 0)])
        pack.train({0: 1})
        order = batch_order(n_rows, pack.settings.seed, 0, 1)
        twin.partial_fit(cut.x_train[order].astype(np.float64), cut.y_train[order], classes=[0, 1])
        mine = pack.save([0])[0].arrays["parameters"]
        np.testing.assert_allclose(mine, [*twin.coef_[0], *twin.intercept_], rtol=1e-9, atol=1e-9)


def test_it_cannot_learn_xor_and_one_hidden_layer_can() -> None:
    pack = Pack(XOR, PackSettings(0, ("accuracy",), maximize=True))
    deep = Hyperparameters(hidden_layers=1, units=8, activation="tanh", loss="perceptron", learning_rate=0.05)
    pack.start([LaneStart(0, ROSENBLATT, 0), LaneStart(1, deep, 0)])
    reports = pack.train({0: 200, 1: 200})
    assert max(report.values[0] for report in reports if report.lane == 0) <= 0.75
    assert max(report.values[0] for report in reports if report.lane == 1) == 1
