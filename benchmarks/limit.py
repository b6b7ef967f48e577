"""Training steps of packs against what the device can do: products of the same shapes, large products, memory.

    python -m benchmarks.limit [--device cuda] [--dtype float64] [--quick | --draw]

Needs torch, numpy and pydantic (for `models/hyper.py`) and nothing else. scikit-learn brings the digits of `one_pack`,
matplotlib the plot; without them these are left out, and `--draw` makes the plot later, anywhere.

A point is a pack of equal networks: Adam, ReLU, 64 inputs, 10 classes, random labels. Counted are the multiplications
and additions of the products: forward, weight gradient, and input gradient but for the first layer; of the widths as
given, whatever a pack pads them to. Timed are whole epochs of `Pack.train`: batches, losses, optimizer and the pass
over 16 validation rows included. Beside it, in turns, the same products alone: `torch.bmm` layer by layer, forward and
back, on as many threads; all lanes read the same rows, as in a pack. The fastest turn of each counts. The share of the
memory's rate is of the least that Adam has to move; on a CPU most of it stays in caches.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise, product
from typing import Any

import numpy as np
import torch

from benchmarks.one_pack import race_digits, start, train
from benchmarks.peaks import Machine, measure_peaks
from benchmarks.results import RESULTS, save_plot, spread, write_result
from models.capacity import bytes_available
from models.hyper import Hyperparameters
from models.lanes import PackData, PackSettings
from models.pack import Pack

INPUTS, CLASSES, VALIDATION_ROWS = 64, 10, 16
SETUPS = [(2, 32), (1, 128), (2, 128), (3, 128), (2, 1024)]
WIDTHS = [16, 32, 64, 128, 256, 512]
LANES = {"cpu": [1, 4, 16, 64, 256], "cuda": [1, 4, 16, 64, 256, 1024, 4096]}
FEWEST_STEPS, MOST_STEPS = 4, 32
TURN_SECONDS = 0.2  # of a turn at the rate of large products, if so many steps fit
POINT_SECONDS = 0.4  # of measured turns, at least two
MOST_MEMORY = 0.8  # of what is free
MOST_PARAMETERS = 2**29  # drawing more takes minutes
AIM = 0.6
SHARES = {
    "of_products": "of the same products alone",
    "of_arithmetic": "of the arithmetic peak",
    "of_memory": "of the memory's rate",
}


@dataclass(frozen=True)
class Shape:
    """K equal networks and their batch; `setup` is the number of hidden layers and the batch size."""

    setup: tuple[int, int]
    lanes: int
    width: int

    @property
    def batch(self) -> int:
        return self.setup[1]

    @property
    def widths(self) -> list[int]:
        """From inputs to outputs."""
        return [INPUTS, *[self.width] * self.setup[0], CLASSES]

    @property
    def n_parameters(self) -> int:
        """Of all lanes."""
        return self.lanes * sum(i * o + o for i, o in pairwise(self.widths))

    def operations(self) -> int:
        """Multiplications and additions of one step's products, all lanes."""
        products = [i * o for i, o in pairwise(self.widths)]
        return 2 * self.lanes * self.batch * (3 * sum(products) - products[0])

    def traffic(self, itemsize: int) -> int:
        """The least bytes that a step of Adam moves: each parameter, gradient and both moments read, parameter and
        moments written; each hidden output and its gradient written and read once."""
        hidden_outputs = self.lanes * self.batch * sum(self.widths[1:-1])
        return itemsize * (7 * self.n_parameters + 4 * hidden_outputs)

    def hyper(self) -> Hyperparameters:
        """Say it in the words of a pack."""
        return Hyperparameters(hidden_layers=self.setup[0], units=self.width, batch_size=self.batch)


class Products:
    """The products of one step and nothing else."""

    def __init__(self, shape: Shape, machine: Machine) -> None:
        k, b = shape.lanes, shape.batch
        shared = machine.rand(b, INPUTS).expand(k, -1, -1)
        self._outputs = [shared, *(machine.rand(k, b, width) for width in shape.widths[1:])]
        self._deltas = [machine.rand(k, b, width) for width in shape.widths[1:]]
        self._weights = [machine.rand(k, i, o).div_(i) for i, o in pairwise(shape.widths)]
        self._gradients = [torch.empty_like(weight) for weight in self._weights]

    @staticmethod
    def bytes_needed(shape: Shape, itemsize: int) -> int:
        """Count its buffers, from above."""
        numbers = 2 * shape.batch * sum(shape.widths) + 2 * sum(i * o for i, o in pairwise(shape.widths))
        return itemsize * shape.lanes * numbers

    def step(self) -> None:
        """Go forward and back once."""
        layers = list(zip(self._outputs, self._weights, self._gradients, self._deltas, strict=False))
        for (x, weight, _, _), out in zip(layers, self._outputs[1:], strict=True):
            torch.bmm(x, weight, out=out)
        for layer, (x, weight, gradient, delta) in reversed(list(enumerate(layers))):
            torch.bmm(x.transpose(1, 2), delta, out=gradient)
            if layer:
                torch.bmm(delta, weight.transpose(1, 2), out=self._deltas[layer - 1])

    def run(self, n_steps: int) -> None:
        """Make steps."""
        for _ in range(n_steps):
            self.step()


def noise(n_rows: int) -> PackData:
    """Draw rows with labels that nobody can learn: gradients stay alive however long a pack trains."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n_rows + VALIDATION_ROWS, INPUTS), dtype=np.float32)
    y = rng.integers(CLASSES, size=len(x))
    return PackData("multiclass", CLASSES, x[:n_rows], y[:n_rows], x[n_rows:], y[n_rows:])


def measure(shape: Shape, machine: Machine, peaks: dict[str, float]) -> dict[str, float] | None:
    """Measure one point; None if it takes too long or too much memory."""
    step_seconds = shape.operations() / peaks["large_product_gflops"] / 1e9
    n_steps = int(min(MOST_STEPS, max(FEWEST_STEPS, TURN_SECONDS / step_seconds)))
    hyper, itemsize = shape.hyper(), machine.dtype.itemsize
    if n_steps * step_seconds > 3 * TURN_SECONDS or shape.n_parameters > MOST_PARAMETERS:
        return None
    pack = Pack(noise(n_steps * shape.batch), PackSettings(0, ("log_loss",), False), machine.device, machine.dtype)
    needed = Products.bytes_needed(shape, itemsize) + shape.lanes * pack.bytes_needed(hyper)
    if needed > MOST_MEMORY * bytes_available(torch.device(machine.device)):
        return None
    products = Products(shape, machine)
    start(pack, [hyper] * shape.lanes)
    by_pack, by_products = turns(lambda: train(pack, shape.lanes), lambda: products.run(n_steps), machine)
    done, moved = (n_steps * amount / 1e9 for amount in (shape.operations(), shape.traffic(itemsize)))
    return {
        "hidden_layers": shape.setup[0],
        "batch": shape.batch,
        "lanes": shape.lanes,
        "width": shape.width,
        "steps": n_steps,
        "gflops": done / by_pack,
        "products_gflops": done / by_products,
        "of_products": by_products / by_pack,
        "of_arithmetic": done / by_pack / peaks["arithmetic_gflops"],
        "of_memory": moved / by_pack / peaks["memory_gb_per_second"],
    }


def turns(first: Callable[[], object], second: Callable[[], object], machine: Machine) -> tuple[float, float]:
    """Time two calls in turns after a turn to warm up; the fastest of each, in seconds."""
    first()
    second()
    times: list[tuple[float, float]] = []
    begun = time.perf_counter()
    while len(times) < 2 or time.perf_counter() - begun < POINT_SECONDS:
        times.append((machine.time(first), machine.time(second)))
    return min(pair[0] for pair in times), min(pair[1] for pair in times)


def summarise(points: Iterable[dict[str, float]]) -> dict[str, Any]:
    """Look at what the aim speaks of: 64 lanes and more, width 64 and more."""
    aimed = [point for point in points if point["lanes"] >= 64 and point["width"] >= 64]
    return {name: _spread([point[name] for point in aimed]) for name in SHARES}


def _spread(shares: Sequence[float]) -> dict[str, float]:
    found = spread(shares)
    del found["runs"]
    return {**found, "points": len(shares), f"points_at_{AIM}": sum(share >= AIM for share in shares)}


def to_lines(points: Sequence[dict[str, float]]) -> list[str]:
    """Write points as CSV: a line each keeps the results readable."""
    return [",".join(points[0]), *(",".join(f"{value:.4g}" for value in point.values()) for point in points)]


def plot(name: str, figures: dict[str, Any]) -> None:
    """Draw the shares over the width, a line for each number of lanes."""
    from matplotlib import pyplot

    points = [{key: float(text) for key, text in row.items()} for row in csv.DictReader(figures["points"])]
    rows = ["of_products", "of_arithmetic" if figures["device"] == "cpu" else "of_memory"]
    size = (13, 0.6 + 2.6 * len(rows))
    figure, grid = pyplot.subplots(
        len(rows), len(SETUPS), figsize=size, sharex=True, sharey="row", squeeze=False, layout="constrained"
    )
    for (row, share), (column, (depth, batch)) in product(enumerate(rows), enumerate(SETUPS)):
        axes = grid[row, column]
        for lanes in sorted({point["lanes"] for point in points}):
            line = [p for p in points if (p["lanes"], p["hidden_layers"], p["batch"]) == (lanes, depth, batch)]
            axes.plot([p["width"] for p in line], [p[share] for p in line], label=f"K = {lanes:.0f}")
        axes.axhline(AIM, color="grey", lw=0.8, ls="--")
        axes.set(xscale="log", title=f"{depth} hidden, batch {batch}")
        axes.set_xticks(WIDTHS, [str(width) for width in WIDTHS])
        axes.minorticks_off()
    for row, share in enumerate(rows):
        grid[row, 0].set(ylabel=SHARES[share], ylim=(0, None))
    figure.supxlabel("width")
    grid[0, -1].legend(fontsize="small")
    save_plot(name, figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=list(LANES), default="cpu")
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--threads", type=int, default=1, help="of torch; a pack actor has one")
    parser.add_argument("--quick", action="store_true", help="a few points, printed only")
    parser.add_argument("--draw", action="store_true", help="only draw what was measured before")
    given = parser.parse_args()
    name = "limit" if given.device == "cpu" else f"limit_{given.device}"
    if given.draw:
        plot(name, json.loads((RESULTS / f"{name}.json").read_text())["figures"])
        return
    torch.set_num_threads(given.threads)
    machine = Machine(given.device, getattr(torch, given.dtype))
    peaks = measure_peaks(machine)
    every = 11 if given.quick else 1
    shapes = [Shape(*sizes) for sizes in product(SETUPS, LANES[given.device], WIDTHS)][::every]
    points = [point for shape in shapes if (point := measure(shape, machine, peaks))]
    figures = {
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "dtype": given.dtype,
        "threads": given.threads,
        "matmul_precision": torch.get_float32_matmul_precision(),
        **peaks,
        "from_64_lanes_and_width_64": summarise(points),
        "digits_in_one_pack": race_digits(machine, *((32, 1) if given.quick else (256, 3))),
        "shapes_too_large": len(shapes) - len(points),
        "points": to_lines(points),
    }
    if given.quick:
        print(json.dumps(figures, indent=1))
    else:
        write_result(name, figures)
        if find_spec("matplotlib"):
            plot(name, figures)


if __name__ == "__main__":
    main()
