"""The packed MLP: forward and backward of K networks of equal padded widths, written by hand. No losses, no optimizers.

Weights and gradients are views of flat rows (`models.layout`), activations live in buffers that every step reuses; all
views are made once, because making them costs as much as a small product.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from models.dropout import DropoutMasks
from models.ops import OPS, Op
from models.packed_embedding import PackedEmbedding, TrainedEmbedding
from models.packed_norms import Norm, NormRows, RealRows, TrainedNorm


@dataclass(frozen=True)
class Run:
    """Neighbouring lanes of a group with one activation, dropout in all of them or in none.

    `dropped` says which lanes of the group's DropoutMasks they are, `live` marks the unpadded units of every hidden
    layer ([k, 1, O], 0 or 1) and is there only for an op with f(0) != 0.
    """

    rows: slice
    op: Op
    dropped: slice | None = None
    live: tuple[Tensor, ...] = ()


class Activation:
    """One run of lanes at one hidden layer, with its view of that layer's buffer."""

    def __init__(self, run: Run, layer: int, out: Tensor) -> None:
        self.op, self.out = run.op, out[run.rows]
        self.live = run.live[layer] if run.live else None

    def apply(self) -> None:
        self.op.apply(self.out)
        if self.live is not None:
            self.out.mul_(self.live)


class TrainedActivation(Activation):
    """Adds dropout, the backward, and a copy (`kept`) of what backward reads if the op or dropout overwrites it."""

    def __init__(self, run: Run, layer: int, out: Tensor, delta: Tensor, masks: DropoutMasks) -> None:
        super().__init__(run, layer, out)
        self.delta = delta[run.rows]
        self.masks = masks.masks[layer][run.dropped] if run.dropped else None
        self.keeps_input = self.op.reads == "input" or self.op.backward is None
        keeps = self.keeps_input or self.masks is not None
        self.kept = torch.zeros_like(self.out) if keeps else self.out

    def forward(self, place: int) -> None:
        if self.keeps_input:
            self.kept.copy_(self.out)
        self.apply()
        if self.masks is not None:
            if not self.keeps_input:
                self.kept.copy_(self.out)
            self.out.mul_(self.masks[:, place])

    def backward(self, place: int) -> None:
        if self.masks is not None:
            self.delta.mul_(self.masks[:, place])
        self.op.pull_back(self.delta, self.kept)


class PackedMLP:
    """K networks that answer batches of one size, without dropout.

    Shapes: out[j] [K, B, O] for every layer, all padded.
    """

    def __init__(self, rows: NormRows, runs: Sequence[Run], batch_rows: int) -> None:
        layout, parameters = rows.layout, rows.parameters
        self.n_lanes, self.batch_rows = len(parameters), batch_rows
        self.layers = [(weight, bias.unsqueeze(1)) for weight, bias in layout.views(parameters)]
        self.out = [parameters.new_zeros((self.n_lanes, batch_rows, width)) for width in layout.padded[1:]]
        hidden = [[Activation(run, layer, out) for run in runs] for layer, out in enumerate(self.out[:-1])]
        norms: list[Norm | None] = [*rows.norms()] or [None] * len(hidden)
        self._after = [*zip(norms, hidden, strict=True), (None, [])]
        found = layout.embedding
        self._embedding = PackedEmbedding(layout, found, parameters, batch_rows) if found else None

    def infer(self, x: Tensor) -> Tensor:
        """Return the outputs, in a buffer that the next call reuses.

        Shapes: x [B, D] -> [K, B, C].
        """
        below = x.expand(self.n_lanes, -1, -1)
        if self._embedding:
            below = self._embedding.forward(below)
        for (weight, bias), out, (norm, activations) in zip(self.layers, self.out, self._after, strict=True):
            below = torch.baddbmm(bias, below, weight, out=out)
            if norm is not None:
                norm.apply(out)
            for activation in activations:
                activation.apply()
        return below

    def answer(self, x: Tensor, output_activation: str, answers: Tensor) -> None:
        """Fill `answers` with what the networks say of many rows.

        Shapes: x [chunks, B, D], answers [K, chunks * B, C].
        """
        size = self.batch_rows
        for chunk, rows in enumerate(x):
            answers[:, chunk * size : (chunk + 1) * size].copy_(self.infer(rows))
        if output_activation != "none":
            OPS[output_activation].apply(answers)


class TrainedLayer:
    """One layer's views. The first one has no `delta_below`: nobody asks for the gradient of the inputs."""

    def __init__(self, parameters: tuple[Tensor, Tensor], gradients: tuple[Tensor, Tensor], out: Tensor) -> None:
        self.weight, self.bias = parameters[0], parameters[1].unsqueeze(1)
        self.weight_transposed = self.weight.transpose(1, 2)
        self.weight_gradient, self.bias_gradient = gradients
        self.out = out
        self.norm: TrainedNorm | None = None
        self.activations: list[TrainedActivation] = []
        self.below: TrainedLayer | None = None
        self.delta_below = self.below_transposed = self.product = out

    def stand_on(self, below: TrainedLayer, delta_below: Tensor) -> None:
        self.below, self.delta_below, self.below_transposed = below, delta_below, below.out.transpose(1, 2)


class TrainedMLP:
    """K networks in training: outputs become gradients, which land in flat rows beside the parameters.

    Shapes: gradients [K, size].
    """

    def __init__(self, rows: NormRows, gradients: Tensor, runs: Sequence[Run], masks: DropoutMasks) -> None:
        layout, parameters = rows.layout, rows.parameters
        shape, widths = (len(parameters), masks.batch_rows), layout.padded[1:]
        views = zip(layout.views(parameters), layout.views(gradients), widths, strict=True)
        self._layers = [TrainedLayer(p, g, parameters.new_zeros((*shape, width))) for p, g, width in views]
        room = [parameters.new_zeros(math.prod(shape) * max(widths)) for _ in range(2)]  # deltas alternate between two
        products = parameters.new_zeros(max(layer.weight.numel() for layer in self._layers))
        for layer in self._layers:
            layer.product = products[: layer.weight.numel()].view(layer.weight.shape)
        for depth, (below, layer) in enumerate(pairwise(self._layers)):
            delta = room[depth % 2][: below.out.numel()].view(below.out.shape)
            layer.stand_on(below, delta)
            below.activations = [TrainedActivation(run, depth, below.out, delta, masks) for run in runs]
        for layer, norm in zip(self._layers, rows.trained(gradients), strict=False):
            layer.norm = norm
        self.outputs = self._layers[-1].out
        found = layout.embedding
        self._embedding = TrainedEmbedding(layout, found, parameters, gradients, masks.batch_rows) if found else None
        self._place_of_rows = torch.arange(masks.batch_rows, device=parameters.device).unsqueeze(1)
        self._real = RealRows(0, self._place_of_rows)

    def forward(self, x: Tensor, place: int, n_rows: int) -> None:
        """Fill `outputs`; `place` is the step's place among the dropout masks, the first `n_rows` rows are real.

        Shapes: x [K, B, D].
        """
        if self._layers[0].norm is not None and self._real.count != n_rows:
            self._real = RealRows(n_rows, (self._place_of_rows < n_rows).to(self.outputs))
        below = self._embedding.forward(x) if self._embedding else x
        for layer in self._layers:
            below = torch.baddbmm(layer.bias, below, layer.weight, out=layer.out)
            if layer.norm is not None:
                layer.norm.forward(below, self._real)
            for activation in layer.activations:
                activation.forward(place)

    def backward(self, x_transposed: Tensor, place: int) -> None:
        """Turn dLoss/dOutputs, lying in `outputs`, into the gradients of all parameters.

        Shapes: x_transposed [K, D, B].
        """
        delta, bottom = self.outputs, self._embedding.out_transposed if self._embedding else x_transposed
        for layer in reversed(self._layers):
            below = layer.below
            torch.bmm(layer.below_transposed if below else bottom, delta, out=layer.product)
            layer.weight_gradient.copy_(layer.product)  # into strided rows, bmm itself would go lane by lane
            if layer.norm is not None and layer.norm.replaces_bias:
                layer.bias_gradient.zero_()
            else:
                torch.sum(delta, 1, out=layer.bias_gradient)
            if below:
                delta = torch.bmm(delta, layer.weight_transposed, out=layer.delta_below)
                for activation in below.activations:
                    activation.backward(place)
                if below.norm is not None:
                    below.norm.backward(delta, self._real)
        if self._embedding:
            self._embedding.backward(x_transposed, delta, self._layers[0].weight_transposed)
