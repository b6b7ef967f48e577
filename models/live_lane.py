"""One live lane: its age, its rows of numbers, its early-stopping memory. No arithmetic on weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from models.hyper import Hyperparameters, LaneHyperparameters
from models.lanes import LaneError, LaneReport, LaneStart, LaneState, Layers, Outcome, Watch
from models.layout import RUNNING, Layout
from models.optim import RULES

if TYPE_CHECKING:
    from models.bench import Bench, Trained

PARAMETERS, BEST, BEST_RUNNING = "parameters", "best", "best_running"
BEST_OF = {BEST: PARAMETERS, BEST_RUNNING: RUNNING}
"""Rows that keep what other rows were in the best epoch."""


@dataclass(eq=False)
class Lane:
    """`rows` are views into its group's buffers while it has one, else its own; each [size], padded.

    `best` is True once the row "best" holds something; `earlier_best` are best weights of another shape.
    """

    number: int
    hyper: LaneHyperparameters
    seed: int
    layout: Layout
    sequence: int
    epoch: int = 0
    n_steps: int = 0
    best_value: float | None = None
    n_since_best: int = 0
    rows: dict[str, Tensor] = field(default_factory=dict)
    has_best: bool = False
    earlier_best: Layers | None = None
    outcome: Outcome | None = None
    group: Trained | None = None
    fold: int = 0
    bench: Bench | None = None
    """The rows that it sees; None where it could not be built."""
    patient: bool = False

    @property
    def seen(self) -> Bench:
        """The rows that it sees."""
        if self.bench is None:
            raise AssertionError(f"lane {self.number} could not be built and is never trained")
        return self.bench

    @property
    def state_names(self) -> tuple[str, ...]:
        """Rows that are its state: what a copy of it copies."""
        return (PARAMETERS, RUNNING) if self.layout.running_size else (PARAMETERS,)

    @property
    def best_names(self) -> tuple[str, ...]:
        """Rows that keep its best epoch."""
        return tuple(best for best, now in BEST_OF.items() if now in self.state_names)

    def remember(self, start: LaneStart) -> None:
        """Take over what a start says beside weights."""
        self.fold, self.patient = start.fold, start.patient
        self.best_value, self.n_since_best, self.earlier_best = start.best_value, start.n_since_best, start.best

    def note(self, values: Sequence[float], watch: Watch) -> bool:
        """Take in the values of one epoch; say whether it is the best so far."""
        better = watch.improves(values, self.best_value)
        self.n_since_best = 0 if better else self.n_since_best + 1
        if better:
            self.best_value = values[watch.place]
        return better

    def is_out_of(self, patience: int | None) -> bool:
        """Say whether it has waited long enough for a better epoch."""
        return patience is not None and self.n_since_best >= patience and not self.patient

    def save(self) -> LaneState:
        """Copy all that training needs to go on, unpadded.

        Raises: ValueError for a lane that failed before it had weights.
        """
        if PARAMETERS not in self.rows:
            raise ValueError(f"lane {self.number} failed to start and has no state to save")
        arrays = {name: self.layout.unpack(self.rows[name].cpu().numpy(), name) for name in self.state_names}
        return LaneState(self.epoch, self.n_steps, arrays)

    def best_layers(self) -> Layers | None:
        if not self.has_best:
            return self.earlier_best
        return self.layout.layers(*(self.rows[name].cpu().numpy() for name in self.best_names))

    def keep_best(self) -> None:
        """Remember the present weights as the best; those of a lane that diverged or failed are worth nothing."""
        self.has_best, self.earlier_best = self.outcome not in ("diverged", "failed"), None
        for name in self.best_names if self.has_best else ():
            self.rows[name].copy_(self.rows[BEST_OF[name]])

    def leave(self) -> LaneStart:
        """Give all that it takes to go on elsewhere as if it had never left."""
        memory = self.sequence, self.best_value, self.n_since_best, self.best_layers()
        return LaneStart(self.number, self.hyper, self.seed, self.save(), *memory, self.fold, self.patient)

    def settle(self) -> None:
        """Move out of a group into rows of its own, so that the group's buffers can go."""
        self.rows = {name: row.clone() for name, row in self.rows.items()}
        self.group = None

    def fail(self, error: LaneError, n_values: int) -> LaneReport:
        """End as failed; its weights keep the age that they had."""
        self.outcome = "failed"
        self.sequence += 1
        values = (math.nan,) * n_values
        return LaneReport(self.number, self.sequence, self.epoch, math.nan, values, "failed", error)


@dataclass(eq=False)
class GradientLane(Lane):
    """A network that is trained by gradients."""

    hyper: Hyperparameters

    @property
    def state_names(self) -> tuple[str, ...]:
        """Adds what its optimizer remembers."""
        parameters, *running = super().state_names
        return (parameters, *RULES[self.hyper.optimizer].state, *running)


def admit(start: LaneStart, hyper: Hyperparameters, layout: Layout, like: Tensor) -> GradientLane:
    """Build a lane with fresh weights or with those of a state; `hyper` are those of the start.

    Raises: ValueError if the state does not fit the hyperparameters.
    """
    lane = GradientLane(start.lane, hyper, start.seed, layout, start.sequence)
    lane.remember(start)
    if start.state is None:
        arrays = fresh_rows(layout, start)
    else:
        lane.epoch, lane.n_steps = start.state.epoch, start.state.n_steps
        arrays = {name: layout.pack(array, name) for name, array in start.state.arrays.items()}
    for name in lane.state_names:
        lane.rows[name] = _row(arrays.get(name), layout.row_size(name), like)
    for name in lane.best_names:
        lane.rows[name] = torch.zeros_like(lane.rows[BEST_OF[name]])
    return lane


def fresh_rows(layout: Layout, start: LaneStart) -> dict[str, np.ndarray]:
    """Draw the padded rows of a network that begins anew."""
    return {PARAMETERS: layout.draw(start.seed, start.hyper), RUNNING: layout.first_running()}


def _row(array: np.ndarray | None, size: int, like: Tensor) -> Tensor:
    return like.new_zeros(size) if array is None else torch.from_numpy(array).to(like)


def hand_down_best(lane: Lane, before: Lane) -> None:
    """Let a lane that was started again keep the best weights it had."""
    if before.has_best and before.layout == lane.layout:
        lane.rows.update({name: before.rows[name].clone() for name in lane.best_names})
        lane.has_best = True
    else:
        lane.earlier_best = before.best_layers()
