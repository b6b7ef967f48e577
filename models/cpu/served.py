"""What compiled kernels train, and by which code numbers. No numba: who only wants to know needs no compiler."""

from __future__ import annotations

from models.hyper import Hyperparameters
from models.hyper_training import OptimizerName
from models.layout import Layout

NAMES = ["identity", "relu", "leaky_relu", "tanh", "logistic", "elu", "selu", "silu", "gelu", "softplus", "mish"]
ACTIVATIONS = {name: code for code, name in enumerate(NAMES)}
OPTIMIZERS: dict[OptimizerName, int] = {"sgd": 0, "adagrad": 1, "rmsprop": 1, "adam": 2, "adamw": 2, "nadam": 3}


def serves(hyper: Hyperparameters, layout: Layout) -> bool:
    """Say whether there are kernels for all that a lane wants; where not, the stacked engine trains it."""
    return hyper.activation in ACTIVATIONS and hyper.optimizer in OPTIMIZERS and layout.embedding is None
