"""Measure which calls give a lane other bits when the number of lanes, its place or its neighbours change.

Run: python -m benchmarks.bits   (from the repository; docs/decisions/0002-padding.md says what it is for)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from models.layout import BATCH_MULTIPLE, WIDTH_MULTIPLE, round_up
from models.losses import LossBuffers, softmax_cross_entropy
from models.ops import OPS

SHAPES = [(7, 5, 9, 1), (20, 8, 33, 1), (30, 13, 10, 3), (32, 64, 32, 10), (50, 30, 75, 4), (64, 99, 65, 2)]
LANE_COUNTS = [1, 2, 3, 5, 8, 13]
Call = Callable[[Tensor, Tensor, Tensor], Tensor]


def _activation(name: str) -> Call:
    def call(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        kept = bias.expand(-1, x.shape[1], -1) + x[:, :, :1]
        out, delta = kept.clone(), kept.flip(2).clone()
        OPS[name].apply(out)
        OPS[name].pull_back(delta, kept if OPS[name].reads == "input" else out)
        return out + delta

    return call


def _softmax(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    outputs = bias.expand(-1, x.shape[1], -1) + x[:, :, :1]
    buffers = LossBuffers(outputs, max(1, outputs.shape[2] - 1), [0.0] * len(outputs))
    ones = torch.ones_like(outputs[0])
    softmax_cross_entropy(buffers, ones, ones, 1.0)
    return outputs + buffers.total


CALLS: dict[str, Call] = {
    "product with bias": lambda x, weight, bias: torch.baddbmm(bias, x, weight),
    "weight gradient": lambda x, weight, bias: torch.bmm(x.transpose(1, 2), torch.baddbmm(bias, x, weight)),
    "input gradient": lambda x, weight, bias: torch.bmm(torch.baddbmm(bias, x, weight), weight.transpose(1, 2)),
    "sum over rows": lambda x, weight, bias: x.sum(1),
    "softmax and loss": _softmax,
    **{f"{name} and its gradient": _activation(name) for name in OPS},
}


def _cases(padded: bool) -> Iterator[tuple[int, int, int, torch.dtype]]:
    """Rows, inputs, outputs: each shape once with its hidden width as outputs, once with its own."""
    for (b, i, h, o), dtype in itertools.product(SHAPES, (torch.float32, torch.float64)):
        for n_in, n_out in ((i, h), (h, o)):
            sizes = (round_up(b, BATCH_MULTIPLE), round_up(n_in, WIDTH_MULTIPLE), round_up(n_out, WIDTH_MULTIPLE))
            yield (*(sizes if padded else (b, n_in, n_out)), dtype)


def _in_rows(weights: Tensor) -> Tensor:
    """Lay weights out as packs do: strided views of one flat row per lane."""
    k, i, o = weights.shape
    return torch.cat([weights.reshape(k, -1), weights.new_zeros(k, o)], 1)[:, : i * o].view(k, i, o)


def count_differences(call: Call, padded: bool) -> tuple[int, int]:
    """Compare lane for lane with the call on that lane alone; return differing and all comparisons."""
    n_different = n_all = 0
    generator = torch.Generator().manual_seed(0)
    for b, n_in, n_out, dtype in _cases(padded):
        x, weight, bias = (
            torch.randn(max(LANE_COUNTS), *shape, generator=generator, dtype=dtype)
            for shape in ((b, n_in), (n_in, n_out), (1, n_out))
        )
        alone = [call(x[k : k + 1], _in_rows(weight[k : k + 1]), bias[k : k + 1])[0] for k in range(len(x))]
        for n_lanes in LANE_COUNTS:
            order = torch.randperm(len(x), generator=generator)[:n_lanes]
            together = call(x[order], _in_rows(weight[order]), bias[order])
            n_different += sum(not torch.equal(together[at], alone[k]) for at, k in enumerate(order.tolist()))
            n_all += n_lanes
    return n_different, n_all


def main() -> None:
    print(f"{'call':28} {'unpadded':>18} {'padded':>18}   lanes whose bits differ from being alone, of all")
    for name, call in CALLS.items():
        columns = []
        for padded in (False, True):
            counts = []
            for n_threads in (1, 2):
                torch.set_num_threads(n_threads)
                counts.append(count_differences(call, padded))
            columns.append(f"{sum(c[0] for c in counts)} / {sum(c[1] for c in counts)}")
        print(f"{name:28} {columns[0]:>18} {columns[1]:>18}")


if __name__ == "__main__":
    main()
