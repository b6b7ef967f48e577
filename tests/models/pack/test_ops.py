"""Every activation in the folder: right gradient, legal name, and served even without a backward of its own."""

from __future__ import annotations

import typing

import numpy as np
import pytest
import torch

from models.hyper import ActivationName
from models.lanes import LaneStart
from models.ops import OPS, Op
from tests.models.oracle import ACTIVATIONS
from tests.models.pack.jobs import make_data, make_hyper, make_pack, start

pytestmark = pytest.mark.usefixtures("engine")


class Applied(torch.autograd.Function):
    """An op as the pack uses it, dressed for gradcheck."""

    @staticmethod
    def forward(ctx: typing.Any, z: torch.Tensor, op: Op) -> torch.Tensor:
        out = z.detach().clone()
        op.apply(out)
        ctx.op = op
        ctx.save_for_backward(z if op.backward is None or op.reads == "input" else out)
        return out

    @staticmethod
    def backward(ctx: typing.Any, delta: torch.Tensor) -> tuple[torch.Tensor, None]:  # type: ignore[override]
        delta = delta.clone()
        ctx.op.pull_back(delta, ctx.saved_tensors[0].detach())
        return delta, None


@pytest.mark.parametrize("name", OPS)
def test_the_gradient_of_an_op_is_that_of_its_forward(name: str) -> None:
    z = torch.linspace(-3, 3, 24, dtype=torch.float64).requires_grad_()  # no zero: relu has a corner there
    assert torch.autograd.gradcheck(lambda z: Applied.apply(z, OPS[name]), z)


@pytest.mark.parametrize("name", OPS)
def test_an_op_computes_what_its_torch_module_does(name: str) -> None:
    z = torch.linspace(-30, 30, 61, dtype=torch.float64)
    out = z.clone()
    OPS[name].apply(out)
    torch.testing.assert_close(out, ACTIVATIONS[name]()(z), rtol=1e-12, atol=1e-15)


def test_the_legal_names_of_activations_are_the_files_in_the_folder() -> None:
    assert set(typing.get_args(ActivationName)) == set(OPS)


@pytest.mark.parametrize("in_place", [True, False])
def test_an_op_without_a_backward_trains_like_one_that_has_it(in_place: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Op("plain", "", "glorot", lambda z: z.tanh_() if in_place else z.tanh())
    monkeypatch.setitem(OPS, "plain", plain)
    assert not plain.is_fast
    pack = make_pack(make_data())
    hypers = [make_hyper(activation=name, dropout=rate) for name in ("tanh", "plain") for rate in (0.0, 0.3)]
    pack.start([LaneStart(lane, hyper, 5) for lane, hyper in enumerate(hypers)])
    pack.train(dict.fromkeys(range(4), 3))
    states = pack.save(range(4))
    for fast, slow in ((0, 2), (1, 3)):
        np.testing.assert_allclose(states[fast].arrays["parameters"], states[slow].arrays["parameters"], rtol=1e-9)


def test_padded_units_of_an_op_with_a_value_at_zero_stay_zero() -> None:
    assert not OPS["logistic"].keeps_zero
    pack = make_pack(make_data())
    start(pack, make_hyper(activation="logistic", units=(3, 5)), make_hyper(activation="logistic", units=(9, 2)))
    pack.train({0: 3, 1: 3})
    for lane in pack._lanes.values():
        for name in lane.state_names:
            row = lane.rows[name].numpy()
            assert np.count_nonzero(row) == np.count_nonzero(lane.layout.unpack(row))
