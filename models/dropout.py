"""Inverted dropout: masks by a hash of (lane, epoch, step, layer, place), the same on every device. No layers.

Source of the mixing function: MurmurHash3's 32-bit finaliser, applied twice. `models.cpu.dropout` draws the same masks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK_NUMBERS = 2**17
SPREAD, FIRST, SECOND = 0x9E3779B9, 0x85EBCA6B, 0xC2B2AE35


def dropout_keys(seed: int, epoch: int) -> NDArray[np.uint32]:
    """Name the masks of one lane in one epoch: a function of (lane seed, epoch), not of calls or neighbours.

    Shapes: [2].
    """
    return np.asarray(np.random.SeedSequence([seed & (2**63 - 1), epoch]).generate_state(2), np.uint32)


def steps_per_chunk(batch_rows: int, widths: Sequence[int]) -> int:
    """Return how many steps' masks are drawn at once."""
    return max(1, CHUNK_NUMBERS // (batch_rows * max(1, sum(widths))))


class DropoutMasks:
    """Masks of K lanes for all hidden layers, refilled every few steps.

    Shapes: masks[j] [K, S, B, widths[j]], 0 or 1 / keep.
    """

    def __init__(self, rates: Sequence[float], batch_rows: int, widths: Sequence[int], like: Tensor) -> None:
        self.batch_rows = batch_rows
        self.n_steps = steps_per_chunk(batch_rows, widths) if rates else 1
        self.masks = [like.new_empty((len(rates), self.n_steps, batch_rows, width)) for width in widths]
        limits = [_signed(int(rate * 2**32) ^ 2**31) for rate in rates]
        self._limits = torch.tensor(limits, dtype=torch.int32, device=like.device).view(-1, 1, 1)
        self._scales = like.new_tensor([1 / (1 - rate) for rate in rates]).view(-1, 1, 1)
        self._keys = torch.empty(0)

    def begin_epoch(self, seeds: Sequence[int], epoch: int) -> None:
        keys = np.array([dropout_keys(seed, epoch) for seed in seeds], np.uint32).reshape(-1, 2)
        self._keys = torch.from_numpy(keys.view(np.int32)).to(self._limits.device)

    def begin_step(self, step: int) -> int:
        """Refill when a chunk is used up; return the step's place within its chunk."""
        if len(self._keys) and step % self.n_steps == 0:
            for layer, mask in enumerate(self.masks):
                self._draw(mask.view(len(mask), self.n_steps, -1), step, layer)
        return step % self.n_steps

    def _draw(self, mask: Tensor, step: int, layer: int) -> None:
        steps = torch.arange(step, step + self.n_steps, dtype=torch.int32, device=mask.device)
        places = torch.arange(mask.shape[2], dtype=torch.int32, device=mask.device)
        first, second = self._keys[:, 0].view(-1, 1), self._keys[:, 1].view(-1, 1, 1)
        salts = _mix(first + steps * _signed(SPREAD) + layer).unsqueeze(2)
        numbers = _mix(_mix(places * _signed(SPREAD) + salts) + second)
        torch.mul(self._scales, (numbers ^ _signed(2**31)) >= self._limits, out=mask)


def _mix(h: Tensor) -> Tensor:
    """32-bit integers that wrap around; the shifts are logical."""
    h = (h ^ ((h >> 16) & 0xFFFF)) * _signed(FIRST)
    h = (h ^ ((h >> 13) & 0x7FFFF)) * _signed(SECOND)
    return h ^ ((h >> 16) & 0xFFFF)


def _signed(number: int) -> int:
    """Return the signed integer that has the same 32 bits."""
    return number - 2**32 if number >= 2**31 else number
