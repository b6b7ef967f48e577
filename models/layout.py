"""Where the numbers of one lane lie in its flat row, padded widths included. No training, no device.

Row of a lane: weight [I, O] then bias [O] of every layer, then with normalisation scale [O] and shift [O] of every
hidden layer, all widths padded to WIDTH_MULTIPLE; then the learned numbers of an embedding. The padding is exactly
zero and stays so. It is there for the bits: see docs/decisions/0002-padding.md. Batch normalisation has a second row:
running mean [O] and variance [O] of every hidden layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.embedding import Embedding
from models.hyper import LaneHyperparameters
from models.lanes import Layers, ViewShape
from models.normalisation import NormalisationName, fold
from models.ops import OPS

WIDTH_MULTIPLE = 16
BATCH_MULTIPLE = 16
NORMALISATIONS: tuple[NormalisationName, ...] = get_args(NormalisationName)
LANE_MULTIPLE = 1  # a machine whose products depend on the number of lanes needs 8: benchmarks/bits.py tells

Floats = NDArray[Any]


def round_up(n: int, multiple: int) -> int:
    """Return the smallest multiple that is at least n."""
    return -(-n // multiple) * multiple


def round_up_width(width: int) -> int:
    """Pad a width."""
    return round_up(width, WIDTH_MULTIPLE)


RUNNING = "running"
"""The row of running means and variances; all other rows of a lane have one number for each parameter."""

Pair = tuple[Floats, Floats]


@dataclass(frozen=True)
class Layout:
    """The widths of one network, inputs first, outputs last, and what normalises its hidden layers; with an embedding,
    what it makes of the inputs first."""

    widths: tuple[int, ...]
    embedding: Embedding | None = None
    normalisation: NormalisationName = "none"

    @classmethod
    def of_view(cls, hyper: LaneHyperparameters, shape: ViewShape) -> Layout:
        """Lay out a network for the rows of a view."""
        return cls.of(hyper, shape.n_inputs, shape.n_outputs, shape.embedding)

    @classmethod
    def of(
        cls, hyper: LaneHyperparameters, n_inputs: int, n_outputs: int, embedding: Embedding | None = None
    ) -> Layout:
        """Derive the layout from hyperparameters and data shapes alone."""
        seen = embedding.width if embedding else n_inputs
        normalisation = hyper.normalisation if hyper.hidden_layers else "none"
        return cls((seen, *hyper.widths, n_outputs), embedding, normalisation)

    @cached_property
    def padded(self) -> tuple[int, ...]:
        return tuple(round_up(width, WIDTH_MULTIPLE) for width in self.widths)

    @property
    def pack_key(self) -> tuple[int, ...]:
        """What lanes share that are stacked."""
        return NORMALISATIONS.index(self.normalisation), *self.padded

    @cached_property
    def norm_size(self) -> int:
        """Length of the part of a padded row that belongs to normalisation: two numbers for each hidden unit."""
        return 0 if self.normalisation == "none" else 2 * sum(self.padded[1:-1])

    @cached_property
    def size(self) -> int:
        """Length of a padded row of parameters."""
        n_learned = round_up_width(self.embedding.n_numbers) if self.embedding else 0
        return self._layers_size + self.norm_size + n_learned

    @cached_property
    def _layers_size(self) -> int:
        return sum(i * o + o for i, o in pairwise(self.padded))

    @property
    def n_parameters(self) -> int:
        """Length of an unpadded row of parameters."""
        norms = 2 * sum(self.widths[1:-1]) if self.norm_size else 0
        n_learned = self.embedding.n_numbers if self.embedding else 0
        return sum(i * o + o for i, o in pairwise(self.widths)) + norms + n_learned

    def exported(self) -> dict[str, float]:
        """Count what the layers of a package hold; see `layers` and `models.scores.FACTS`."""
        first, *rest = self.widths
        if self.embedding:
            first = self.embedding.n_folded
        products = sum(i * o for i, o in pairwise((first, *rest)))
        norms = 2 * sum(self.widths[1:-1]) if self.normalisation == "layer" else 0
        n_frequencies = self.embedding.n_frequencies if self.embedding else 0
        return {"n_parameters": float(products + sum(rest) + norms + n_frequencies), "multiply_adds": float(products)}

    @property
    def running_size(self) -> int:
        """Length of a padded row of running means and variances."""
        return self.norm_size if self.normalisation == "batch" else 0

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
        n_numbers, start = self.embedding.n_numbers if self.embedding else 0, self._layers_size + self.norm_size
        return rows[..., start : start + n_numbers]

    def norm_views(self, rows: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return scale and shift of every hidden layer, or running mean and variance, as views of the rows.

        Shapes: rows [K, size] or [K, running_size] -> [K, O] twice for every hidden layer; none without normalisation.
        """
        views, start = [], self._layers_size if rows.shape[1] == self.size else 0
        for width in self.padded[1:-1] if self.norm_size else ():
            views.append((rows[:, start : start + width], rows[:, start + width : start + 2 * width]))
            start += 2 * width
        return views

    def layer_blocks(self, row: Floats) -> list[Pair]:
        """Views of the unpadded weights and biases of a padded row."""
        blocks, start = [], 0
        for (i, o), (real_i, real_o) in zip(pairwise(self.padded), pairwise(self.widths), strict=True):
            weight = row[start : start + i * o].reshape(i, o)[:real_i, :real_o]
            bias = row[start + i * o : start + i * o + real_o]
            blocks.append((weight, bias))
            start += i * o + o
        return blocks

    def norm_blocks(self, row: Floats) -> list[Pair]:
        """Views of what `norm_views` returns, unpadded, of one padded row."""
        views = self.norm_views(torch.from_numpy(row[None]))
        real = self.widths[1:-1]
        return [(one.numpy()[0, :n], other.numpy()[0, :n]) for (one, other), n in zip(views, real, strict=False)]

    def _blocks(self, row: Floats, name: str) -> list[Floats]:
        """All unpadded parts of a padded row, in order."""
        if name == RUNNING:
            return [part for pair in self.norm_blocks(row) for part in pair]
        pairs = (*self.layer_blocks(row), *self.norm_blocks(row))
        return [*(part for pair in pairs for part in pair), self.embedding_view(row)]

    def row_size(self, name: str) -> int:
        """Length of a padded row of this name."""
        return self.running_size if name == RUNNING else self.size

    def pack(self, flat: Floats, name: str = "parameters") -> Floats:
        """Spread unpadded numbers over a padded row.

        Raises: ValueError if there are more or fewer numbers than this network has.
        """
        row, start = np.zeros(self.row_size(name), flat.dtype), 0
        blocks = self._blocks(row, name)
        n_numbers = sum(block.size for block in blocks)
        if flat.shape != (n_numbers,):
            raise ValueError(f"{name} of a state has shape {flat.shape}; widths {self.widths} need ({n_numbers},)")
        for block in blocks:
            block[...] = flat[start : start + block.size].reshape(block.shape)
            start += block.size
        return row

    def unpack(self, row: Floats, name: str = "parameters") -> Floats:
        """Return the unpadded numbers of a padded row, a copy."""
        return np.concatenate([block.ravel() for block in self._blocks(row, name)])

    def layers(self, row: Floats, running: Floats | None = None) -> Layers:
        """Return the unpadded layers that a padded row predicts with, copies in float32; tables of an embedding join
        the first, its frequencies stand in front.

        Batch normalisation, by the row of running statistics, is part of their weights and biases then.
        """
        layers: list[Sequence[Floats]] = list(self.layer_blocks(row))
        if self.embedding:
            numbers = self.embedding_view(row).astype(np.float64)
            layers[0] = self.embedding.fold(numbers, layers[0][0].astype(np.float64)), layers[0][1]
        for depth, norm in enumerate(self.norm_blocks(row)):
            weight, bias = layers[depth]
            if running is not None:
                layers[depth] = fold((weight, bias), norm, self.norm_blocks(running)[depth])
            else:
                layers[depth] = weight, bias, *norm
        if self.embedding and self.embedding.waves:
            layers.insert(0, (self.embedding_view(row)[self.embedding.n_tables :],))
        return [tuple(part.astype(np.float32) for part in layer) for layer in layers]

    def draw(self, seed: int, hyper: LaneHyperparameters) -> Floats:
        """Draw a padded row with biases and shifts 0 and scales 1.

        `auto` is what the hidden activation asks for, and Glorot for the last layer.

        Drawn in float64 on the CPU with the unpadded shapes: the same on every device, whatever the padding.
        """
        generator = torch.Generator().manual_seed(seed & (2**63 - 1))
        row = np.zeros(self.size)
        blocks = self.layer_blocks(row)
        for depth, (weight, _) in enumerate(blocks):
            liked = OPS[hyper.activation].initialisation if depth < len(blocks) - 1 else "glorot"
            kind = liked if hyper.initialisation == "auto" else hyper.initialisation
            weight[...] = _draw(kind, weight.shape, generator)
        for scale, _ in self.norm_blocks(row):
            scale[...] = 1
        if self.embedding:
            self.embedding_view(row)[...] = _draw_embedding(self.embedding, hyper.frequency_scale, generator)
        return row

    def first_running(self) -> Floats:
        """Return the padded row of a lane that has seen no batch: means 0, variances 1."""
        row = np.zeros(self.running_size)
        for _, variance in self.norm_blocks(row):
            variance[...] = 1
        return row


def _draw_embedding(embedding: Embedding, frequency_scale: float, generator: torch.Generator) -> Floats:
    """Source: for tables Gorishniy et al. 2021, uniform between plus and minus 1 / sqrt(size); for frequencies
    Gorishniy et al. 2022, normal."""
    bounds = [np.full(n * size, 1 / math.sqrt(size)) for _, n, size in embedding.tables]
    drawn = torch.rand(embedding.n_tables, generator=generator, dtype=torch.float64).numpy()
    tables = np.concatenate([*bounds, np.zeros(0)]) * (2 * drawn - 1)
    frequencies = torch.randn(embedding.n_frequencies, generator=generator, dtype=torch.float64).numpy()
    return np.concatenate([tables, frequency_scale * frequencies])


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
