"""Which inputs of a network are embedded: a block of inputs, one per category, becomes a few learned numbers.

As a matrix between inputs and first layer: a block of learned numbers for each block of inputs, 1 for each input that
passes, 0 elsewhere. No training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features import CategoricalFeature
from models.hyper import Hyperparameters
from models.preprocess import Preprocessor

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Embedding:
    """`blocks` are (first input, inputs, learned numbers of each) in order; all other inputs pass."""

    n_inputs: int
    blocks: tuple[tuple[int, int, int], ...]

    @cached_property
    def width(self) -> int:
        """Count what the first layer sees."""
        return self.n_inputs + sum(size - n for _, n, size in self.blocks)

    @cached_property
    def n_numbers(self) -> int:
        """Count the learned numbers."""
        return sum(n * size for _, n, size in self.blocks)

    def places(self, n_columns: int) -> tuple[Places, Places]:
        """Say where in a flat matrix [inputs, n_columns] the learned numbers lie, and where the ones.

        Shapes: [n_numbers], [inputs that pass].
        """
        learned, passing, column, row = [], [], 0, 0
        for first, n, size in (*self.blocks, (self.n_inputs, 0, 0)):
            n_passing = first - row
            passing.append((np.arange(row, first) * n_columns) + column + np.arange(n_passing))
            column += n_passing
            learned.append((np.arange(first, first + n)[:, None] * n_columns + column + np.arange(size)).ravel())
            column, row = column + size, first + n
        return np.concatenate(learned), np.concatenate(passing)

    def matrix(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Spread the learned numbers. Shapes: [n_numbers] -> [n_inputs, width]."""
        learned, passing = self.places(self.width)
        flat = np.zeros(self.n_inputs * self.width, numbers.dtype)
        flat[learned], flat[passing] = numbers, 1
        return flat.reshape(self.n_inputs, self.width)


def choose_embedding(preprocessor: Preprocessor, hyper: Hyperparameters) -> Embedding | None:
    """Embed each column of more than two categories, a missing value being one, in fewer numbers than it has inputs."""
    if hyper.categorical_encoding == "one_hot":
        return None
    blocks, first = [], 0
    for feature in preprocessor.features:
        if isinstance(feature, CategoricalFeature) and feature.width > 2:
            blocks.append((first, feature.width, min(hyper.embedding_size, feature.width - 1)))
        first += feature.width
    return Embedding(first, tuple(blocks)) if blocks else None
