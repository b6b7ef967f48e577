"""Search spaces to start from: one entry each. Merged by whole parameter, what the user names wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.space import Space


@dataclass(frozen=True)
class Preset:
    """A space with what it fixes, for one trainer; `about` is the line that the catalog shows."""

    name: str
    about: str
    fixed: dict[str, Any]
    space: Space
    trainer: str = "mlp"


def _preset(name: str, about: str, fixed: dict[str, Any], space: dict[str, Any], trainer: str = "mlp") -> Preset:
    return Preset(name, about, fixed, Space.model_validate(space), trainer)


def _log(low: float, high: float, default: float) -> dict[str, Any]:
    return {"type": "float", "low": low, "high": high, "log": True, "default": default}


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in [
        _preset(
            "default",
            "AdamW down a cosine over sizes, rates and regularisation that suit most tables.",
            {"optimizer": "adamw", "schedule": "cosine", "numeric_scaling": "robust_smooth"},
            {
                "learning_rate": _log(3e-4, 3e-2, 3e-3),
                "hidden_layers": {"type": "int", "low": 1, "high": 3, "default": 2},
                "units": {"type": "int", "low": 16, "high": 256, "log": True, "default": 64},
                "activation": {"type": "choice", "values": ["relu", "tanh", "gelu", "silu"]},
                "dropout": {"type": "float", "low": 0.0, "high": 0.4, "default": 0.0},
                "weight_decay": _log(1e-6, 1e-1, 1e-2),
                "batch_size": {"type": "choice", "values": [32, 64, 128]},
            },
        ),
        _preset(
            "strong",
            "Published practice for tables: piecewise-linear embeddings, AdamW down a cosine, dropout, weight decay."
            " Trial 0 is its default point. Source: Gorishniy et al. 2022, Holzmueller et al. 2024.",
            {"optimizer": "adamw", "beta2": 0.95, "schedule": "cosine"},
            {
                "numeric_embedding": {"type": "choice", "values": ["piecewise_linear", "none"]},
                "embedding_bins": {"type": "choice", "values": [8, 16, 32], "default": 16},
                "numeric_scaling": {"type": "choice", "values": ["robust_smooth", "standard", "quantile"]},
                "learning_rate": _log(5e-4, 2e-2, 4e-3),
                "hidden_layers": {"type": "int", "low": 1, "high": 3, "default": 2},
                "units": {"type": "int", "low": 32, "high": 256, "log": True, "default": 128},
                "activation": {"type": "choice", "values": ["silu", "gelu", "relu"]},
                "dropout": {"type": "float", "low": 0.0, "high": 0.5, "default": 0.15},
                "weight_decay": _log(1e-4, 0.3, 2e-2),
                "batch_size": {"type": "choice", "values": [32, 64, 128], "default": 64},
            },
        ),
        _preset(
            "chapter",
            "The book chapter's own search: plain SGD, 0 to 3 layers of 1 to 99 units. Source: Geron 2019, chapter 10.",
            {"optimizer": "sgd", "momentum": 0.0, "batch_size": 32, "initialisation": "glorot"},
            {
                "hidden_layers": {"type": "int", "low": 0, "high": 3, "default": 1},
                "units": {"type": "int", "low": 1, "high": 99, "default": 30},
                "learning_rate": _log(3e-4, 3e-2, 3e-3),
            },
        ),
        _preset(
            "depth",
            "How deep: one width, 0 to 8 hidden layers. For grid search, or any other.",
            {"optimizer": "adamw", "units": 64, "learning_rate": 1e-3},
            {"hidden_layers": {"type": "choice", "values": [0, 1, 2, 3, 4, 5, 6, 8]}},
        ),
        _preset(
            "stretch-pants",
            "A net that is too big, held back by dropout, weight decay and early stopping.",
            {"optimizer": "adamw", "hidden_layers": 3, "units": 512},
            {
                "learning_rate": _log(1e-4, 1e-2, 1e-3),
                "dropout": {"type": "float", "low": 0.1, "high": 0.6, "default": 0.3},
                "weight_decay": _log(1e-4, 1.0, 1e-2),
                "activation": {"type": "choice", "values": ["relu", "gelu", "silu"]},
            },
        ),
        _preset(
            "large-batch",
            "Large batches: the rate grows with the batch and warms up. Source: Goyal et al. 2017.",
            {
                "optimizer": "sgd",
                "momentum": 0.9,
                "nesterov": True,
                "schedule": "cosine",
                "rate_batch_size": 32,
                "hidden_layers": 2,
            },
            {
                "batch_size": {"type": "choice", "values": [256, 512, 1024, 2048, 4096, 8192]},
                "learning_rate": _log(1e-4, 1e-1, 3e-3),
                "warmup_epochs": {"type": "float", "low": 0.0, "high": 10.0, "default": 5.0},
                "units": {"type": "int", "low": 32, "high": 256, "log": True, "default": 100},
                "weight_decay": _log(1e-6, 1e-2, 1e-4),
            },
        ),
        _preset(
            "smith",
            "1cycle: the rate up and down once while momentum goes down and up, with weight decay. Source: Smith 2018.",
            {"optimizer": "sgd", "schedule": "one_cycle", "hidden_layers": 2},
            {
                "learning_rate": _log(1e-2, 1.0, 1e-1),
                "weight_decay": _log(1e-6, 1e-2, 1e-4),
                "batch_size": {"type": "choice", "values": [32, 64, 128, 256]},
                "units": {"type": "int", "low": 32, "high": 256, "log": True, "default": 100},
            },
        ),
        _preset(
            "perceptron",
            "Rosenblatt's perceptron: one threshold unit for each class, labels without probabilities.",
            {
                "loss": "perceptron",
                "hidden_layers": 0,
                "optimizer": "sgd",
                "momentum": 0.0,
                "learning_rate": 1.0,
                "initialisation": "zeros",
            },
            {
                "batch_size": {"type": "choice", "values": [1, 8, 32], "default": 1},
                "class_weight": {"type": "choice", "values": ["none", "balanced"], "default": "none"},
            },
        ),
        _preset(
            "neuroevolution",
            "Populations of 100 small networks: how strongly they mutate, how many become parents, and their sizes.",
            {"population_size": 100, "numeric_scaling": "robust_smooth"},
            {
                "mutation_strength": _log(5e-3, 0.5, 0.05),
                "mutation_decay": {"type": "choice", "values": [0.95, 0.98, 1.0], "default": 1.0},
                "truncation": _log(0.02, 0.5, 0.1),
                "hidden_layers": {"type": "int", "low": 1, "high": 2, "default": 1},
                "units": {"type": "int", "low": 8, "high": 64, "log": True, "default": 16},
                "activation": {"type": "choice", "values": ["tanh", "relu", "silu"], "default": "tanh"},
            },
            trainer="neuroevolution",
        ),
    ]
}
