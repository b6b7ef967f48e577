"""The packed MLP: forward and backward of K networks of equal padded widths, written by hand. No losses, no optimizers.

Weights and gradients are views of flat rows (`models.layout`), activations live in buffers that every step reuses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.dropout import DropoutMasks
from models.layout import Layout
from models.ops import Op


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

    @property
    def keeps(self) -> bool:
        """Whether backward needs a copy of what dropout or the op overwrites."""
        return self.dropped is not None or self.op.backward is None or self.op.reads == "input"


class _Activation:
    """One run of lanes at one hidden layer, with its views of that layer's buffers."""

    def __init__(self, run: Run, layer: int, out: Tensor, is_trained: bool) -> None:
        self.run, self.op = run, run.op
        self.out = out[run.rows]
        self.live = run.live[layer] if run.live else None
        self.kept = torch.zeros_like(self.out) if is_trained and run.keeps else self.out
        self.keeps_input = self.op.backward is None or self.op.reads == "input"

    def forward(self, mask: Tensor | None) -> None:
        if self.keeps_input:
            self.kept.copy_(self.out)
        self.op.apply(self.out)
        if self.live is not None:
            self.out.mul_(self.live)
        if mask is not None:
            if not self.keeps_input:
                self.kept.copy_(self.out)
            self.out.mul_(mask)

    def infer(self) -> None:
        self.op.apply(self.out)
        if self.live is not None:
            self.out.mul_(self.live)

    def backward(self, delta: Tensor, mask: Tensor | None) -> None:
        delta = delta[self.run.rows]
        if mask is not None:
            delta.mul_(mask)
        self.op.pull_back(delta, self.kept)


class PackedMLP:
    """K networks and the buffers for batches of one size.

    Shapes: parameters [K, layout.size], x [B, D], outputs [K, B, C], all padded.
    """

    def __init__(self, layout: Layout, parameters: Tensor, runs: Sequence[Run], batch_rows: int) -> None:
        self.n_lanes, self.batch_rows = len(parameters), batch_rows
        self.layers = [(weight, bias.unsqueeze(1)) for weight, bias in layout.views(parameters)]
        self.out = [parameters.new_zeros((self.n_lanes, batch_rows, width)) for width in layout.padded[1:]]
        self._activations = [
            [_Activation(run, layer, out, isinstance(self, TrainedMLP)) for run in runs]
            for layer, out in enumerate(self.out[:-1])
        ]

    @property
    def outputs(self) -> Tensor:
        return self.out[-1]

    def infer(self, x: Tensor) -> Tensor:
        """Return the outputs without dropout and without keeping anything for a backward."""
        hidden = x.expand(self.n_lanes, -1, -1)
        for layer, (weight, bias) in enumerate(self.layers):
            torch.baddbmm(bias, hidden, weight, out=self.out[layer])
            for activation in self._activations[layer] if layer < len(self._activations) else ():
                activation.infer()
            hidden = self.out[layer]
        return self.outputs


class TrainedMLP(PackedMLP):
    """Adds the backward pass: outputs become gradients, which land in views of flat rows."""

    def __init__(
        self, layout: Layout, parameters: Tensor, gradients: Tensor, runs: Sequence[Run], batch_rows: int
    ) -> None:
        super().__init__(layout, parameters, runs, batch_rows)
        self._gradients = layout.views(gradients)
        widest = max(layout.padded[1:-1], default=0)
        self._deltas = [parameters.new_zeros(self.n_lanes * batch_rows * widest) for _ in range(2)]
        self._transposed = [weight.transpose(1, 2) for weight, _ in self.layers]

    def forward(self, x: Tensor, masks: DropoutMasks | None, step: int) -> Tensor:
        """Return the outputs, which the loss may overwrite with their gradient."""
        self._masks, self._step = masks, step
        hidden = x.expand(self.n_lanes, -1, -1)
        for layer, (weight, bias) in enumerate(self.layers):
            torch.baddbmm(bias, hidden, weight, out=self.out[layer])
            for activation in self._activations[layer] if layer < len(self._activations) else ():
                activation.forward(self._mask(activation.run, layer))
            hidden = self.out[layer]
        return self.outputs

    def backward(self, x: Tensor) -> None:
        """Turn dLoss/dOutputs, lying in `outputs`, into the gradients of all parameters."""
        delta = self.outputs
        for layer in range(len(self.layers) - 1, -1, -1):
            below = self.out[layer - 1] if layer else x.expand(self.n_lanes, -1, -1)
            weight, bias = self._gradients[layer]
            torch.bmm(below.transpose(1, 2), delta, out=weight)
            torch.sum(delta, 1, out=bias)
            if layer:
                room = self._deltas[layer % 2][: below.numel()].view(below.shape)
                delta = torch.bmm(delta, self._transposed[layer], out=room)
                for activation in self._activations[layer - 1]:
                    activation.backward(delta, self._mask(activation.run, layer - 1))

    def _mask(self, run: Run, layer: int) -> Tensor | None:
        if run.dropped is None or self._masks is None:
            return None
        return self._masks.masks[layer][run.dropped, self._step]
