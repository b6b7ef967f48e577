"""The life of a lane: calls that cut its epochs, copies, leavers, divergence, early stopping."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.lanes import LaneReport, LaneStart, LaneState
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")

MIXED = [
    make_hyper(),
    make_hyper(activation="logistic", dropout=0.2),
    make_hyper(optimizer="adamw", weight_decay=0.1, dropout=0.1),
    make_hyper(optimizer="sgd", activation="gelu", batch_size=20),
    make_hyper(hidden_layers=0, optimizer="sgd"),
    make_hyper(optimizer="nadam", schedule="cosine", schedule_epochs=4, warmup_epochs=1.5, gradient_clip=0.5),
    make_hyper(optimizer="rmsprop", schedule="step", decay_epochs=1, l1=1e-3),
    make_hyper(optimizer="adagrad", schedule="exponential", decay_epochs=2),
    make_hyper(optimizer="sgd", nesterov=True, schedule="one_cycle", schedule_epochs=4),
    make_hyper(normalisation="batch", dropout=0.2, batch_size=37),
    make_hyper(normalisation="layer", optimizer="sgd", weight_decay=0.1),
]
DIVERGES = make_hyper(optimizer="sgd", learning_rate=100.0, hidden_layers=1, units=9, activation="identity")


def assert_same_states(one: dict[int, LaneState], other: dict[int, LaneState]) -> None:
    assert one.keys() == other.keys()
    for lane in one:
        assert (one[lane].epoch, one[lane].n_steps) == (other[lane].epoch, other[lane].n_steps)
        assert one[lane].arrays.keys() == other[lane].arrays.keys()
        for name, array in one[lane].arrays.items():
            np.testing.assert_array_equal(array, other[lane].arrays[name])


def train_all(pack: Pack, n_epochs: int, n_lanes: int = len(MIXED)) -> list[LaneReport]:
    return pack.train(dict.fromkeys(range(n_lanes), n_epochs))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_how_calls_cut_the_epochs_changes_nothing(dtype: torch.dtype) -> None:
    whole, cut = (make_pack(make_data(), dtype) for _ in range(2))
    start(whole, *MIXED)
    start(cut, *MIXED)
    reports = train_all(whole, 5)
    pieces = [*cut.train({0: 3, 1: 1}), *cut.train({1: 4, 3: 5}), *cut.train({0: 2, 2: 5}), *cut.train({4: 5})]
    pieces += [*cut.train({5: 2, 7: 5, 8: 1, 9: 2, 10: 4}), *cut.train({5: 3, 6: 5, 8: 4, 9: 3, 10: 1})]
    assert sorted(pieces, key=lambda r: (r.lane, r.sequence)) == reports
    assert_same_states(whole.save(range(len(MIXED))), cut.save(range(len(MIXED))))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_saved_lane_goes_on_in_another_pack_as_if_nothing_had_happened(dtype: torch.dtype) -> None:
    whole, first, second = (make_pack(make_data(), dtype) for _ in range(3))
    start(whole, *MIXED)
    start(first, *MIXED)
    reports = train_all(whole, 5)
    before = train_all(first, 3)
    best = {r.lane: min(q.values[0] for q in before if q.lane == r.lane) for r in before}
    waited = {lane: 3 - [r.values[0] for r in before if r.lane == lane].index(best[lane]) - 1 for lane in best}
    states = first.save(range(len(MIXED)))
    second.start(
        [
            LaneStart(lane, hyper, 100 + lane, states[lane], 3, best[lane], waited[lane])
            for lane, hyper in reversed(list(enumerate(MIXED)))
        ]
    )
    assert before + train_all(second, 2) == sorted(reports, key=lambda r: (r.sequence > 3, r.lane, r.sequence))
    assert_same_states(whole.save(range(len(MIXED))), second.save(range(len(MIXED))))


def test_a_copied_lane_has_the_weights_and_optimizer_state_but_not_the_random_stream_of_its_source() -> None:
    pack = make_pack(make_data())
    start(pack, MIXED[2], MIXED[2])
    pack.train({0: 4, 1: 2})
    source = pack.save([0])[0]
    pack.start([LaneStart(1, MIXED[2], 101, source, sequence=2)])
    assert_same_states(pack.save([0]), {0: pack.save([1])[1]})
    reports = pack.train({0: 1, 1: 1})
    assert [r.epoch for r in reports] == [5, 5]
    assert [r.sequence for r in reports] == [5, 3]
    assert reports[0].train_loss != reports[1].train_loss  # their dropout differs
    twins = make_pack(make_data())
    twins.start([LaneStart(lane, MIXED[2], 7, source) for lane in (0, 1)])
    first, second = twins.train({0: 1, 1: 1})
    assert first.train_loss == second.train_loss


def test_a_copied_lane_may_train_on_with_other_hyperparameters() -> None:
    pack = make_pack(make_data())
    start(pack, MIXED[0], MIXED[0])
    pack.train({0: 2, 1: 2})
    explored = MIXED[0].model_copy(update={"learning_rate": 0.1, "dropout": 0.4})
    pack.start([LaneStart(1, explored, 101, pack.save([0])[0], sequence=2)])
    mine, other = pack.train({0: 1, 1: 1})
    assert mine.train_loss != other.train_loss


def test_removing_lanes_changes_nothing_for_the_rest() -> None:
    pack, rest = make_pack(make_data()), make_pack(make_data())
    start(pack, *MIXED)
    rest.start([LaneStart(lane, MIXED[lane], 100 + lane) for lane in (1, 3)])
    train_all(pack, 2)
    pack.drop([0, 2, *range(4, len(MIXED))])
    pack.train({1: 2, 3: 2})
    rest.train({1: 4, 3: 4})
    assert_same_states(rest.save([1, 3]), pack.save([1, 3]))
    with pytest.raises(KeyError, match=r"lane 2 is not in this pack; it has \[1, 3\]"):
        pack.train({2: 1})


def test_a_diverged_lane_touches_nobody_and_ends_as_diverged() -> None:
    alike = [make_hyper(optimizer="sgd", hidden_layers=1, units=9, activation="identity")] * 3
    healthy, mixed = (make_pack(make_data(), torch.float32) for _ in range(2))
    start(healthy, *alike)
    start(mixed, *alike, DIVERGES)
    expected, found = train_all(healthy, 6, 3), train_all(mixed, 6, 4)
    assert [r for r in found if r.lane < 3] == expected
    assert_same_states(healthy.save(range(3)), mixed.save(range(3)))
    ended = [r for r in found if r.lane == 3]
    assert [r.outcome for r in ended] == [None] * (len(ended) - 1) + ["diverged"]
    assert not math.isfinite(ended[-1].train_loss) or not math.isfinite(ended[-1].values[0])
    assert mixed.train({3: 2}) == []


def test_a_frozen_lane_trains_again_after_it_was_started_again() -> None:
    pack = make_pack(make_data())
    start(pack, MIXED[0], DIVERGES)
    assert pack.train({0: 3, 1: 200})[-1].outcome == "diverged"
    pack.start([LaneStart(1, MIXED[0], 5, pack.save([0])[0], sequence=9)])
    report = pack.train({1: 1})[0]
    assert (report.sequence, report.epoch, report.outcome) == (10, 4, None)


@pytest.mark.parametrize("maximize", [False, True])
def test_early_stopping_waits_for_its_patience_and_keeps_the_best_epochs_weights(maximize: bool) -> None:
    data = make_data(n_train=30)
    more = {"metrics": ("r2",) if maximize else ("mean_squared_error",), "maximize": maximize, "patience": 3}
    pack = make_pack(data, **more)
    hyper = make_hyper(units=64, learning_rate=0.03)
    start(pack, hyper)
    reports = pack.train({0: 200})
    values = [r.values[0] for r in reports]
    best = (max if maximize else min)(range(len(values)), key=lambda i: values[i])
    assert reports[-1].outcome == "patience"
    assert len(values) == best + 1 + 3 < 200
    assert pack.train({0: 5}) == []
    layers = pack.best_layers(0)
    until = make_pack(data, **more)
    start(until, hyper)
    until.train({0: best + 1})
    found = np.concatenate([part.ravel() for layer in layers or [] for part in layer])
    np.testing.assert_array_equal(found, until.save([0])[0].arrays["parameters"].astype(np.float32))


def test_early_stopping_remembers_what_the_trial_saw_before_it_was_moved() -> None:
    pack = make_pack(make_data(), patience=3)
    pack.start([LaneStart(0, make_hyper(), 1, sequence=5, best_value=1e-9, n_since_best=1)])
    reports = pack.train({0: 50})
    assert [r.outcome for r in reports] == [None, "patience"]
    assert [r.sequence for r in reports] == [6, 7]
    assert pack.best_layers(0) is None


def test_a_lane_that_is_started_again_keeps_its_best_weights_and_a_new_one_has_none() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper(), make_hyper(units=30))
    assert pack.best_layers(0) is None
    pack.train({0: 2, 1: 2})
    best = [pack.best_layers(lane) for lane in (0, 1)]
    pack.start([LaneStart(0, make_hyper(), 1, best_value=1e-9), LaneStart(1, make_hyper(), 1, best_value=1e-9)])
    pack.train({0: 1, 1: 1})
    for lane in (0, 1):  # lane 1 has another shape now, its best weights still have the old one
        for before, now in zip(best[lane] or [], pack.best_layers(lane) or [], strict=True):
            np.testing.assert_array_equal(before[0], now[0])
            np.testing.assert_array_equal(before[1], now[1])
    pack.start([LaneStart(2, make_hyper(), 1, pack.save([0])[0])])
    assert pack.best_layers(2) is None


def test_the_present_epoch_is_the_best_where_somebody_says_so() -> None:
    pack = make_pack(make_data(), decides_best=False, patience=1)
    start(pack, make_hyper(normalisation="batch"), make_hyper())
    assert len(pack.train({0: 3, 1: 3})) == 6
    assert [pack.best_layers(lane) for lane in (0, 1)] == [None, None]
    pack.keep_best([0])
    said = pack.best_layers(0)
    pack.train({0: 2, 1: 2})
    assert pack.best_layers(1) is None
    alone = make_pack(make_data(), decides_best=False)
    start(alone, make_hyper(normalisation="batch"))
    for best, expected in ((said, 3), (pack.best_layers(0), 3)):
        alone.train({0: expected - alone.save([0])[0].epoch})
        alone.keep_best([0])
        for one, other in zip(best or [], alone.best_layers(0) or [], strict=True):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


def test_weights_that_diverged_are_nobodys_best() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper(optimizer="sgd", learning_rate=30.0))
    assert pack.train({0: 60})[-1].outcome == "diverged"
    pack.keep_best([0])
    assert pack.best_layers(0) is None


def test_best_layers_are_unpadded_and_in_order() -> None:
    pack = make_pack(make_data(n_outputs=2))
    start(pack, make_hyper(units=(9, 17)))
    pack.train({0: 1})
    shapes = [(weight.shape, bias.shape, weight.dtype) for weight, bias in pack.best_layers(0) or []]
    assert shapes == [((5, 9), (9,), "float32"), ((9, 17), (17,), "float32"), ((17, 2), (2,), "float32")]


def test_a_state_is_plain_unpadded_arrays_that_only_the_optimizers_need() -> None:
    pack = make_pack(make_data(), torch.float32)
    start(pack, make_hyper(optimizer="sgd"), make_hyper(optimizer="adam"))
    states = pack.save([0, 1])
    assert set(states[0].arrays) == {"parameters", "first_moment"}
    assert set(states[1].arrays) == {"parameters", "first_moment", "second_moment"}
    assert {a.shape for s in states.values() for a in s.arrays.values()} == {(5 * 9 + 9 + 9 * 17 + 17 + 17 + 1,)}
    assert {a.dtype for s in states.values() for a in s.arrays.values()} == {np.dtype(np.float32)}


def test_initial_weights_and_batch_order_are_the_same_in_both_precisions() -> None:
    single, double = make_pack(make_data(), torch.float32), make_pack(make_data(), torch.float64)
    for pack in (single, double):
        start(pack, MIXED[0])
    first, second = (pack.save([0])[0].arrays["parameters"] for pack in (single, double))
    np.testing.assert_array_equal(first, second.astype(np.float32))
    one, other = single.train({0: 1})[0], double.train({0: 1})[0]
    assert one.train_loss == pytest.approx(other.train_loss, rel=1e-4)


def test_reports_say_which_lane_sequence_and_age_they_belong_to() -> None:
    pack = make_pack(make_data())
    start(pack, MIXED[0], MIXED[3])
    found = [(r.lane, r.sequence, r.epoch, len(r.values)) for r in pack.train({1: 1, 0: 2})]
    assert found == [(0, 1, 1, 3), (0, 2, 2, 3), (1, 1, 1, 3)]
    assert replace(pack.train({0: 1})[0], train_loss=0, values=()) == LaneReport(0, 3, 3, 0, ())
