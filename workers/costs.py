"""What an epoch of a lane costs, estimated from shapes alone. No packs, no Ray."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from models.hyper import Hyperparameters
from models.lanes import PackData
from models.layout import BATCH_MULTIPLE, Layout, round_up

PackKey = tuple[int, ...]


class Prices(NamedTuple):
    """What a lane pays for, in seconds of one pack actor: one floating-point operation of its products; one row through
    one hidden unit; one parameter at one step; one row of the data; one epoch; and the launches of one step, which
    lanes of one pack key share where they are stacked.

    `python -m benchmarks.placement` measures them. Only their ratios matter, and those roughly.
    """

    flop: float
    unit: float
    weight: float
    row: float
    epoch: float
    launch: float = 0.0


ONE_BY_ONE = Prices(flop=5.2e-12, unit=0.45e-9, weight=0.33e-9, row=0.08e-6, epoch=50e-6)
"""For compiled kernels: measured, see docs/decisions/0006-sharing.md."""
STACKED = Prices(flop=0.1e-12, unit=0.01e-9, weight=0.01e-9, row=0.0, epoch=0.0, launch=250e-6)
"""For stacked lanes, as on a GPU: some thirty launches for each step, then 28 bytes of memory per parameter."""
LANE_FARE, PARAMETER_FARE = 2e-3, 50e-9
"""Seconds to move a lane between two pack actors on Ray: copies of its parameters, moments and best weights."""


def prices_for(numeric_class: str) -> Prices:
    """Tell by a seat's numeric class how it trains: the class names the kernels' compiler where there are kernels."""
    return ONE_BY_ONE if "/numba " in numeric_class else STACKED


@dataclass(frozen=True)
class JobShape:
    """What all lanes of a job share: rows of its two parts, widths of its two ends."""

    n_train: int
    n_valid: int
    n_inputs: int
    n_outputs: int

    @classmethod
    def of(cls, data: PackData) -> JobShape:
        n_judged = len(data.x_valid) + (len(data.stopping[0]) if data.stopping else 0)
        return cls(len(data.x_train), n_judged, data.x_train.shape[1], data.n_outputs)


@dataclass(frozen=True)
class LaneLoad:
    """What an epoch of a lane costs: `seconds` of its own, and `launches` that it shares with lanes of its pack key.
    `fare` is what it takes to move it to another seat."""

    pack_key: PackKey
    seconds: float
    launches: float = 0.0
    fare: float = 0.0

    @classmethod
    def of(cls, hyper: Hyperparameters, shape: JobShape, prices: Prices) -> LaneLoad:
        """Estimate from shapes alone."""
        layout = Layout.of(hyper, shape.n_inputs, shape.n_outputs)
        counts = count_work(hyper, shape)
        *own, launches = (price * count for price, count in zip(prices, counts, strict=True))
        key = min(hyper.batch_size, shape.n_train), *layout.pack_key
        return cls(key, sum(own), launches, LANE_FARE + PARAMETER_FARE * layout.size)


def count_work(hyper: Hyperparameters, shape: JobShape) -> tuple[float, ...]:
    """Count what an epoch of a lane pays for, in the order of `Prices`."""
    layout = Layout.of(hyper, shape.n_inputs, shape.n_outputs)
    widths = layout.padded
    products, hidden = [a * b for a, b in pairwise(widths)], sum(widths[1:-1])
    n_full, n_last = divmod(shape.n_train, hyper.batch_size)
    n_rows = n_full * round_up(hyper.batch_size, BATCH_MULTIPLE) + round_up(n_last, BATCH_MULTIPLE)
    n_steps = n_full + (n_last > 0)
    flops = n_rows * (6 * sum(products) - 2 * products[0]) + shape.n_valid * 2 * sum(products)
    units = (n_rows + shape.n_valid / 2) * hidden  # validation goes forward only
    if layout.norm_size:
        units *= 2  # normalisation reads and writes them as often as an activation does
    return flops, units, n_steps * sum(products), shape.n_train + shape.n_valid, 1, n_steps
