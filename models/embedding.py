"""Which inputs of a network are embedded: what a trained first stage makes of them, in front of the first layer.

A block of inputs, one per category, becomes a few learned numbers: its table. A scaled number s becomes sin(2 pi c s)
and cos(2 pi c s) of learned frequencies c, its wave. As a matrix between inputs and first layer: tables, and
frequencies where their sines will stand; 1 for each input that passes; 0 elsewhere. No training.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.features import CategoricalFeature, varying_number
from models.hyper_table import TableHyperparameters
from models.preprocess import Preprocessor

Places = NDArray[np.int64]
Floats = NDArray[Any]


@dataclass(frozen=True)
class Embedding:
    """`tables` are (first input, inputs, learned numbers of each), `waves` (input, frequencies), each in order; all
    other inputs pass.

    Learned numbers lie in a row: tables, then frequencies. The first layer sees what passes and what tables make in the
    order of the inputs, then all sines, then all cosines.
    """

    n_inputs: int
    tables: tuple[tuple[int, int, int], ...] = ()
    waves: tuple[tuple[int, int], ...] = ()

    @cached_property
    def n_tables(self) -> int:
        """Count the learned numbers of the tables."""
        return sum(n * size for _, n, size in self.tables)

    @cached_property
    def n_frequencies(self) -> int:
        """Count the frequencies of all waves."""
        return sum(n for _, n in self.waves)

    @property
    def n_numbers(self) -> int:
        """Count all learned numbers."""
        return self.n_tables + self.n_frequencies

    @property
    def width(self) -> int:
        """Count what the first layer sees."""
        return self.first_sine + 2 * self.n_frequencies

    @property
    def n_folded(self) -> int:
        """Count the inputs of the first layer that `fold` returns."""
        return self.n_inputs - len(self.waves) + 2 * self.n_frequencies

    @property
    def first_sine(self) -> int:
        """The column where sines begin."""
        return int(self._columns[-1])

    @cached_property
    def _columns(self) -> Places:
        """The first column of each input that passes or begins a table, and of the sines. Shapes: [n_inputs + 1]."""
        widths = np.ones(self.n_inputs, np.int64)
        for first, n, size in self.tables:
            widths[first : first + n] = 0
            widths[first] = size
        widths[[place for place, _ in self.waves]] = 0
        return np.concatenate([[0], np.cumsum(widths)])

    def places(self, n_columns: int) -> tuple[Places, Places]:
        """Say where in a flat matrix [inputs, n_columns] the learned numbers lie, and where the ones.

        Shapes: [n_numbers], [inputs that pass].
        """
        learned, passes, sine = [np.zeros(0, np.int64)], np.ones(self.n_inputs, bool), self.first_sine
        for first, n, size in self.tables:
            passes[first : first + n] = False
            rows = np.arange(first, first + n)[:, None] * n_columns
            learned.append((rows + self._columns[first] + np.arange(size)).ravel())
        for place, n in self.waves:
            passes[place] = False
            learned.append(place * n_columns + sine + np.arange(n))
            sine += n
        return np.concatenate(learned), (np.arange(self.n_inputs) * n_columns + self._columns[:-1])[passes]

    def fold(self, numbers: Floats, weight: Floats) -> Floats:
        """Return first weights for inputs that pass all, with sine and cosine where the input of a wave was.

        Shapes: numbers [n_numbers], weight [width, O] -> [inputs, O].
        """
        made: dict[int, tuple[int, Floats]] = {}
        start, sine = 0, self.first_sine
        for first, n, size in self.tables:
            table, column = numbers[start : start + n * size].reshape(n, size), self._columns[first]
            made[first] = n, table @ weight[column : column + size]
            start += n * size
        for place, n in self.waves:
            cosine = sine + self.n_frequencies
            made[place] = 1, np.concatenate([weight[sine : sine + n], weight[cosine : cosine + n]])
            sine += n
        parts, row = [], 0
        for first, (n, rows) in sorted(made.items()):
            parts += [weight[self._columns[row] : self._columns[first]], rows]
            row = first + n
        return np.concatenate([*parts, weight[self._columns[row] : self.first_sine]])


def choose_embedding(preprocessor: Preprocessor, hyper: TableHyperparameters) -> Embedding | None:
    """Embed each column of more than two categories, a missing value being one, in fewer numbers than it has inputs,
    and each number that is not constant, as the hyperparameters ask."""
    tables, waves, first = [], [], 0
    for feature in preprocessor.features:
        if isinstance(feature, CategoricalFeature):
            if hyper.categorical_encoding == "embedding" and feature.width > 2:
                tables.append((first, feature.width, min(hyper.embedding_size, feature.width - 1)))
        elif hyper.numeric_embedding == "periodic" and varying_number(feature):
            waves.append((first, hyper.embedding_frequencies))
        first += feature.width
    return Embedding(first, tuple(tables), tuple(waves)) if tables or waves else None
