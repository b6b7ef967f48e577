"""Search spaces to start from: one entry each. Merged by whole parameter, what the user names wins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search.space import Space


@dataclass(frozen=True)
class Preset:
    """A space with what it fixes; `about` is the line that the catalog shows."""

    name: str
    about: str
    fixed: dict[str, Any]
    space: Space


def _preset(name: str, about: str, fixed: dict[str, Any], space: dict[str, Any]) -> Preset:
    return Preset(name, about, fixed, Space.model_validate(space))


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in [
        _preset(
            "default",
            "AdamW over sizes, rates and regularisation that suit most tables.",
            {"optimizer": "adamw"},
            {
                "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True, "default": 3e-3},
                "hidden_layers": {"type": "int", "low": 1, "high": 3, "default": 2},
                "units": {"type": "int", "low": 16, "high": 256, "log": True, "default": 64},
                "activation": {"type": "choice", "values": ["relu", "tanh", "gelu", "silu"]},
                "dropout": {"type": "float", "low": 0.0, "high": 0.4, "default": 0.0},
                "weight_decay": {"type": "float", "low": 1e-6, "high": 1e-1, "log": True, "default": 1e-2},
                "batch_size": {"type": "choice", "values": [32, 64, 128]},
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
    ]
}
