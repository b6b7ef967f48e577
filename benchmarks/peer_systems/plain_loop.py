"""The torch training loop that Optuna's and Ray Tune's users write. No search."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchmarks.peer_systems.task import CLASSES, EPOCHS, Point, Rows, Score, score


class Tensors(NamedTuple):
    """Rows as tensors, made once per process."""

    x_train: Tensor
    y_train: Tensor
    x_valid: Tensor
    rows: Rows

    @classmethod
    def of(cls, rows: Rows) -> Tensors:
        """Copy: Ray hands out arrays that cannot be written."""
        return cls(torch.tensor(rows.x_train), torch.tensor(rows.y_train), torch.tensor(rows.x_valid), rows)


def build(point: Point, n_inputs: int) -> nn.Sequential:
    """Build the network with Regatta's initialisation: He for hidden layers, Glorot for the last, biases zero."""
    widths = [n_inputs, *[point["units"]] * point["hidden_layers"], CLASSES]
    modules: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        linear = nn.Linear(n_in, n_out)
        nn.init.kaiming_uniform_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        modules += [linear, nn.ReLU()]
    nn.init.xavier_uniform_(modules[-2].weight)  # type: ignore[arg-type]
    return nn.Sequential(*modules[:-1])


def train(point: Point, data: Tensors, seed: int, fused: bool = False) -> Iterator[nn.Sequential]:
    """Train with Adam; yield the network after each epoch. `fused` is torch's Adam in one kernel, which few ask for."""
    torch.manual_seed(seed)
    model = build(point, data.x_train.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=point["learning_rate"], fused=fused or None)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(data.x_train)).split(point["batch_size"]):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(data.x_train[batch]), data.y_train[batch])
            loss.backward()
            optimizer.step()
        yield model


def train_to_the_end(point: Point, data: Tensors, seed: int, fused: bool = False) -> Score:
    """Train all epochs and score once."""
    for model in train(point, data, seed, fused):
        trained = model
    return validate(trained, data)


def validate(model: nn.Sequential, data: Tensors) -> Score:
    """Score on the validation rows."""
    with torch.no_grad():
        return score(model(data.x_valid).softmax(1).numpy(), data.rows.y_valid)


def set_best_thread_count(work: Callable[[], object]) -> int:
    """Set and return the number of threads, 1 or all, with which `work` is faster."""
    seconds = {}
    for n_threads in (torch.get_num_threads(), 1):
        torch.set_num_threads(n_threads)
        work()
        begun = time.perf_counter()
        work()
        seconds[n_threads] = time.perf_counter() - begun
    best = min(seconds, key=lambda n_threads: seconds[n_threads])
    torch.set_num_threads(best)
    return best
