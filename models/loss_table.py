"""Which losses there are, for which tasks, and the one number that each has: read by both engines and by job specs.

`models/losses.py` and `models/cpu/losses.py` compute them. No torch, no arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from models.hyper import LaneHyperparameters, LossName
from models.lanes import Task

Form = str
"""What an engine computes: one function each in `models/losses.py` and `models/cpu/losses.py`."""


@dataclass(frozen=True)
class Loss:
    """One loss. `forms` say for each of its tasks what is computed, `coefficient` gives the number that it takes.
    `gives_probabilities`: what a network learns by it can be read as probabilities, not as decisions alone."""

    about: str
    forms: dict[Task, Form]
    coefficient: Callable[[LaneHyperparameters], float] = lambda _: 0.0
    gives_probabilities: bool = True


def _of_regression(form: Form) -> dict[Task, Form]:
    return {"regression": form}


def _by_class(logistic: Form, softmax: Form) -> dict[Task, Form]:
    return {"binary": logistic, "multilabel": logistic, "multiclass": softmax}


LOSSES: dict[LossName, Loss] = {
    "squared_error": Loss("Mean squared error.", _of_regression("squared_error")),
    "absolute_error": Loss("Mean absolute error: outliers pull less.", _of_regression("absolute_error")),
    "huber": Loss("Squared up to huber_delta, linear beyond.", _of_regression("huber"), lambda h: h.huber_delta),
    "log_cosh": Loss("log(cosh(error)): a smooth huber.", _of_regression("log_cosh")),
    "quantile": Loss("Learns a quantile instead of the mean.", _of_regression("quantile"), lambda h: h.quantile),
    "cross_entropy": Loss(
        "Negative log-likelihood of the true class.",
        _by_class("logistic_cross_entropy", "softmax_cross_entropy"),
        lambda h: h.label_smoothing,
    ),
    "focal": Loss(
        "Cross-entropy in which rows that are predicted well count less.",
        _by_class("logistic_focal", "softmax_focal"),
        lambda h: h.focal_gamma,
    ),
    "hinge": Loss(
        "Margin of a support vector machine, one class against the rest.",
        _by_class("margin", "margin"),
        lambda _: 1.0,
        gives_probabilities=False,
    ),
    "perceptron": Loss(
        "Rosenblatt's rule: only rows that are predicted wrongly count, one class against the rest.",
        _by_class("margin", "margin"),
        gives_probabilities=False,
    ),
}


def loss_name(name: LossName, task: Task) -> LossName:
    """Say which loss `auto` is."""
    if name != "auto":
        return name
    return "squared_error" if task == "regression" else "cross_entropy"


def find_loss(hyper: LaneHyperparameters, task: Task) -> Loss:
    """Find the loss of a lane, which is one for its task."""
    return LOSSES[loss_name(hyper.loss, task)]


def losses_for(task: Task) -> list[LossName]:
    """Name the losses of a task."""
    return [name for name, loss in LOSSES.items() if task in loss.forms]


def gives_probabilities(name: LossName) -> bool:
    """Tell whether a network that learns by this loss can say how probable its answers are."""
    return name == "auto" or LOSSES[name].gives_probabilities


def run_key(hyper: LaneHyperparameters, task: Task) -> tuple[Form, bool]:
    """Lanes whose loss one call may compute: what some of them do not do must not touch the others' bits."""
    loss = find_loss(hyper, task)
    return loss.forms[task], loss.coefficient(hyper) > 0


def contradiction(name: str, value: Any, task: Task) -> str | None:
    """Say why a value of a hyperparameter makes no sense for a task; None where it does."""
    is_regression = task == "regression"
    if name == "loss" and value != "auto" and task not in LOSSES[value].forms:
        return f"the loss {value} is not for {task}; allowed: {', '.join(['auto', *losses_for(task)])}"
    if name == "output_activation" and value != "none" and not is_regression:
        return f"the output activation {value} is for regression; {task} has its own, allowed: none"
    if name == "class_weight" and value != "none" and is_regression:
        return f"{value} weighs classes and regression has none; allowed: none"
    if name == "label_smoothing" and value > 0 and is_regression:
        return "it smooths classes and regression has none; allowed: 0"
    return None


def check_fits(hyper: LaneHyperparameters, task: Task) -> None:
    """Check what depends on the task.

    Raises: ValueError.
    """
    for name, value in hyper:
        reason = contradiction(name, value, task)
        if reason is not None:
            raise ValueError(f"{name}: {reason}")
