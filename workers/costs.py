"""What an epoch of a lane costs, estimated from shapes alone. No packs, no Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from models.batches import VALIDATION_ROWS, rows_at_once
from models.cpu.served import serves
from models.hyper import Hyperparameters, LaneHyperparameters
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import ViewShape
from models.layout import BATCH_MULTIPLE, Layout, round_up, round_up_width

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
STACKED_ON_CPU = Prices(flop=12e-12, unit=1e-9, weight=1e-9, row=0.08e-6, epoch=50e-6, launch=120e-6)
"""For stacked lanes on a CPU, not measured: torch's products as in docs/decisions/0007-cpu-kernels.md, some thirty
launches of 4 us for each step, and lanes that leave the processor's cache."""
DRAWING = 6.6e-9
"""Seconds to draw a normal number and add it to a weight: on a CPU, whatever device scores the network."""
LANE_FARE, PARAMETER_FARE = 2e-3, 50e-9
"""Seconds to move a lane between two pack actors on Ray: copies of its parameters, moments and best weights."""


class Tariff(NamedTuple):
    """The prices of a kind of seat: for lanes that kernels serve, and for those that are stacked."""

    served: Prices
    stacked: Prices

    def prices(self, hyper: Hyperparameters, layout: Layout) -> Prices:
        """Choose by the rule by which a pack chooses its engine."""
        return self.served if serves(hyper, layout) else self.stacked


WITH_KERNELS = Tariff(ONE_BY_ONE, STACKED_ON_CPU)
WITHOUT_KERNELS = Tariff(STACKED, STACKED)


def tariff_for(numeric_class: str) -> Tariff:
    """Tell by a seat's numeric class how it trains: the class names the kernels' compiler where there are kernels."""
    return WITH_KERNELS if "/numba " in numeric_class else WITHOUT_KERNELS


@dataclass(frozen=True)
class LaneLoad:
    """What an epoch of a lane costs: `seconds` of its own, and `launches` that it shares with lanes of its pack key, 0
    where kernels train it or it is a population. `fare` is what it takes to move it to another seat."""

    pack_key: PackKey
    seconds: float
    launches: float = 0.0
    fare: float = 0.0

    @classmethod
    def of(cls, hyper: LaneHyperparameters, shape: ViewShape, tariff: Tariff) -> LaneLoad:
        """Estimate from shapes alone. A population is stacked by itself and moves as its genomes."""
        layout = Layout.of_view(hyper, shape)
        if isinstance(hyper, NeuroevolutionHyperparameters):
            seconds = sum(_pay(tariff.stacked, count_generation(hyper, shape)))
            return cls(layout.pack_key, seconds + DRAWING * hyper.population_size * layout.size, 0.0, LANE_FARE)
        if not isinstance(hyper, Hyperparameters):
            raise TypeError(f"no lane is trained by {type(hyper).__name__}")
        prices = tariff.prices(hyper, layout)
        *own, launches = _pay(prices, count_work(hyper, shape))
        key = prices.launch > 0, min(hyper.batch_size, shape.n_train), *layout.pack_key
        return cls(key, sum(own), launches, LANE_FARE + PARAMETER_FARE * layout.size)


def _pay(prices: Prices, counts: Sequence[float]) -> list[float]:
    return [price * count for price, count in zip(prices, counts, strict=True)]


def count_generation(hyper: NeuroevolutionHyperparameters, shape: ViewShape) -> tuple[float, ...]:
    """Count what a generation pays for, in the order of `Prices`; its networks share their launches."""
    layout, n_scored = Layout.of_view(hyper, shape), hyper.n_scored(shape.n_train)
    size = max(1, rows_at_once(hyper.population_size, n_scored))
    n_rows = hyper.population_size * round_up(n_scored, size) + shape.n_valid
    units = n_rows / 2 * sum(layout.padded[1:-1])  # forward only
    if layout.norm_size:
        units *= 2
    n_steps = n_scored / size + shape.n_valid / VALIDATION_ROWS
    return n_rows * 2 * sum(_products(layout, shape)), units, 0, n_scored + shape.n_valid, 1, n_steps


def count_work(hyper: Hyperparameters, shape: ViewShape) -> tuple[float, ...]:
    """Count what an epoch of a lane pays for, in the order of `Prices`."""
    layout = Layout.of_view(hyper, shape)
    products, hidden = _products(layout, shape), sum(layout.padded[1:-1])
    n_full, n_last = divmod(shape.n_train, hyper.batch_size)
    n_rows = n_full * round_up(hyper.batch_size, BATCH_MULTIPLE) + round_up(n_last, BATCH_MULTIPLE)
    n_steps = n_full + (n_last > 0)
    flops = n_rows * (6 * sum(products) - 2 * products[0]) + shape.n_valid * 2 * sum(products)
    units = (n_rows + shape.n_valid / 2) * hidden  # validation goes forward only
    if layout.norm_size:
        units *= 2  # normalisation reads and writes them as often as an activation does
    return flops, units, n_steps * sum(products), shape.n_train + shape.n_valid, 1, n_steps


def _products(layout: Layout, shape: ViewShape) -> list[int]:
    """Count the weights that a row meets: those of an embedding's matrix, then those of every layer."""
    embedded = [round_up_width(shape.n_inputs) * layout.padded[0]] if layout.embedding else []
    return embedded + [a * b for a, b in pairwise(layout.padded)]
