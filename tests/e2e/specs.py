"""Job bodies that the end-to-end tests share."""

from __future__ import annotations

from typing import Any

SPACE = {
    "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
    "hidden_layers": {"type": "int", "low": 1, "high": 3},
    "units": {"type": "choice", "values": [16, 32]},
    "batch_size": {"type": "choice", "values": [32, 64]},
    "activation": {"type": "choice", "values": ["relu", "tanh"]},
    "dropout": {"type": "float", "low": 0.0, "high": 0.3},
}
PAIRS = [("random", "fifo"), ("hyperopt", "asha"), ("random", "hyperband"), ("random", "pbt")]


def job_spec(algorithm: str, scheduler: str, **changes: Any) -> dict[str, Any]:
    """A small search on a bundled set that exercises the pair for real."""
    return {
        "dataset": "wine",
        "space": SPACE,
        "algorithm": {"kind": algorithm},
        "scheduler": {"kind": scheduler},
        "budget": {"trials": 12, "epochs_per_trial": 9},
        "early_stopping": {"patience": 4},
        "seed": 7,
        **changes,
    }


def long_job_spec(algorithm: str, scheduler: str) -> dict[str, Any]:
    """A search that takes seconds, to be hit in the middle: wide networks, all epochs."""
    space = {**SPACE, "units": {"type": "choice", "values": [192, 256]}}
    budget = {"trials": 16, "epochs_per_trial": 27}
    return job_spec(algorithm, scheduler, dataset="digits", space=space, budget=budget, early_stopping=None)
