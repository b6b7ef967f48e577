"""Lanes of equal batch size, padded widths and age, lined up in shared buffers and trained as one. No bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.batches import Batches, Rows
from models.dropout import DropoutMasks
from models.hyper import Hyperparameters
from models.layout import BATCH_MULTIPLE, LANE_MULTIPLE, round_up
from models.live_lane import BEST, PARAMETERS, Lane
from models.losses import LOSSES, LossStep
from models.metrics import Judge
from models.mlp import PackedMLP, Run, TrainedMLP
from models.ops import OPS
from models.optim import Optimizer, OptimizerRows, build_optimizer

GroupKey = tuple[int, tuple[int, ...], int]


@dataclass(frozen=True)
class Bench:
    """What all groups of a pack share."""

    rows: Rows
    judge: Judge
    like: Tensor

    def batch_size(self, lane: Lane) -> int:
        return min(lane.hyper.batch_size, self.rows.n_train)

    def key(self, lane: Lane) -> GroupKey:
        """Lanes with the same key may be lined up together."""
        return self.batch_size(lane), lane.layout.padded, lane.epoch


def sort_key(lane: Lane) -> tuple[str, bool, str, bool, int]:
    """Order lanes so that optimizers, and activations within them, are runs of neighbours."""
    hyper = lane.hyper
    return hyper.optimizer, hyper.weight_decay > 0, hyper.activation, hyper.dropout > 0, lane.number


class Group:
    """K lanes in one buffer per kind of number, each [K, P]. Lanes come sorted by `sort_key`."""

    def __init__(self, lanes: Sequence[Lane], bench: Bench) -> None:
        self.lanes, self.bench = list(lanes), bench
        self.layout, self.batch_size = lanes[0].layout, bench.batch_size(lanes[0])
        self._hypers = [lane.hyper for lane in lanes]
        self._hypers += self._hypers[-1:] * (round_up(len(lanes), LANE_MULTIPLE) - len(lanes))
        self.buffers = {name: self._stack(name) for name in sorted({n for lane in lanes for n in lane.rows})}
        self._undo = {name: torch.empty_like(buffer) for name, buffer in self.buffers.items() if name != BEST}
        self._gradients = torch.zeros_like(self.buffers[PARAMETERS])
        self._optimizers = [(rows, self._optimizer(rows)) for rows in _runs(self._hypers, _optimizer_key)]
        self._build_networks()
        for place, lane in enumerate(self.lanes):
            lane.rows = {name: self.buffers[name][place] for name in lane.rows}
            lane.group = self

    def _stack(self, name: str) -> Tensor:
        """Copy the rows of the lanes that have this one: always the first ones, thanks to the order."""
        rows = [lane.rows[name] for lane in self.lanes if name in lane.rows]
        n_spare = len(self._hypers) - len(self.lanes) if len(rows) == len(self.lanes) else 0
        return torch.stack(rows + [torch.zeros_like(rows[0])] * n_spare)

    def _optimizer(self, rows: slice) -> Optimizer:
        first = self.buffers["first_moment"][rows]
        second = self.buffers["second_moment"][rows] if "second_moment" in self.buffers else first
        states = OptimizerRows(self.buffers[PARAMETERS][rows], self._gradients[rows], first, second)
        return build_optimizer(self._hypers[rows], states)

    def _build_networks(self) -> None:
        batch_rows = round_up(self.batch_size, BATCH_MULTIPLE)
        rates = [hyper.dropout for hyper in self._hypers]
        self._dropped = [place for place, rate in enumerate(rates) if rate > 0 and self.layout.widths[1:-1]]
        hidden, parameters = self.layout.padded[1:-1], self.buffers[PARAMETERS]
        self._masks = None
        if self._dropped:
            self._masks = DropoutMasks([rates[i] for i in self._dropped], batch_rows, hidden, parameters)
        runs = [self._run(rows) for rows in _runs(self._hypers, _activation_key)]
        self._network = TrainedMLP(self.layout, parameters, self._gradients, runs, batch_rows)
        self._scratch = torch.zeros_like(self._network.outputs)
        self._total = torch.zeros_like(self._network.outputs)
        n_chunks, chunk_rows, _ = self.bench.rows.x_valid.shape
        self._judged = PackedMLP(self.layout, parameters, runs, chunk_rows)
        self._answers = parameters.new_zeros((len(parameters), n_chunks * chunk_rows, self.layout.padded[-1]))

    def _run(self, rows: slice) -> Run:
        op = OPS[self._hypers[rows.start].activation]
        dropped = None
        if self._hypers[rows.start].dropout > 0 and self._dropped:
            first = self._dropped.index(rows.start)
            dropped = slice(first, first + rows.stop - rows.start)
        return Run(rows, op, dropped, () if op.keeps_zero else self._live_units(rows))

    def _live_units(self, rows: slice) -> tuple[Tensor, ...]:
        places = [min(place, len(self.lanes) - 1) for place in range(rows.start, rows.stop)]
        live = []
        for layer, width in enumerate(self.layout.padded[1:-1]):
            real = np.array([self.lanes[place].layout.widths[layer + 1] for place in places])
            mask = np.arange(width)[None, None, :] < real[:, None, None]
            live.append(torch.from_numpy(mask).to(self._gradients))
        return tuple(live)

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train every lane for one epoch and score it; after an exception all numbers are what they were before.

        Shapes: mean training losses [K], validation metrics [K, metrics].
        """
        for name, copy in self._undo.items():
            copy.copy_(self.buffers[name])
        try:
            return self._train(), self._score()
        except BaseException:
            for name, copy in self._undo.items():
                self.buffers[name].copy_(copy)
            raise

    def _train(self) -> NDArray[np.float64]:
        batches = self.bench.rows.epoch(self.lanes[0].epoch, self.batch_size)
        taken = [lane.n_steps for lane in self.lanes]
        taken += taken[-1:] * (len(self._hypers) - len(taken))
        for rows, optimizer in self._optimizers:
            optimizer.begin_epoch(taken[rows], len(batches.shares))
        if self._masks is not None:
            seeds = [self.lanes[min(place, len(self.lanes) - 1)].seed for place in self._dropped]
            self._masks.begin_epoch(seeds, self.lanes[0].epoch)
        self._total.zero_()
        for step in range(len(batches.shares)):
            self._step(batches, step)
        return self._total[: len(self.lanes)].sum(1).double().sum(1).cpu().numpy()

    def _step(self, batches: Batches, step: int) -> None:
        rows, x = self.bench.rows, batches.x[step]
        place = self._masks.begin_step(step) if self._masks is not None else 0
        outputs = self._network.forward(x, self._masks, place)
        LOSSES[rows.task](
            LossStep(
                outputs, batches.target[step], batches.weight[step], batches.shares[step],
                rows.n_outputs, self._scratch, self._total,
            )
        )  # fmt: skip
        self._network.backward(x)
        for _, optimizer in self._optimizers:
            optimizer.step(step)

    def _score(self) -> NDArray[np.float64]:
        size = self._judged.batch_rows
        for chunk, x in enumerate(self.bench.rows.x_valid):
            self._answers[:, chunk * size : (chunk + 1) * size].copy_(self._judged.infer(x))
        return self.bench.judge.score(self._answers[: len(self.lanes)])

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the weights of these lanes as their best."""
        index = torch.tensor([self.lanes.index(lane) for lane in lanes], device=self._gradients.device)
        self.buffers[BEST].index_copy_(0, index, self.buffers[PARAMETERS].index_select(0, index))
        for lane in lanes:
            lane.has_best = True

    def dissolve(self) -> None:
        """Let every lane that still lives here take its rows along."""
        for lane in self.lanes:
            if lane.group is self:
                lane.settle()


def _optimizer_key(hyper: Hyperparameters) -> tuple[str, bool]:
    return hyper.optimizer, hyper.weight_decay > 0


def _activation_key(hyper: Hyperparameters) -> tuple[str, bool]:
    return hyper.activation, hyper.dropout > 0


def _runs(hypers: Sequence[Hyperparameters], key: Callable[[Hyperparameters], object]) -> Iterator[slice]:
    start = 0
    for _, run in groupby(hypers, key):
        stop = start + len(list(run))
        yield slice(start, stop)
        start = stop
