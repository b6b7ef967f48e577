"""Lanes of equal batch size, pack key and age, lined up in shared buffers and trained as one. No bookkeeping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.bench import Bench
from models.dropout import DropoutMasks
from models.layout import BATCH_MULTIPLE, LANE_MULTIPLE, RUNNING, round_up
from models.lineup import activation_runs, has_dropout, live_units, loss_runs, optimizer_runs
from models.live_lane import BEST_OF, PARAMETERS, GradientLane, Lane
from models.losses import RunLoss
from models.mlp import PackedMLP, TrainedMLP
from models.optim import FIRST, RULES, SECOND, Optimizer, OptimizerRows
from models.packed_norms import NormRows


class Group:
    """K lanes in one buffer per kind of number, each [K, its length].

    Lanes come sorted by `lineup.sort_key`. Up to LANE_MULTIPLE - 1 spare rows follow, which nobody reads; they go by
    the hyperparameters of the last lane.
    """

    def __init__(self, lanes: Sequence[GradientLane], bench: Bench) -> None:
        n_spare = round_up(len(lanes), LANE_MULTIPLE) - len(lanes)
        self.lanes, self.bench = list(lanes), bench
        self._places = self.lanes + self.lanes[-1:] * n_spare
        self.batch_size = bench.batch_size(lanes[0])
        self.buffers = {name: self._stack(name) for name in {name: 0 for lane in lanes for name in lane.rows}}
        self._undo = {name: torch.empty_like(buffer) for name, buffer in self.buffers.items() if name not in BEST_OF}
        self._gradients = torch.zeros_like(self.buffers[PARAMETERS])
        self._optimizers = [(rows, self._optimizer(rows)) for rows in optimizer_runs(self._places)]
        self._build_networks()
        for place, lane in enumerate(self.lanes):
            lane.rows = {name: self.buffers[name][place] for name in lane.rows}
            lane.group = self

    def _stack(self, name: str) -> Tensor:
        """Copy the rows of the lanes, zeros for those that have none of this name."""
        rows = [lane.rows.get(name) for lane in self.lanes] + [None] * (len(self._places) - len(self.lanes))
        zeros = torch.zeros_like(next(row for row in rows if row is not None))
        return torch.stack([zeros if row is None else row for row in rows])

    def _optimizer(self, rows: slice) -> Optimizer:
        lanes = [lane.hyper for lane in self._places[rows]]
        kept = RULES[lanes[0].optimizer].state
        first, second = (self.buffers[name][rows] if name in kept else None for name in (FIRST, SECOND))
        return Optimizer(lanes, OptimizerRows(self.buffers[PARAMETERS][rows], self._gradients[rows], first, second))

    def _build_networks(self) -> None:
        layout, parameters, rows = self.lanes[0].layout, self.buffers[PARAMETERS], self.bench.rows
        runs = activation_runs(self._places, parameters)
        rates = [lane.hyper.dropout for lane in self._places if has_dropout(lane.hyper)]
        batch_rows = round_up(self.batch_size, BATCH_MULTIPLE)
        self._masks = DropoutMasks(rates, batch_rows, layout.padded[1:-1], parameters)
        live = live_units(self._places, parameters) if layout.normalisation == "layer" else ()
        norms = NormRows(layout, parameters, self.buffers.get(RUNNING), live)
        self._trained = TrainedMLP(norms, self._gradients, runs, self._masks)
        self._losses = [
            RunLoss([lane.hyper for lane in self._places[run]], rows.task, self._trained.outputs[run], rows.n_outputs)
            for run in loss_runs(self._places, rows.task)
        ]
        n_chunks, chunk_rows, _ = rows.x_valid.shape
        self._judged = PackedMLP(norms, runs, chunk_rows)
        self._answers = parameters.new_zeros((len(parameters), n_chunks * chunk_rows, layout.padded[-1]))

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train every lane for one epoch and score it; after an exception all numbers are what they were before.

        Shapes: mean training losses [K], validation metrics [K, metrics].
        """
        for name, copy in self._undo.items():
            copy.copy_(self.buffers[name])
        try:
            self._begin_losses()
            for _ in self._steps():
                pass
            return self._mean_losses().cpu().numpy(), self._score()
        except BaseException:
            for name, copy in self._undo.items():
                self.buffers[name].copy_(copy)
            raise

    def losses_by_step(self, most: int) -> Tensor:
        """Train every lane for the steps of one epoch, `most` of them at most, without a score.

        Shapes: mean training loss of each step's batch before its step [S, K], float64.
        """
        losses = []
        self._begin_losses()
        for share in islice(self._steps(), most):
            losses.append(self._mean_losses() / share)
            self._begin_losses()
        return torch.stack(losses)

    def _begin_losses(self) -> None:
        for loss in self._losses:
            loss.begin_epoch()

    def _mean_losses(self) -> Tensor:
        return torch.cat([loss.epoch_loss() for loss in self._losses])[: len(self.lanes)]

    def _steps(self) -> Iterator[float]:
        """Take the steps of one epoch, and yield each one's share of the epoch's rows when it is taken."""
        epoch, n_places = self.lanes[0].epoch, len(self._places)
        batches = self.bench.rows.epoch(epoch, self.batch_size)
        for rows, optimizer in self._optimizers:
            n_taken = [lane.n_steps for lane in self._places[rows]]
            optimizer.begin_epoch(n_taken, len(batches.shares), self.batch_size)
        self._masks.begin_epoch([lane.seed for lane in self._places if has_dropout(lane.hyper)], epoch)
        x = batches.x.unsqueeze(1).expand(-1, n_places, -1, -1)
        given = batches.target, batches.weight, batches.shares, batches.counts
        steps = zip(x, x.transpose(2, 3), *given, strict=True)
        for step, (inputs, transposed, target, weight, share, count) in enumerate(steps):
            place = self._masks.begin_step(step)
            self._trained.forward(inputs, place, count)
            for loss in self._losses:
                loss.lose(target, weight, share)
            self._trained.backward(transposed, place)
            for _, optimizer in self._optimizers:
                optimizer.step(step)
            yield share

    def _score(self) -> NDArray[np.float64]:
        self._judged.answer(self.bench.rows.x_valid, self.lanes[0].hyper.output_activation, self._answers)
        return self.bench.judge.score(self._answers[: len(self.lanes)])

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the weights of these lanes as their best."""
        places = [place for place, lane in enumerate(self.lanes) if lane in lanes]
        index = torch.tensor(places, device=self._gradients.device)
        for best, now in BEST_OF.items():
            if best in self.buffers:
                self.buffers[best].index_copy_(0, index, self.buffers[now].index_select(0, index))
        for lane in lanes:
            lane.has_best = True

    def dissolve(self) -> None:
        """Let every lane that still lives here take its rows along."""
        for lane in self.lanes:
            if lane.group is self:
                lane.settle()
