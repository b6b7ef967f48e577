"""A lane's numbers do not depend on how many lanes there are, on its place, or on its neighbours: bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.hyper import Hyperparameters
from models.lanes import LaneStart, PackData, Task
from models.metrics import METRICS, Judge
from models.ops import OPS
from models.optim import RULES
from tests.models.pack.jobs import make_data, make_hyper, make_pack

pytestmark = pytest.mark.usefixtures("engine")

Curve = tuple[list[tuple[float, ...]], bytes]
LANES = [
    *(make_hyper(activation=name, units=(40, 24)) for name in OPS),
    *(make_hyper(activation=name, units=(33, 20), dropout=0.2, optimizer="adamw", weight_decay=0.1) for name in OPS),
    *(make_hyper(optimizer=name, units=(48, 32), weight_decay=0.01) for name in RULES),
    *(make_hyper(optimizer=name, units=(48, 32), l1=1e-3, gradient_clip=0.5, schedule="one_cycle") for name in RULES),
    *(make_hyper(activation=name, units=(40, 24), normalisation=kind) for name in OPS for kind in ("batch", "layer")),
    *(
        make_hyper(units=(40, 80), normalisation=kind, dropout=0.2, optimizer=name, batch_size=20, weight_decay=0.01)
        for name in RULES
        for kind in ("batch", "layer")
    ),
    *(make_hyper(hidden_layers=0, learning_rate=rate, batch_size=20) for rate in (0.1, 0.01, 0.001)),
    *(make_hyper(units=64, hidden_layers=3, learning_rate=rate, batch_size=7) for rate in (0.1, 0.01, 0.001)),
    make_hyper(learning_rate=100, optimizer="sgd", units=(40, 24)),
]


def train(
    data: PackData, lanes: Sequence[tuple[int, Hyperparameters]], dtype: torch.dtype, **more: Any
) -> dict[int, Curve]:
    """Train (seed, hyperparameters) pairs for two epochs as one pack; return everything by seed."""
    pack = make_pack(data, dtype, **more)
    pack.start([LaneStart(place, hyper, seed) for place, (seed, hyper) in enumerate(lanes)])
    reports = pack.train(dict.fromkeys(range(len(lanes)), 2))
    curves: dict[int, Curve] = {}
    for place, (seed, _) in enumerate(lanes):
        numbers = [(r.train_loss, *r.values) for r in reports if r.lane == place]
        state = pack.save([place])[place]
        curves[seed] = numbers, b"".join(array.tobytes() for array in state.arrays.values())
    return curves


def assert_same(one: Curve, other: Curve) -> None:
    np.testing.assert_array_equal(np.array(one[0]), np.array(other[0]))  # NaN equals NaN
    if np.isfinite([values[:2] for values in one[0]]).all():  # metrics may be open
        assert one[1] == other[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("task", "n_outputs"), [("regression", 2), ("binary", 1), ("multiclass", 5)])
def test_a_lane_alone_and_in_company_has_the_same_bits(task: Task, n_outputs: int, dtype: torch.dtype) -> None:
    data = make_data(task, n_outputs)
    lanes = list(enumerate(LANES))
    together, reversed_ = train(data, lanes, dtype), train(data, lanes[::-1], dtype)
    for seed, hyper in lanes:
        assert_same(together[seed], reversed_[seed])
        assert_same(together[seed], train(data, [(seed, hyper)], dtype)[seed])


@settings(max_examples=25, deadline=None)
@given(
    places=st.lists(st.integers(0, len(LANES) - 1), min_size=1, max_size=20),
    task=st.sampled_from([("regression", 1), ("binary", 1), ("multiclass", 3)]),
)
def test_a_lane_in_any_company_has_the_bits_it_has_alone(places: list[int], task: tuple[Task, int]) -> None:
    data = make_data(*task, n_train=41, n_valid=20)
    lanes = [(seed, LANES[place]) for seed, place in enumerate(places)]
    together = train(data, lanes, torch.float32)
    assert_same(together[0], train(data, lanes[:1], torch.float32)[0])


def test_wide_layers_and_large_batches_do_not_change_the_bits() -> None:
    data = make_data("multiclass", 3, n_train=600)
    lanes = [(seed, make_hyper(units=(250, 130), batch_size=512)) for seed in range(3)]
    together = train(data, lanes, torch.float32)
    for lane in lanes:
        assert_same(together[lane[0]], train(data, [lane], torch.float32)[lane[0]])


@pytest.mark.parametrize(
    ("task", "n_outputs"), [("regression", 1), ("binary", 1), ("multiclass", 3), ("multilabel", 3)]
)
def test_metrics_of_many_rows_have_the_same_bits_alone_and_in_company_on_two_threads(
    task: Task, n_outputs: int
) -> None:
    torch.set_num_threads(2)
    data = make_data(task, n_outputs, n_valid=40_001)  # torch splits a sum of 32,768 numbers and more among threads
    judge = Judge(data, [name for name, metric in METRICS.items() if task in metric.tasks], torch.device("cpu"))
    outputs = torch.randn(3, 40_001, 16, generator=torch.Generator().manual_seed(0))
    together = judge.score(outputs)
    for lane in range(3):
        np.testing.assert_array_equal(together[lane], judge.score(outputs[lane : lane + 1])[0])


def test_spare_rows_for_machines_that_need_them_do_not_change_the_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    data, lanes = make_data("multiclass", 3), list(enumerate(LANES))
    without = train(data, lanes, torch.float64)
    monkeypatch.setattr("models.group.LANE_MULTIPLE", 8)
    padded = train(data, lanes, torch.float64)
    for seed, _ in lanes:
        assert_same(without[seed], padded[seed])
