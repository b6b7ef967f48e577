"""Optimizers over flat rows, every coefficient per lane and step. No layers.

All of them are one update with other coefficients (`Coefficients`), which both engines read from one table:

    g += l1 sign(p);  g *= min(1, clip / |g|);  g += decay p  or  p *= shrink
    m = keep_first m + add_first g;   v = keep_second v + add_second g g
    p -= (of_first m + of_gradient g) / (sqrt(v) + epsilon)        without v: / 1

Source: torch.optim.SGD, Adagrad, RMSprop, Adam, AdamW and NAdam; torch.nn.utils.clip_grad_norm_. Weight decay is on all
parameters, decoupled for adamw and an L2 penalty else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from models.hyper import Hyperparameters
from models.hyper_training import OptimizerName
from models.schedules import Course, Floats, course

MOMENTUM_DECAY = 4e-3
"""Of nadam. Source: Dozat 2016, as torch has it."""
TINY = float(np.finfo(np.float32).tiny)  # an epsilon of 0 would make 0 / 0 of padded parameters
NORM_FLOOR = 1e-6


Factor = Any
"""A number, or one for each step; in a loop over stacked lanes a tensor [k, 1]."""


class Coefficients(NamedTuple):
    """What a step multiplies by.

    Shapes: a table of them is [S, fields].
    """

    keep_first: Factor = 0.0
    add_first: Factor = 0.0
    keep_second: Factor = 0.0
    add_second: Factor = 0.0
    of_first: Factor = 0.0
    of_gradient: Factor = 0.0
    epsilon: Factor = 0.0
    decay: Factor = 0.0
    shrink: Factor = 1.0
    l1: Factor = 0.0
    clip: Factor = 0.0


class Rule(NamedTuple):
    """One optimizer: the rows of state it keeps, and its coefficients at steps `times` (counted from 1)."""

    state: tuple[str, ...]
    coefficients: Callable[[Hyperparameters, Floats, Course], Coefficients]


def _sgd(hyper: Hyperparameters, times: Floats, course: Course) -> Coefficients:
    given = Coefficients(keep_first=course.momentum, add_first=1.0)
    if hyper.nesterov:
        return given._replace(of_first=course.rate * course.momentum, of_gradient=course.rate)
    return given._replace(of_first=course.rate)


def _adagrad(hyper: Hyperparameters, times: Floats, course: Course) -> Coefficients:
    return Coefficients(keep_second=1.0, add_second=1.0, of_gradient=course.rate, epsilon=max(hyper.epsilon, TINY))


def _rmsprop(hyper: Hyperparameters, times: Floats, course: Course) -> Coefficients:
    return Coefficients(
        keep_second=hyper.beta2,
        add_second=1 - hyper.beta2,
        of_gradient=course.rate,
        epsilon=max(hyper.epsilon, TINY),
    )


def _adam(hyper: Hyperparameters, times: Floats, course: Course) -> Coefficients:
    """With corrections c1, c2: lr / c1 m / (sqrt(v / c2) + eps) = lr sqrt(c2) / c1 m / (sqrt(v) + eps sqrt(c2))."""
    root = np.sqrt(1 - hyper.beta2**times)
    return Coefficients(
        keep_first=course.momentum,
        add_first=1 - course.momentum,
        keep_second=hyper.beta2,
        add_second=1 - hyper.beta2,
        of_first=course.rate * root / (1 - course.momentum**times),
        epsilon=np.maximum(hyper.epsilon * root, TINY),
    )


def _nadam(hyper: Hyperparameters, times: Floats, course: Course) -> Coefficients:
    """Source: torch.optim.NAdam; the product over all momenta is made anew from the first step on."""
    every = np.arange(1, times[-1] + 2)
    momenta = hyper.beta1 * (1 - 0.5 * 0.96 ** (every * MOMENTUM_DECAY))
    products = np.cumprod(momenta)
    now = times.astype(np.int64) - 1
    root = np.sqrt(1 - hyper.beta2**times)
    return Coefficients(
        keep_first=hyper.beta1,
        add_first=1 - hyper.beta1,
        keep_second=hyper.beta2,
        add_second=1 - hyper.beta2,
        of_first=course.rate * root * momenta[now + 1] / (1 - products[now + 1]),
        of_gradient=course.rate * root * (1 - momenta[now]) / (1 - products[now]),
        epsilon=np.maximum(hyper.epsilon * root, TINY),
    )


FIRST, SECOND = "first_moment", "second_moment"
RULES: dict[OptimizerName, Rule] = {
    "sgd": Rule((FIRST,), _sgd),
    "adagrad": Rule((SECOND,), _adagrad),
    "rmsprop": Rule((SECOND,), _rmsprop),
    "adam": Rule((FIRST, SECOND), _adam),
    "adamw": Rule((FIRST, SECOND), _adam),
    "nadam": Rule((FIRST, SECOND), _nadam),
}


def tabulate(hyper: Hyperparameters, n_taken: int, n_steps: int, batch_size: int) -> Floats:
    """Tabulate the coefficients of a lane's next epoch, in float64. Small lanes feel every microsecond of it.

    Shapes: [n_steps, fields of Coefficients].
    """
    times = n_taken + np.arange(1, n_steps + 1, dtype=np.float64)
    goes = course(hyper, hyper.rate(batch_size), n_taken, n_steps, n_steps)
    given = RULES[hyper.optimizer].coefficients(hyper, times, goes)
    decoupled = hyper.optimizer == "adamw"
    given = given._replace(
        decay=0.0 if decoupled else hyper.weight_decay,
        shrink=1 - goes.rate * hyper.weight_decay if decoupled else 1.0,
        l1=hyper.l1,
        clip=hyper.gradient_clip,
    )
    table = np.empty((n_steps, len(given)))
    for place, column in enumerate(given):
        table[:, place] = column
    return table


@dataclass(frozen=True)
class OptimizerRows:
    """What one optimizer works on: rows [k, P] of its lanes. `gradients` is free to be overwritten; a moment that the
    lanes do not keep is None."""

    parameters: Tensor
    gradients: Tensor
    first_moment: Tensor | None
    second_moment: Tensor | None


def run_key(hyper: Hyperparameters) -> tuple[str, bool, bool, bool, bool]:
    """Lanes that one optimizer may serve: what some of them do not do must not touch the others' bits."""
    return hyper.optimizer, hyper.nesterov, hyper.weight_decay > 0, hyper.l1 > 0, hyper.gradient_clip > 0


class Optimizer:
    """The update of lanes that share a `run_key`."""

    def __init__(self, lanes: Sequence[Hyperparameters], rows: OptimizerRows) -> None:
        self._lanes, self._rows = lanes, rows
        name, nesterov, self._decays, self._has_l1, self._clips = run_key(lanes[0])
        self._adds_gradient = name not in ("sgd", "adam", "adamw") or nesterov
        self._scratch = torch.empty_like(rows.gradients)

    def begin_epoch(self, n_taken: Sequence[int], n_steps: int, batch_size: int) -> None:
        """Prepare the next n_steps of lanes that have taken n_taken before: no loop over lanes within the steps."""
        pairs = zip(self._lanes, n_taken, strict=True)
        tables = [tabulate(hyper, taken, n_steps, batch_size) for hyper, taken in pairs]
        table = torch.from_numpy(np.stack(tables, axis=2)).to(self._rows.parameters)  # [S, fields, k]
        self._table = [Coefficients(*step.unsqueeze(2).unbind()) for step in table.unbind()]

    def step(self, step: int) -> None:
        """Update the parameters from the gradients; `step` counts from 0 within the epoch."""
        at, rows = self._table[step], self._rows
        self._regularise(at)
        gradient, direction = rows.gradients, rows.gradients
        if rows.second_moment is not None:
            torch.mul(gradient, gradient, out=self._scratch)
            rows.second_moment.mul_(at.keep_second).addcmul_(self._scratch, at.add_second)
        if rows.first_moment is not None:
            rows.first_moment.mul_(at.keep_first).addcmul_(gradient, at.add_first)
            if self._adds_gradient:
                direction = gradient.mul_(at.of_gradient).addcmul_(rows.first_moment, at.of_first)
            else:
                direction = torch.mul(rows.first_moment, at.of_first, out=gradient)
        else:
            direction = gradient.mul_(at.of_gradient)
        if rows.second_moment is not None:
            direction.div_(torch.sqrt(rows.second_moment, out=self._scratch).add_(at.epsilon))
        rows.parameters.sub_(direction)

    def _regularise(self, at: Coefficients) -> None:
        rows, gradient = self._rows, self._rows.gradients
        if self._has_l1:
            gradient.addcmul_(torch.sign(rows.parameters, out=self._scratch), at.l1)
        if self._clips:
            squares = torch.mul(gradient, gradient, out=self._scratch)
            norm = squares.view(len(squares), -1, 16).sum(1).sum(1, keepdim=True).sqrt_()  # as `answers.sum_rows`
            gradient.mul_((at.clip / norm.add_(NORM_FLOOR)).clamp_(max=1.0))
        if self._decays and self._lanes[0].optimizer == "adamw":
            rows.parameters.mul_(at.shrink)
        elif self._decays:
            gradient.addcmul_(rows.parameters, at.decay)
