"""What all groups of a pack share, whichever engine trains them."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.batches import Rows
from models.capacity import bytes_of_rows
from models.hyper import LaneHyperparameters
from models.lanes import PackSettings, Views, ViewShape
from models.live_lane import GradientLane, Lane
from models.metrics import Judge

IDLE_BENCHES = 16


@dataclass(frozen=True, eq=False)
class Bench:
    """The rows that some lanes see. `like` is an empty tensor of the pack's device and type."""

    number: int
    rows: Rows
    judge: Judge
    like: Tensor

    def batch_size(self, lane: GradientLane) -> int:
        return min(lane.hyper.batch_size, self.rows.n_train)


class Benches:
    """The rows that the lanes of a pack see, one bench for each view. `in_use` names the benches of its lanes: of the
    others few are kept."""

    def __init__(self, data: Views, settings: PackSettings, like: Tensor, in_use: Callable[[], Container[int]]) -> None:
        self._data, self._settings, self._like, self._in_use = data, settings, like, in_use
        self._n_made = 0
        self.held: dict[Hashable, Bench] = {}

    def get(self, hyper: LaneHyperparameters, fold: int) -> Bench:
        """Give the rows that such lanes see.

        Raises: ValueError where they cannot be encoded as the hyperparameters ask.
        """
        key = self._data.view_key(hyper, fold)
        if key not in self.held:
            if len(self.held) >= IDLE_BENCHES:
                used = self._in_use()
                self.held = {key: bench for key, bench in self.held.items() if bench.number in used}
            data, like = self._data.view(hyper, fold), self._like
            rows = Rows(data, self._settings.seed, like.device, like.dtype)
            judge = Judge(data, self._settings.metrics, like.device, self._settings.stopping_metric)
            self.held[key] = Bench(self._n_made, rows, judge, like)
            self._n_made += 1
        return self.held[key]

    def shape(self, hyper: LaneHyperparameters, fold: int) -> ViewShape:
        """Measure what such lanes see, whether or not it is held."""
        return self._data.shape(hyper, fold)

    def bytes_to_add(self, hyper: LaneHyperparameters, fold: int) -> int:
        """Estimate what the rows that such lanes see take beside those that are held; 0 where they are.

        Raises: ValueError where they cannot be encoded as the hyperparameters ask.
        """
        if self._data.view_key(hyper, fold) in self.held:
            return 0
        return bytes_of_rows(hyper, self._data.shape(hyper, fold), self._like.element_size())


class Trained(Protocol):
    """Lanes that one call trains for one epoch; `batch_size` is the rows of a step of theirs."""

    batch_size: int

    @property
    def lanes(self) -> Sequence[Lane]:
        """Who they are, in the order of what `run_epoch` returns."""

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train every lane for one epoch and score it; after an exception all numbers are what they were before.

        Shapes: mean training losses [K], validation metrics [K, metrics].
        """

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the weights of these lanes as their best."""

    def dissolve(self) -> None:
        """Let every lane that still lives here take its rows along."""
