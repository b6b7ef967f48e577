"""Where the numbers of one lane lie in its flat row, padded widths included. No training, no device.

Row of a lane: weight [I, O] then bias [O] of every layer, all widths padded to WIDTH_MULTIPLE. The padding is exactly
zero and stays so. It is there for the bits: see docs/decisions/0002-padding.md. Learned embeddings follow the layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.embedding import Embedding
from models.hyper import Hyperparameters
from models.lanes import Layers
from models.ops import OPS

WIDTH_MULTIPLE = 16
BATCH_MULTIPLE = 16
LANE_MULTIPLE = 1  # a machine whose products depend on the number of lanes needs 8: benchmarks/bits.py tells

Floats = NDArray[Any]


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple that is at least n."""
    return -(-n // multiple) * multiple


def round_up_width(width: int) -> int:
    """Pad a width."""
    return round_up(width, WIDTH_MULTIPLE)


@dataclass(frozen=True)
class Layout:
    """The widths of one network, inputs first, outputs last; with an embedding, what it makes of the inputs first."""

    widths: tuple[int, ...]
    embedding: Embedding | None = None

    @classmethod
    def of(cls, hyper: Hyperparameters, n_inputs: int, n_outputs: int, embedding: Embedding | None = None) -> Layout:
        """Derive the layout from hyperparameters and data shapes alone."""
        seen = embedding.width if embedding else n_inputs
        return cls((seen, *hyper.widths, n_outputs), embedding)

    @cached_property
    def padded(self) -> tuple[int, ...]:
        return tuple(round_up(width, WIDTH_MULTIPLE) for width in self.widths)

    @cached_property
    def size(self) -> int:
        """Length of a padded row."""
        return self._layers_size + (round_up_width(self.embedding.n_numbers) if self.embedding else 0)

    @cached_property
    def _layers_size(self) -> int:
        return sum(i * o + o for i, o in pairwise(self.padded))

    @property
    def n_parameters(self) -> int:
        """Length of an unpadded row."""
        return sum(i * o + o for i, o in pairwise(self.widths)) + (self.embedding.n_numbers if self.embedding else 0)

    def views(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return weight and bias of every layer as views of the rows.

        Shapes: rows [K, size] -> (weight [K, I, O], bias [K, O]) of every layer.
        """
        views, start = [], 0
        for i, o in pairwise(self.padded):
            weight = rows[:, start : start + i * o].view(-1, i, o)
            bias = rows[:, start + i * o : start + i * o + o]
            views.append((weight, bias))
            start += i * o + o
        return views

    def embedding_view(self, rows: Any) -> Any:
        """Return the learned numbers of the embedding as a view of the rows.

        Shapes: rows [..., size] -> [..., numbers], none without an embedding.
        """
        n_numbers = self.embedding.n_numbers if self.embedding else 0
        return rows[..., self._layers_size : self._layers_size + n_numbers]

    def _blocks(self, row: Floats) -> list[tuple[Floats, Floats]]:
        """Views of the unpadded weights and biases of a padded row."""
        blocks, start = [], 0
        for (i, o), (real_i, real_o) in zip(pairwise(self.padded), pairwise(self.widths), strict=True):
            weight = row[start : start + i * o].reshape(i, o)[:real_i, :real_o]
            bias = row[start + i * o : start + i * o + real_o]
            blocks.append((weight, bias))
            start += i * o + o
        return blocks

    def pack(self, flat: Floats, name: str = "parameters") -> Floats:
        """Spread unpadded numbers over a padded row.

        Raises: ValueError if there are more or fewer numbers than this network has.
        """
        if flat.shape != (self.n_parameters,):
            raise ValueError(
                f"{name} of a state has shape {flat.shape}; widths {self.widths} need ({self.n_parameters},)"
            )
        row, start = np.zeros(self.size, flat.dtype), 0
        for block in self._parts(row):
            block[...] = flat[start : start + block.size].reshape(block.shape)
            start += block.size
        return row

    def unpack(self, row: Floats) -> Floats:
        """Return the unpadded numbers of a padded row, a copy."""
        return np.concatenate([part.ravel() for part in self._parts(row)])

    def _parts(self, row: Floats) -> list[Floats]:
        """All views of unpadded numbers of a padded row, in order."""
        return [*(part for pair in self._blocks(row) for part in pair), self.embedding_view(row)]

    def layers(self, row: Floats) -> Layers:
        """Return unpadded weights and biases of a padded row, copies in float32; an embedding joins the first ones."""
        blocks = self._blocks(row)
        if self.embedding:
            matrix = self.embedding.matrix(self.embedding_view(row).astype(np.float64))
            blocks[0] = matrix @ blocks[0][0].astype(np.float64), blocks[0][1]
        return [(weight.astype(np.float32), bias.astype(np.float32)) for weight, bias in blocks]

    def draw(self, seed: int, hyper: Hyperparameters) -> Floats:
        """Draw a padded row with biases 0.

        `auto` is what the hidden activation asks for, and Glorot for the last layer.

        Drawn in float64 on the CPU with the unpadded shapes: the same on every device, whatever the padding.
        """
        generator = torch.Generator().manual_seed(seed & (2**63 - 1))
        row = np.zeros(self.size)
        blocks = self._blocks(row)
        for depth, (weight, _) in enumerate(blocks):
            liked = OPS[hyper.activation].initialisation if depth < len(blocks) - 1 else "glorot"
            kind = liked if hyper.initialisation == "auto" else hyper.initialisation
            weight[...] = _draw(kind, weight.shape, generator)
        if self.embedding:
            self.embedding_view(row)[...] = self._draw_embedding(generator)
        return row

    def _draw_embedding(self, generator: torch.Generator) -> Floats:
        """Source: Gorishniy et al. 2021, uniform between plus and minus 1 / sqrt(size)."""
        blocks = self.embedding.blocks if self.embedding else ()
        bounds = np.concatenate([np.full(n * size, 1 / math.sqrt(size)) for _, n, size in blocks])
        drawn = torch.rand(len(bounds), generator=generator, dtype=torch.float64).numpy()
        numbers: Floats = bounds * (2 * drawn - 1)
        return numbers


SPREAD = 0.05


def _draw(kind: str, shape: tuple[int, ...], generator: torch.Generator) -> Floats:
    """Source: He et al. 2015 eq. 10, Glorot and Bengio 2010 eq. 16, LeCun et al. 1998 4.6, as in torch.nn.init."""
    n_in, n_out = shape
    if kind == "normal":
        return SPREAD * torch.randn(shape, generator=generator, dtype=torch.float64).numpy()
    bounds = {
        "he": math.sqrt(6 / n_in),
        "glorot": math.sqrt(6 / (n_in + n_out)),
        "lecun": math.sqrt(3 / n_in),
        "uniform": SPREAD,
        "zeros": 0.0,
    }
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64).numpy() - 1) * bounds[kind]
