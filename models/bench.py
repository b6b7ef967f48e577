"""What all groups of a pack share, whichever engine trains them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from models.batches import Rows
from models.live_lane import Lane
from models.metrics import Judge


@dataclass(frozen=True, eq=False)
class Bench:
    """The rows that some lanes see. `like` is an empty tensor of the pack's device and type."""

    number: int
    rows: Rows
    judge: Judge
    like: Tensor

    def batch_size(self, lane: Lane) -> int:
        return min(lane.hyper.batch_size, self.rows.n_train)


class Trained(Protocol):
    """Lanes that one call trains for one epoch."""

    lanes: list[Lane]
    batch_size: int

    def run_epoch(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Train every lane for one epoch and score it; after an exception all numbers are what they were before.

        Shapes: mean training losses [K], validation metrics [K, metrics].
        """

    def keep_best(self, lanes: Sequence[Lane]) -> None:
        """Remember the weights of these lanes as their best."""

    def dissolve(self) -> None:
        """Let every lane that still lives here take its rows along."""
