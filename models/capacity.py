"""How much memory a lane and the rows that it sees need and how much the device has. No placement."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from models.batches import VALIDATION_ROWS, rows_at_once
from models.dropout import steps_per_chunk
from models.hyper import Hyperparameters, LaneHyperparameters
from models.hyper_evolution import NeuroevolutionHyperparameters
from models.lanes import ViewShape
from models.layout import BATCH_MULTIPLE, Layout, round_up, round_up_width

ROWS_PER_LANE = 10  # parameters, gradients, two moments, best; three copies to undo an epoch; scratch of two kinds


class OutOfDeviceMemory(MemoryError):
    """A lane or a group of lanes needs more memory than the device has left."""


def bytes_needed(hyper: LaneHyperparameters, layout: Layout, n_rows: tuple[int, int], itemsize: int) -> int:
    """Estimate the bytes that one lane takes while it trains, from above; n_rows are for training and validation."""
    if isinstance(hyper, Hyperparameters):
        return _bytes_of_gradients(hyper, layout, n_rows, itemsize)
    if isinstance(hyper, NeuroevolutionHyperparameters):
        return _bytes_of_population(hyper, layout, n_rows, itemsize)
    raise TypeError(f"no lane is trained by {type(hyper).__name__}")


def _bytes_of_population(
    hyper: NeuroevolutionHyperparameters, layout: Layout, n_rows: tuple[int, int], itemsize: int
) -> int:
    """Networks bred, padded and on the device; what lies between their layers, a loss's buffers; the fittest alone."""
    n_networks = hyper.population_size
    passing = sum(layout.padded) + 10 * layout.padded[-1]
    if layout.norm_size:
        passing += 3 * max(layout.padded[1:-1])
    if layout.embedding:
        passing += round_up_width(layout.embedding.n_inputs)
    at_once = n_networks * rows_at_once(n_networks, hyper.n_scored(n_rows[0])) * passing
    alone = VALIDATION_ROWS * passing + round_up(n_rows[1], VALIDATION_ROWS) * layout.padded[-1]
    matrices = round_up_width(layout.embedding.n_inputs) * layout.padded[0] if layout.embedding else 0
    networks = n_networks * (4 * 4 * layout.size + itemsize * (layout.size + matrices))
    metrics = 5 * 8 * n_rows[1] * max(2, layout.widths[-1])
    return networks + itemsize * (at_once + alone) + metrics


def _bytes_of_gradients(hyper: Hyperparameters, layout: Layout, n_rows: tuple[int, int], itemsize: int) -> int:
    hidden = layout.padded[1:-1]
    batch_rows = round_up(min(hyper.batch_size, n_rows[0]), BATCH_MULTIPLE)
    activations = batch_rows * (2 * sum(hidden) + 2 * max(hidden, default=0) + 10 * layout.padded[-1])
    if layout.embedding:  # two matrices and a gradient, embedded batches
        rows = 3 * round_up_width(layout.embedding.n_inputs) + 3 * batch_rows + VALIDATION_ROWS
        activations += rows * layout.padded[0]
    masks = steps_per_chunk(batch_rows, hidden) * batch_rows * sum(hidden) if hyper.dropout else 0
    validation = VALIDATION_ROWS * sum(layout.padded[1:]) + round_up(n_rows[1], VALIDATION_ROWS) * layout.padded[-1]
    if layout.norm_size:
        passing = 3 * batch_rows + 2 * VALIDATION_ROWS  # what a step, and an answer, makes and forgets
        activations += batch_rows * sum(hidden) + passing * max(hidden) + len(hidden) * max(batch_rows, *hidden)
    metrics = 5 * 8 * n_rows[1] * max(2, layout.widths[-1])  # in float64, whatever the pack computes in
    rows = ROWS_PER_LANE * (layout.size + layout.running_size)
    return itemsize * (rows + activations + masks + validation) + metrics


def bytes_of_rows(hyper: LaneHyperparameters, shape: ViewShape, itemsize: int) -> int:
    """Estimate the bytes that the rows of a view take on the device, from above: all of them, one epoch's batches of
    those that train, and the truth that judges the others."""
    n_read, batch_size = _batches_of_epoch(hyper, shape.n_train)
    n_batched = -(-n_read // batch_size) * round_up(batch_size, BATCH_MULTIPLE)
    n_inputs, n_outputs = round_up_width(shape.n_inputs), round_up_width(shape.n_outputs)
    training = (shape.n_train + 1 + n_batched) * (n_inputs + n_outputs) + n_batched * n_outputs
    judged = round_up(shape.n_valid, VALIDATION_ROWS) * n_inputs
    return itemsize * (training + judged) + 8 * shape.n_valid * shape.n_outputs


def _batches_of_epoch(hyper: LaneHyperparameters, n_train: int) -> tuple[int, int]:
    """Count the rows that an epoch reads and those of one batch."""
    if isinstance(hyper, Hyperparameters):
        return n_train, min(hyper.batch_size, n_train)
    if isinstance(hyper, NeuroevolutionHyperparameters):
        n_scored = hyper.n_scored(n_train)
        return n_scored, rows_at_once(hyper.population_size, n_scored)
    raise TypeError(f"no lane is trained by {type(hyper).__name__}")


def bytes_available(device: torch.device) -> int:
    """Return the bytes that can still be allocated on the device."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return min(_machine_bytes(), _container_bytes())


def _machine_bytes() -> int:
    """Memory that Linux can free for us; where it does not say, pages that are free as they are."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _container_bytes() -> int:
    """What a cgroup v2 limit leaves, page cache counted as free; without a limit, no bound."""
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (group / "memory.max").read_text().strip(), int((group / "memory.current").read_text())
        cache = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except OSError:
        return 2**63
    return 2**63 if limit == "max" else int(limit) - used + int(cache.get("inactive_file", 0))


def check_capacity(needed: int, available: int, what: str) -> None:
    """Refuse politely what would wake the out-of-memory killer.

    Raises: OutOfDeviceMemory, with both figures.
    """
    if needed > available:
        raise OutOfDeviceMemory(
            f"{what} needs {needed / 2**20:,.0f} MiB, the device has {available / 2**20:,.0f} MiB left"
        )
