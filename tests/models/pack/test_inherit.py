"""What a network takes over of another's weights: all that fits, so that growing changes no prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.inherit import PARAMETERS, inherit
from models.lanes import LaneStart, LaneState, Layers
from models.layout import Layout
from models.live_lane import fresh_rows
from models.pack import Pack
from tests.models.pack.jobs import make_data, make_hyper, make_pack

PARENT = make_hyper(units=(9, 17))
SEED = 5
WIDER: list[dict[str, Any]] = [{"units": units} for units in [(9, 17), (12, 17), (9, 40), (25, 33)]]
DEEPER = [{"hidden_layers": 3, "units": (9, 17, 17)}, {"hidden_layers": 4, "units": (12, 20, 30, 24)}]
GROWTH = [("none", shape) for shape in [*WIDER, *DEEPER]] + [("batch", shape) for shape in WIDER]
"""A new layer under batch normalisation would normalise what it is given."""


def grown(parent: Hyperparameters, child: Hyperparameters) -> tuple[Pack, Layers, Layers]:
    """Train lane 0, let lane 1 inherit from it; give the layers of both."""
    pack = make_pack(make_data())
    pack.start([LaneStart(0, parent, 100)])
    pack.train({0: 3})
    (state,) = pack.save([0]).values()
    assert pack.start([LaneStart(1, child, SEED, state, ancestor=parent)]) == []
    pack.keep_best([0, 1])
    before, after = pack.best_layers(0), pack.best_layers(1)
    assert before is not None
    assert after is not None
    return pack, before, after


def answer(layers: Layers) -> Any:
    below: Any = make_data().x_valid.astype(np.float64)
    for depth, (weight, bias) in enumerate(layers):
        below = below @ weight + bias
        below = np.maximum(below, 0) if depth < len(layers) - 1 else below
    return below


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("normalisation", "shape"), GROWTH, ids=str)
def test_a_network_that_grows_predicts_what_its_parent_predicts(normalisation: str, shape: dict[str, Any]) -> None:
    like = {"normalisation": normalisation, "optimizer": "sgd", "learning_rate": 0.1}
    parent = PARENT.model_copy(update=like)
    pack, before, after = grown(parent, parent.model_copy(update=shape))
    np.testing.assert_allclose(answer(after), answer(before), rtol=1e-5, atol=1e-6)
    assert np.std(answer(before)) > 0.1, "the parent has learned nothing: the test shows little"
    (report,) = pack.train({1: 1})
    assert (report.sequence, report.epoch, report.outcome) == (1, 1, None)


@pytest.mark.usefixtures("engine")
def test_a_child_of_the_same_shape_has_all_weights_and_a_fresh_optimizer() -> None:
    pack, before, after = grown(PARENT, PARENT.model_copy(update={"learning_rate": 0.1}))
    for mine, theirs in zip(after, before, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one, other)
    old, new = (pack.save([lane])[lane] for lane in (0, 1))
    assert (old.epoch, new.epoch, new.n_steps) == (3, 0, 0)
    remembered = old.arrays.keys() - {PARAMETERS}
    assert remembered
    assert all(np.any(old.arrays[name]) and not np.any(new.arrays[name]) for name in remembered)


@pytest.mark.usefixtures("engine")
def test_new_units_begin_fresh_below_and_silent_above_and_learn() -> None:
    pack, before, after = grown(PARENT, PARENT.model_copy(update={"units": (14, 17)}))
    np.testing.assert_array_equal(after[0][0][:, :9], before[0][0])
    fresh = fresh_layers(PARENT.model_copy(update={"units": (14, 17)}))
    np.testing.assert_array_equal(after[0][0][:, 9:], fresh[0][0][:, 9:])
    np.testing.assert_array_equal(after[1][0][:9], before[1][0])
    assert not np.any(after[1][0][9:])
    pack.train({1: 1})
    pack.keep_best([1])
    learned = pack.best_layers(1)
    assert learned is not None
    assert np.all(np.any(learned[1][0][9:], axis=1))


def fresh_layers(hyper: Hyperparameters) -> Layers:
    layout = Layout.of(hyper, 5, 1)
    return layout.layers(layout.draw(SEED, hyper))


@pytest.mark.usefixtures("engine")
def test_a_network_that_shrinks_keeps_its_first_units_and_no_output_layer_of_lost_ones() -> None:
    _, before, after = grown(PARENT, PARENT.model_copy(update={"units": (6, 10)}))
    for (mine, my_bias), (theirs, their_bias) in zip(after, before, strict=True):
        np.testing.assert_array_equal(mine, theirs[: len(mine), : len(my_bias)])
        np.testing.assert_array_equal(my_bias, their_bias[: len(my_bias)])
    shallow = PARENT.model_copy(update={"hidden_layers": 1, "units": (17,)})
    _, before, after = grown(PARENT, shallow)
    np.testing.assert_array_equal(after[0][0][:, :9], before[0][0])
    np.testing.assert_array_equal(after[1][0], fresh_layers(shallow)[1][0])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(("parent", "child"), [(0, 2), (2, 0)])
def test_between_a_linear_network_and_a_deep_one_nothing_is_passed_on(parent: int, child: int) -> None:
    heir = PARENT.model_copy(update={"hidden_layers": child})
    _, before, after = grown(PARENT.model_copy(update={"hidden_layers": parent}), heir)
    for mine, fresh in zip(after, fresh_layers(heir), strict=True):
        np.testing.assert_array_equal(mine[0], fresh[0])
    assert len(before) == parent + 1


def test_what_inputs_stand_for_decides_about_the_first_layer() -> None:
    hyper = make_hyper(units=(6, 4))
    some, other = Embedding(5, tables=((0, 3, 2),)), Embedding(5, tables=((1, 3, 2),))
    layout = Layout.of(hyper, 5, 1, some)
    state = LaneState(7, 70, {PARAMETERS: layout.unpack(layout.draw(1, hyper))})

    def child(embedding: Embedding, same: bool) -> LaneState:
        mine = Layout.of(hyper, 5, 1, embedding)
        return inherit(state, layout, mine, fresh_rows(mine, LaneStart(0, hyper, SEED)), same)

    known, first = state.arrays[PARAMETERS], 4 * 6
    np.testing.assert_array_equal(child(some, same=True).arrays[PARAMETERS], known)
    fresh = layout.unpack(layout.draw(SEED, hyper))
    for inherited in (child(other, same=True).arrays[PARAMETERS], child(some, same=False).arrays[PARAMETERS]):
        np.testing.assert_array_equal(inherited[:first], fresh[:first])
        np.testing.assert_array_equal(inherited[first + 6 : -6], known[first + 6 : -6])
    np.testing.assert_array_equal(child(some, same=False).arrays[PARAMETERS][-6:], known[-6:])
    np.testing.assert_array_equal(child(other, same=True).arrays[PARAMETERS][-6:], fresh[-6:])


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("normalisation", ["none", "batch", "layer"])
def test_an_heir_is_the_same_alone_and_among_others_and_wherever_it_is_saved(normalisation: str) -> None:
    parent = PARENT.model_copy(update={"normalisation": normalisation})
    child = parent.model_copy(update={"units": (11, 20), "dropout": 0.2})
    pack, _, _ = grown(parent, child)
    whole = pack.train({0: 2, 1: 4})[-4:]
    (state,) = grown(parent, child)[0].save([0]).values()
    alone = make_pack(make_data())
    alone.start([LaneStart(1, child, SEED, state, ancestor=parent)])
    assert alone.train({1: 1}) == whole[:1]
    later = make_pack(make_data())
    later.start([LaneStart(1, child, SEED, alone.save([1])[1], sequence=1)])
    assert [report.values for report in later.train({1: 3})] == [report.values for report in whole[1:]]


def test_a_state_of_another_network_than_its_ancestor_fails_the_lane_alone() -> None:
    pack = make_pack(make_data())
    pack.start([LaneStart(0, PARENT, 100)])
    wrong = PARENT.model_copy(update={"units": (3, 3)})
    (report,) = pack.start([LaneStart(1, PARENT, 1, pack.save([0])[0], ancestor=wrong)])
    assert (report.outcome, report.epoch) == ("failed", 0)
    assert pack.train({0: 1})[0].outcome is None
