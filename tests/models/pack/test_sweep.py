"""The steps of a learning rate range test: against torch's autograd, and beside lanes that train."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from models.batches import batch_order
from models.hyper import Hyperparameters
from models.lanes import PackData, Task
from models.pack import Pack
from models.range_test import Floats, Sweep, suggest
from tests.models.oracle import Twin
from tests.models.pack.jobs import make_data, make_hyper, make_pack, make_settings, start

SWEEP = Sweep(1e-4, 1.0, 23, (100, 7))


def twin_losses(data: PackData, hyper: Hyperparameters, seed: int) -> list[float]:
    """Sweep one network with torch's own loss, optimizer and scheduler."""
    plain = hyper.model_copy(update={"learning_rate": SWEEP.low, "schedule": "constant", "warmup_epochs": 0.0})
    twin = Twin(data, plain, seed, job_seed=3)
    factor = (SWEEP.high / SWEEP.low) ** (1 / (SWEEP.steps - 1))
    twin.schedulers = [torch.optim.lr_scheduler.ExponentialLR(twin.optimizer, factor)]
    n, size = len(data.x_train), min(hyper.batch_size, len(data.x_train))
    per_epoch = -(-n // size)
    losses = []
    for step in range(SWEEP.steps):
        twin.epoch, place = divmod(step, per_epoch)
        rows = batch_order(n, 3, twin.epoch, size)[place * size : (place + 1) * size]
        twin._drop(place, len(rows))
        twin.optimizer.zero_grad()
        loss = twin._loss(twin.net(torch.from_numpy(data.x_train[rows]).double()), data.y_train[rows], rows)
        loss.backward()
        twin._step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_the_losses_are_the_mean_of_those_of_networks_trained_alone_by_autograd(task: Task) -> None:
    data = make_data(task, n_outputs=1 if task == "binary" else 3)
    hyper = make_hyper(dropout=0.2)
    losses = make_pack(data).sweep(hyper, SWEEP)
    alone = np.mean([twin_losses(data, hyper, seed) for seed in SWEEP.seeds], axis=0)
    np.testing.assert_allclose(losses, alone, rtol=1e-8)


@pytest.mark.parametrize(
    "hyper",
    [
        make_hyper(optimizer="sgd", momentum=0.5, weight_decay=0.1),
        make_hyper(optimizer="adamw", weight_decay=0.1),
        make_hyper(optimizer="nadam", schedule="cosine", schedule_epochs=2),
        make_hyper(schedule="one_cycle", schedule_epochs=2),
        make_hyper(warmup_epochs=3.0, learning_rate=50.0),
        make_hyper(batch_size=1000),
        make_hyper(hidden_layers=0, batch_size=2),
    ],
    ids=lambda hyper: f"{hyper.optimizer}-{hyper.schedule}-{hyper.batch_size}",
)
def test_all_but_the_rate_goes_as_the_hyperparameters_say_and_without_their_schedule(hyper: Hyperparameters) -> None:
    data = make_data()
    alone = np.mean([twin_losses(data, hyper, seed) for seed in SWEEP.seeds], axis=0)
    np.testing.assert_allclose(make_pack(data).sweep(hyper, SWEEP), alone, rtol=1e-8)


def test_a_sweep_is_the_same_bit_for_bit_however_often_and_does_not_disturb_lanes() -> None:
    data, hyper = make_data(), make_hyper(dropout=0.3)
    undisturbed, pack = (Pack(data, make_settings()) for _ in range(2))
    for one in (undisturbed, pack):
        start(one, hyper, make_hyper())
    undisturbed.train({0: 4, 1: 4})
    first = pack.sweep(hyper, SWEEP)
    pack.train({0: 2, 1: 2})
    again = pack.sweep(hyper, SWEEP)
    pack.train({0: 2, 1: 2})
    assert first.tolist() == again.tolist()
    for lane in (0, 1):
        for name, array in undisturbed.save([lane])[lane].arrays.items():
            np.testing.assert_array_equal(pack.save([lane])[lane].arrays[name], array)


def test_every_pass_over_the_rows_is_a_slice_of_work_of_its_own() -> None:
    n_turns = 0

    @contextmanager
    def turn() -> Iterator[None]:
        nonlocal n_turns
        n_turns += 1
        yield

    make_pack(make_data()).sweep(make_hyper(), SWEEP, turn)
    assert n_turns == 1 + 5  # 23 steps, of which 5 read the 75 rows once


@pytest.mark.filterwarnings("error")
def test_few_steps_over_many_rows_do_not_tabulate_rates_out_of_range() -> None:
    losses = make_pack(make_data(n_train=3000)).sweep(make_hyper(batch_size=2), Sweep(1e-5, 10.0, 12, (1,)))
    assert np.isfinite(losses).all()


def test_from_the_first_loss_on_that_is_not_finite_there_are_none() -> None:
    losses = diverging()
    lost = np.isnan(losses)
    assert 0 < lost.argmax() < len(losses)
    assert lost[lost.argmax() :].all()


def test_a_network_that_diverges_gets_a_rate_at_which_it_learns() -> None:
    found = suggest(Sweep(1e-5, 10.0, 200, (1, 2, 3)).rates(), diverging())
    assert found.suggested is not None
    pack = make_pack(make_data())
    start(pack, make_hyper(optimizer="sgd", learning_rate=found.suggested))
    reports = pack.train({0: 10})
    assert reports[-1].outcome is None
    assert reports[-1].train_loss < reports[0].train_loss / 2


def diverging() -> Floats:
    pack = Pack(make_data(), make_settings())
    return pack.sweep(make_hyper(optimizer="sgd", momentum=0.9), Sweep(1e-5, 10.0, 200, (1, 2, 3)))
