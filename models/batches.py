"""The rows of a job on the device: an epoch's shuffled batches and the validation rows. No networks.

Batches are padded to BATCH_MULTIPLE rows and the last one is filled up; padded rows are zero and weigh 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.lanes import PackData
from models.layout import BATCH_MULTIPLE, WIDTH_MULTIPLE, Floats, round_up

VALIDATION_ROWS = 256
STACK_ROWS = 32_768
"""Rows that pass through stacked networks at once, over all of them: what lies between layers fits in caches."""


@dataclass(frozen=True)
class Batches:
    """One epoch in its order.

    Shapes: S steps; x [S, B, D], target and weight [S, B, C], all padded; `counts` the rows of
    every step, `shares` their parts of 1.
    """

    x: Tensor
    target: Tensor
    weight: Tensor
    shares: list[float]
    counts: list[int]


def rows_at_once(n_networks: int, n_rows: int) -> int:
    """Choose how many of n rows pass through each of some stacked networks at once."""
    most = max(BATCH_MULTIPLE, STACK_ROWS // n_networks // BATCH_MULTIPLE * BATCH_MULTIPLE)
    return min(VALIDATION_ROWS, most, round_up(n_rows, BATCH_MULTIPLE))


def batch_order(n_rows: int, seed: int, epoch: int, batch_size: int) -> NDArray[np.int64]:
    """Return the order of the training rows in one epoch: the same for all lanes of that age and batch size."""
    return np.random.default_rng([seed & (2**63 - 1), epoch, batch_size]).permutation(n_rows)


class Rows:
    """All rows of a job, kept on the device. Those that decide the best epoch stand behind the validation rows."""

    def __init__(self, data: PackData, seed: int, device: torch.device, dtype: torch.dtype) -> None:
        self.seed, self.device, self.dtype = seed, device, dtype
        judged = data.x_valid if data.stopping is None else np.concatenate([data.x_valid, data.stopping[0]])
        self.n_train, self.n_valid = len(data.x_train), len(judged)
        self.task, self.n_inputs, self.n_outputs = data.task, data.x_train.shape[1], data.n_outputs
        self.embedding = data.embedding
        self._x = self._load(_padded(data.x_train, self.n_train + 1))
        self._target = self._load(_padded(_targets(data, data.y_train), self.n_train + 1))
        self._weights = data.weights
        chunk = min(VALIDATION_ROWS, round_up(self.n_valid, BATCH_MULTIPLE))
        x_valid = self._load(_padded(judged, round_up(self.n_valid, chunk)))
        self.x_valid = x_valid.view(-1, chunk, x_valid.shape[1])
        self._cached: tuple[tuple[int, int, int, int], Batches] | None = None

    def _load(self, array: Floats) -> Tensor:
        return torch.from_numpy(array).to(self.device, self.dtype)

    def epoch(self, epoch: int, batch_size: int) -> Batches:
        """Gather the batches of one epoch; the last one asked for is kept for the next group of lanes."""
        return self._kept((epoch, batch_size, self.n_train), batch_size)

    def sample(self, epoch: int, n_rows: int, batch_size: int) -> Batches:
        """Gather some rows, which are others in every epoch, or all, in batches; kept like those of an epoch."""
        return self._kept((epoch if n_rows < self.n_train else 0, n_rows, n_rows), batch_size)

    def _kept(self, draw: tuple[int, int, int], batch_size: int) -> Batches:
        """Gather the first rows of an order; `draw` is its epoch, the batch size it belongs to and how many rows."""
        key = *draw, batch_size
        if self._cached is None or self._cached[0] != key:
            epoch, size, n_rows = draw
            self._cached = None  # free the old one first
            self._cached = key, self._gather(batch_order(self.n_train, self.seed, epoch, size)[:n_rows], batch_size)
        return self._cached[1]

    def _gather(self, order: NDArray[np.int64], batch_size: int) -> Batches:
        n_rows = len(order)
        n_steps, padded = -(-n_rows // batch_size), round_up(batch_size, BATCH_MULTIPLE)
        filled = np.full(n_steps * batch_size, self.n_train)
        filled[:n_rows] = order
        index = np.full((n_steps, padded), self.n_train)
        index[:, :batch_size] = filled.reshape(n_steps, batch_size)
        counts = np.full(n_steps, batch_size)
        counts[-1] = n_rows - (n_steps - 1) * batch_size
        per_row = self.n_outputs if self.task in ("regression", "multilabel") else 1
        weight = np.zeros((*index.shape, self._target.shape[1]), np.float32 if self.dtype == torch.float32 else float)
        weight[:, :, : self.n_outputs] = np.where(index < self.n_train, 1 / (counts * per_row)[:, None], 0)[:, :, None]
        if self._weights is not None:
            padding = np.zeros((1, self._weights.shape[1]), np.float32)
            weight[:, :, : self.n_outputs] *= np.concatenate([self._weights, padding])[index]
        where = torch.from_numpy(index).to(self.device)
        shares = (counts / n_rows).tolist()
        return Batches(self._x[where], self._target[where], self._load(weight), shares, counts.tolist())


def _padded(array: Floats, n_rows: int) -> Floats:
    padded = np.zeros((n_rows, round_up(array.shape[1], WIDTH_MULTIPLE)), array.dtype)
    padded[: array.shape[0], : array.shape[1]] = array
    return padded


def _targets(data: PackData, y: Floats) -> Floats:
    """Targets as columns: numbers, a 0/1 column for each label, or one for each class.

    Shapes: [N, C].
    """
    if data.task == "regression":
        return y
    if data.task in ("binary", "multilabel"):
        return y.reshape(len(y), -1).astype(np.float32)
    return np.eye(data.n_outputs, dtype=np.float32)[y]
