"""Learned embeddings of K networks at once, in front of their first layer (`models.embedding`)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from models.embedding import Embedding
from models.layout import Layout, round_up_width


class PackedEmbedding:
    """K matrices made of the learned numbers in the rows of the lanes.

    Shapes: parameters [K, layout.size]; out [K, B, E], padded.
    """

    def __init__(self, layout: Layout, embedding: Embedding, parameters: Tensor, batch_rows: int) -> None:
        n_lanes, n_columns = len(parameters), layout.padded[0]
        learned, passing = embedding.places(n_columns)
        self._learned = torch.from_numpy(learned).to(parameters.device)
        self._numbers = layout.embedding_view(parameters)
        self._matrix = parameters.new_zeros((n_lanes, round_up_width(embedding.n_inputs), n_columns))
        self._flat = self._matrix.view(n_lanes, -1)
        self._flat[:, torch.from_numpy(passing).to(parameters.device)] = 1
        self.out = parameters.new_zeros((n_lanes, batch_rows, n_columns))
        self._sines, self._cosines = _waves(self.out, embedding)

    def forward(self, x: Tensor) -> Tensor:
        """Embed a batch. Shapes: x [K, B, D] -> [K, B, E]."""
        self._flat.index_copy_(1, self._learned, self._numbers)
        torch.bmm(x, self._matrix, out=self.out)
        if self._sines.numel():  # the product left turns where sines belong
            torch.cos(self._sines.mul_(2 * math.pi), out=self._cosines)
            self._sines.sin_()
        return self.out


class TrainedEmbedding(PackedEmbedding):
    """Adds the gradient of the learned numbers."""

    def __init__(
        self, layout: Layout, embedding: Embedding, parameters: Tensor, gradients: Tensor, batch_rows: int
    ) -> None:
        super().__init__(layout, embedding, parameters, batch_rows)
        self.out_transposed = self.out.transpose(1, 2)
        self._gradient = layout.embedding_view(gradients)
        self._delta, self._product = torch.zeros_like(self.out), torch.zeros_like(self._matrix)
        self._delta_waves = _waves(self._delta, embedding)

    def backward(self, x_transposed: Tensor, delta: Tensor, weight_transposed: Tensor) -> None:
        """Take the gradient at the sums of the first layer.

        Shapes: x_transposed [K, D, B], delta [K, B, O], weight_transposed [K, O, E].
        """
        torch.bmm(delta, weight_transposed, out=self._delta)
        if self._sines.numel():  # to the gradients of the turns, where sines stand; nobody looks where cosines do
            of_sines, of_cosines = self._delta_waves
            of_sines.mul_(self._cosines).addcmul_(of_cosines, self._sines, value=-1).mul_(2 * math.pi)
        torch.bmm(x_transposed, self._delta, out=self._product)
        self._gradient.copy_(self._product.view(len(self._product), -1).index_select(1, self._learned))


def _waves(columns: Tensor, embedding: Embedding) -> tuple[Tensor, Tensor]:
    """Return the columns of sines and of cosines. Shapes: [K, B, E] -> [K, B, frequencies] each."""
    sine, n = embedding.first_sine, embedding.n_frequencies
    return columns[:, :, sine : sine + n], columns[:, :, sine + n : sine + 2 * n]
