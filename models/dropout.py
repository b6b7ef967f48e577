"""Inverted dropout for the lanes of a group that have it: each lane draws from a stream of its own. No layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

CHUNK_NUMBERS = 2**17


def dropout_generator(seed: int, epoch: int, device: torch.device) -> torch.Generator:
    """Return the stream of one lane in one epoch: a function of (lane seed, epoch), not of calls or neighbours."""
    state = np.random.SeedSequence([seed & (2**63 - 1), epoch]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(state) >> 1)


def steps_per_chunk(batch_rows: int, widths: Sequence[int]) -> int:
    """Return how many steps' masks are drawn at once: a function of one lane's shapes, since it shapes the stream."""
    return max(1, CHUNK_NUMBERS // (batch_rows * max(1, sum(widths))))


class DropoutMasks:
    """Masks of K lanes for all hidden layers, refilled every few steps.

    Shapes: masks[j] [K, S, B, widths[j]], 0 or 1 / keep.
    """

    def __init__(self, rates: Sequence[float], batch_rows: int, widths: Sequence[int], like: Tensor) -> None:
        self.rates, self.batch_rows = rates, batch_rows
        self.n_steps = steps_per_chunk(batch_rows, widths)
        self.masks = [like.new_empty((len(rates), self.n_steps, batch_rows, width)) for width in widths]
        self._generators: list[torch.Generator] = []
        self._device = like.device

    def begin_epoch(self, seeds: Sequence[int], epoch: int) -> None:
        self._generators = [dropout_generator(seed, epoch, self._device) for seed in seeds]

    def begin_step(self, step: int) -> int:
        """Refill when a chunk is used up; return the step's place within its chunk."""
        if not self.rates:
            return 0
        if step % self.n_steps == 0:
            for lane, (rate, generator) in enumerate(zip(self.rates, self._generators, strict=True)):
                for mask in self.masks:
                    mask[lane].bernoulli_(1 - rate, generator=generator).mul_(1 / (1 - rate))
        return step % self.n_steps
