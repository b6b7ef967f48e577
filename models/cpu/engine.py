"""Lanes of one batch size and age, trained one after another on one thread. No bookkeeping, no torch arithmetic.

Small networks spend their time in launches and in memory when they are stacked; one lane at a time stays in the
processor's cache, needs no launches, and cannot depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.bench import Bench
from models.cpu import losses, normalisation
from models.cpu.lane import VALIDATION_ROWS, infer, train_epoch
from models.cpu.served import ACTIVATIONS, OPTIMIZERS
from models.dropout import dropout_keys
from models.lanes import Task
from models.layout import BATCH_MULTIPLE, RUNNING, Floats, Layout, round_up
from models.lineup import has_dropout
from models.live_lane import PARAMETERS, GradientLane, Lane
from models.loss_table import find_loss
from models.ops import OPS
from models.optim import FIRST, SECOND, tabulate

LANES_AT_ONCE = 32
"""Lanes between two looks at who else wants the processor; their answers are judged together."""


class Room:
    """Buffers that all lanes of a pack use in turn; they grow to the largest."""

    def __init__(self, dtype: Any) -> None:
        self._dtype = dtype
        self.buffers = tuple(np.zeros(0, dtype) for _ in range(10))
        self.gradients = np.zeros(0, dtype)

    def fit(self, layout: Layout, n_rows: int, dropout: bool) -> None:
        """Make room for batches of n_rows: see `lane.train_epoch` for the order of the buffers."""
        widths = layout.padded
        batch, widest = n_rows * sum(widths[1:]), n_rows * max(widths)
        weights = max(i * o for i, o in pairwise(widths))
        factors = max(widths) if layout.norm_size else 0
        normal = (
            (n_rows * sum(widths[1:-1]), (len(widths) - 2) * max(n_rows, factors), factors) if factors else (0, 0, 0)
        )
        sizes = (batch, batch, batch if dropout else 0, widest, widest, weights, max(widths), *normal)
        self.buffers = tuple(
            old if len(old) >= size else np.zeros(size, self._dtype)
            for old, size in zip(self.buffers, sizes, strict=True)
        )
        if len(self.gradients) < layout.size:
            self.gradients = np.zeros(layout.size, self._dtype)


class Plan:
    """What kernels must know of one lane besides its numbers."""

    def __init__(self, lane: GradientLane, task: Task) -> None:
        hyper, op, loss = lane.hyper, OPS[lane.hyper.activation], find_loss(lane.hyper, task)
        output = "identity" if hyper.output_activation == "none" else hyper.output_activation
        self.widths = np.array(lane.layout.padded, np.int64)
        self.real = np.array(lane.layout.widths, np.int64)
        reads_input = int(op.reads == "input")
        self.codes = (
            ACTIVATIONS[hyper.activation],
            reads_input,
            losses.KERNELS[loss.forms[task]],
            OPTIMIZERS[hyper.optimizer],
            ACTIVATIONS[output],
            int(OPS[output].reads == "input"),
            normalisation.KERNELS[lane.layout.normalisation],
        )
        self.coefficient = float(loss.coefficient(hyper))
        self.rate = hyper.dropout if has_dropout(hyper) else 0.0


class LaneByLane:
    """Lanes that are trained in turn; each keeps its rows."""

    def __init__(self, lanes: Sequence[GradientLane], bench: Bench, room: Room) -> None:
        self.lanes, self.bench, self._room = list(lanes), bench, room
        self.batch_size = bench.batch_size(lanes[0])
        self._dtype = bench.like.numpy().dtype
        self._plans = [Plan(lane, bench.rows.task) for lane in lanes]
        for lane in lanes:
            lane.group = self

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train every lane for one epoch and score it.

        Shapes: mean training losses [K], validation metrics [K, metrics].
        """
        table = self.bench.rows
        batches = table.epoch(self.lanes[0].epoch, self.batch_size)
        batch_rows = round_up(self.batch_size, BATCH_MULTIPLE)
        flat = tuple(tensor.numpy().reshape(-1) for tensor in (batches.x, batches.target, batches.weight))
        counts = np.array(batches.counts)
        in_use = -(-counts // BATCH_MULTIPLE) * BATCH_MULTIPLE
        given = (*flat, in_use, counts, np.array(batches.shares), batch_rows)
        x_valid = table.x_valid.numpy().reshape(-1)
        n_answers = table.x_valid.shape[0] * table.x_valid.shape[1] * self.lanes[0].layout.padded[-1]
        answers = np.empty((len(self.lanes), n_answers), self._dtype)
        mean_losses = np.empty(len(self.lanes))
        before = [[(name, lane.rows[name].clone()) for name in lane.state_names] for lane in self.lanes]
        try:
            for place, (lane, plan) in enumerate(zip(self.lanes, self._plans, strict=True)):
                mean_losses[place] = self._train(lane, plan, given)
                self._answer(lane, plan, x_valid, answers[place])
            shape = (len(self.lanes), -1, self.lanes[0].layout.padded[-1])
            return mean_losses, self.bench.judge.score(torch.from_numpy(answers).view(shape))
        except BaseException:
            for lane, rows in zip(self.lanes, before, strict=True):
                for name, row in rows:
                    lane.rows[name].copy_(row)
            raise

    def _train(self, lane: GradientLane, plan: Plan, batches: tuple[Any, ...]) -> float:
        self._room.fit(lane.layout, max(batches[-1], VALIDATION_ROWS), plan.rate > 0)
        parameters = lane.rows[PARAMETERS].numpy()
        moments = (lane.rows[name].numpy() if name in lane.rows else _NOTHING[self._dtype] for name in (FIRST, SECOND))
        numbers = (parameters, self._room.gradients[: lane.layout.size], *moments)
        table = tabulate(lane.hyper, lane.n_steps, len(batches[3]), self.batch_size)
        dropout = plan.rate, dropout_keys(lane.seed, lane.epoch) if plan.rate else _NO_KEYS
        loss: float = train_epoch(
            numbers,
            self._running(lane),
            self._room.buffers,
            plan.widths,
            plan.real,
            plan.codes,
            batches,
            table,
            dropout,
            plan.coefficient,
        )
        return loss

    def _answer(self, lane: Lane, plan: Plan, x: Floats, answers: Floats) -> None:
        parameters = lane.rows[PARAMETERS].numpy()
        infer(parameters, self._running(lane), self._room.buffers, plan.widths, plan.real, plan.codes, x, answers)

    def _running(self, lane: Lane) -> Floats:
        return lane.rows[RUNNING].numpy() if RUNNING in lane.rows else _NOTHING[self._dtype]

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the weights of these lanes as their best."""
        for lane in lanes:
            lane.keep_best()

    def dissolve(self) -> None:
        """Nothing is shared, so nothing has to move."""
        for lane in self.lanes:
            if lane.group is self:
                lane.group = None


_NO_KEYS = np.zeros(2, np.uint32)
_NOTHING = {np.dtype(kind): np.zeros(0, kind) for kind in (np.float32, np.float64)}
