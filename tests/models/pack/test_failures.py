"""One failing lane fails alone: exceptions in an op, states that do not fit, networks too large for the device."""

from __future__ import annotations

import gc
import math
import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.lanes import LaneStart, LaneState, PackData
from models.ops import OPS, Op
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")


class OpBroke(Exception):
    pass


def break_above(limit: float) -> Op:
    """Return tanh, except that it raises as soon as one number leaves [-limit, limit]."""

    def forward(z: torch.Tensor) -> torch.Tensor:
        if z.abs().max() > limit:
            raise OpBroke(f"a number above {limit}")
        return z.tanh_()

    return Op("fragile", "", "glorot", forward, OPS["tanh"].backward, "output")


@pytest.mark.parametrize("culprit", [0, 3, 6])
def test_an_exception_is_traced_by_halves_to_its_lane_and_the_rest_go_on(
    culprit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OPS, "fragile", break_above(40))
    calm = [make_hyper(activation=name, dropout=rate) for name in ("fragile", "relu") for rate in (0.0, 0.1)]
    lanes = [calm[lane % 4] for lane in range(7)]
    healthy, hit = make_pack(make_data()), make_pack(make_data())
    start(healthy, *lanes)
    lanes[culprit] = make_hyper(activation="fragile", optimizer="sgd", learning_rate=50.0)
    start(hit, *lanes)
    expected = [r for r in healthy.train(dict.fromkeys(range(7), 4)) if r.lane != culprit]
    found = hit.train(dict.fromkeys(range(7), 4))
    assert [r for r in found if r.lane != culprit] == expected
    last = [r for r in found if r.lane == culprit][-1]
    assert last.outcome == "failed"
    assert last.error is not None
    assert (last.error.kind, last.error.message) == ("OpBroke", "a number above 40")
    assert "in forward" in last.error.traceback
    assert not last.error.out_of_memory
    assert hit.train({culprit: 3}) == []


def test_a_failed_epoch_leaves_the_weights_of_the_epoch_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPS, "fragile", break_above(1e9))
    pack = make_pack(make_data())
    start(pack, make_hyper(activation="fragile"))
    pack.train({0: 2})
    before = pack.save([0])[0]
    monkeypatch.setitem(OPS, "fragile", break_above(0.5))
    pack.start([LaneStart(0, make_hyper(activation="fragile"), 100, before, sequence=2)])
    report = pack.train({0: 1})[0]
    assert (report.outcome, report.sequence, report.epoch) == ("failed", 3, 2)
    assert math.isnan(report.train_loss)
    assert np.isnan(report.values).all()
    np.testing.assert_array_equal(pack.save([0])[0].arrays["parameters"], before.arrays["parameters"])


def test_a_network_too_large_for_the_device_fails_alone_and_says_both_figures() -> None:
    pack = make_pack(make_data(), torch.float32)
    huge = make_hyper(units=65_536, hidden_layers=16)
    reports = start(pack, make_hyper(), huge, make_hyper())
    assert [(r.lane, r.outcome) for r in reports] == [(1, "failed")]
    error = reports[0].error
    assert error is not None
    assert error.out_of_memory
    assert error.message.startswith("a network of widths (5, 65536, 65536,")
    assert f"needs {pack.bytes_needed(huge) / 2**20:,.0f} MiB, the device has " in error.message
    assert {r.lane for r in pack.train({0: 1, 1: 1, 2: 1})} == {0, 2}
    with pytest.raises(ValueError, match="lane 1 failed to start and has no state"):
        pack.save([1])


def test_lanes_that_do_not_fit_together_are_trained_by_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    alone, tight = make_pack(make_data()), make_pack(make_data())
    for pack in (alone, tight):
        start(pack, *[make_hyper()] * 4)
    expected = alone.train(dict.fromkeys(range(4), 2))
    room = 5 * tight.bytes_needed(make_hyper()) // 2
    monkeypatch.setattr("models.pack.bytes_available", lambda device: room)
    assert tight.train(dict.fromkeys(range(4), 2)) == expected
    assert (tight.take_shortage() or "").startswith("training 4 lanes as one needs ")
    assert tight.take_shortage() is alone.take_shortage() is None


@pytest.mark.parametrize(
    "hyper",
    [
        make_hyper(),
        make_hyper(dropout=0.1, activation="gelu", units=200, batch_size=64),
        make_hyper(normalisation="batch", units=200, batch_size=64),
        make_hyper(normalisation="layer", units=30, hidden_layers=6, batch_size=150),
    ],
)
@pytest.mark.parametrize(
    "embedding",
    [
        None,
        pytest.param(Embedding(5, (), ((0, 20), (3, 20))), marks=pytest.mark.slow),
        pytest.param(Embedding(5, ((1, 3, 2),)), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_estimate_of_memory_is_above_what_a_lane_takes_and_what_another_one_adds(
    hyper: Hyperparameters, embedding: Embedding | None
) -> None:
    data = replace(make_data(n_train=200, n_valid=500), embedding=embedding)
    one, two = bytes_taken(data, hyper, 1), bytes_taken(data, hyper, 2)
    estimate = make_pack(data, torch.float32).bytes_needed(hyper)
    assert one < estimate < 3 * one
    assert two - one < estimate


def bytes_taken(data: PackData, hyper: Hyperparameters, n_lanes: int) -> int:
    pack = make_pack(data, torch.float32)
    pack.bytes_needed(hyper)  # loads the rows, which all lanes share
    gc.collect()
    before = tensor_bytes()
    start(pack, *[hyper] * n_lanes)
    pack.train(dict.fromkeys(range(n_lanes), 1))
    return tensor_bytes() - before - batch_bytes(pack) + room_bytes(pack)


def room_bytes(pack: Pack) -> int:
    """Bytes of the buffers that lanes use in turn."""
    room = pack._engines._room
    return room.gradients.nbytes + sum(b.nbytes for b in room.buffers) if room else 0


def batch_bytes(pack: Pack) -> int:
    """Bytes of the epoch's batches, which all lanes share."""
    (bench,) = pack._benches.held.values()
    assert bench.rows._cached is not None
    batches = bench.rows._cached[1]
    return batches.x.nbytes + batches.target.nbytes + batches.weight.nbytes


def tensor_bytes() -> int:
    """Bytes of all storages that Python can reach."""
    storages = {
        o.untyped_storage().data_ptr(): o.untyped_storage().nbytes()
        for o in gc.get_objects()
        if type(o) is torch.Tensor
    }
    return sum(storages.values())


def test_a_state_of_another_network_is_refused_with_both_sizes() -> None:
    pack = make_pack(make_data())
    state = LaneState(3, 9, {"parameters": np.zeros(7, np.float32)})
    reports = pack.start([LaneStart(4, make_hyper(), 0, state, sequence=2)])
    assert [(r.lane, r.sequence, r.epoch, r.outcome) for r in reports] == [(4, 3, 3, "failed")]
    assert reports[0].error is not None
    expected = "parameters of a state has shape (7,); widths (5, 9, 17, 1) need (242,)"
    assert (reports[0].error.kind, reports[0].error.message) == ("ValueError", expected)


def test_a_lane_that_failed_to_start_may_be_started_again() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper(activation="no such op"))
    assert pack.best_layers(0) is None
    assert start(pack, make_hyper()) == []
    assert len(pack.train({0: 2})) == 2


def test_a_live_lane_whose_restart_fails_keeps_its_best_weights_and_has_no_state() -> None:
    pack = make_pack(make_data())
    start(pack, make_hyper())
    pack.train({0: 2})
    best = pack.best_layers(0)
    misfit = LaneState(3, 9, {"parameters": np.zeros(7, np.float32)})
    assert pack.start([LaneStart(0, make_hyper(), 0, misfit)])[0].outcome == "failed"
    np.testing.assert_array_equal((pack.best_layers(0) or [])[0][0], (best or [])[0][0])
    with pytest.raises(ValueError, match="lane 0 failed to start"):
        pack.save([0])


def test_data_that_came_read_only_from_shared_memory_are_taken() -> None:
    data = make_data("multiclass", 3)
    for array in (data.x_train, data.y_train, data.x_valid, data.y_valid, data.target_mean, data.target_scale):
        array.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pack = make_pack(data)
        start(pack, make_hyper())
        assert len(pack.train({0: 1})) == 1


def test_lanes_that_are_started_again_need_no_room_beside_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    pack = make_pack(make_data())
    start(pack, *[make_hyper()] * 4)
    monkeypatch.setattr("models.pack.bytes_available", lambda device: 0)
    assert start(pack, *[make_hyper()] * 4) == []
    assert [r.error and r.error.out_of_memory for r in start(pack, *[make_hyper()] * 5)] == [True]
