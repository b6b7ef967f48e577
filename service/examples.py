"""Bodies that the API's documentation shows; the tests send each of them."""

from __future__ import annotations

from typing import Any

JOB_EXAMPLES: dict[str, Any] = {
    "smallest": {"summary": "A dataset is a whole job", "value": {"dataset": "iris"}},
    "random": {
        "summary": "Random search over a mixed space, every trial to its end",
        "value": {
            "name": "digits, mixed",
            "dataset": "digits",
            "space": {
                "units": {"type": "choice", "values": [32, 64, 128]},
                "hidden_layers": {"type": "int", "low": 1, "high": 3},
                "learning_rate": {"type": "float", "low": 3e-4, "high": 3e-2, "log": True},
            },
            "algorithm": {"kind": "random"},
            "scheduler": {"kind": "fifo"},
            "budget": {"trials": 64, "epochs_per_trial": 10},
            "seed": 42,
        },
    },
    "hyperband": {
        "summary": "HyperOpt under HyperBand, with a condition and labels",
        "value": {
            "labels": {"team": "a"},
            "dataset": "diabetes",
            "split": {
                "test": {"kind": "fraction", "fraction": 0.2},
                "validation": {"kind": "holdout", "fraction": 0.2},
            },
            "fixed": {"batch_size": 32},
            "space": {
                "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
                "units": {"type": "int", "low": 1, "high": 99},
                "dropout": {"type": "float", "low": 0.0, "high": 0.5, "when": {"units": {"ge": 32}}},
                "activation": {"type": "choice", "values": ["relu", "tanh"]},
            },
            "objective": "mean_squared_error",
            "algorithm": {"kind": "hyperopt"},
            "scheduler": {"kind": "hyperband"},
            "budget": {"trials": 100, "epochs_per_trial": 50},
            "keep_models": 3,
        },
    },
    "external": {
        "summary": "Trials that a program of yours trains, by ask and tell",
        "value": {
            "trainer": "external",
            "space": {
                "C": {"type": "float", "low": 1e-2, "high": 1e3, "log": True},
                "kernel": {"type": "choice", "values": ["rbf", "poly"]},
                "degree": {"type": "int", "low": 2, "high": 5, "when": {"kernel": "poly"}},
            },
            "objective": {"name": "accuracy", "maximize": True},
            "scheduler": {"kind": "fifo"},
            "budget": {"trials": 32, "epochs_per_trial": 1},
            "parallelism": 4,
        },
    },
}

PATCH_EXAMPLES: dict[str, Any] = {
    "seed": {"summary": "The same job by another seed", "value": {"seed": 1}},
    "longer": {
        "summary": "Train for longer, by FIFO, without the labels",
        "value": {"budget": {"epochs_per_trial": 60}, "scheduler": {"kind": "fifo"}, "labels": None},
    },
}

PREDICT_EXAMPLES: dict[str, Any] = {
    "iris": {
        "summary": "Two flowers; null is a missing value",
        "value": {
            "rows": [
                {
                    "sepal length (cm)": 5.1,
                    "sepal width (cm)": 3.5,
                    "petal length (cm)": 1.4,
                    "petal width (cm)": 0.2,
                },
                {
                    "sepal length (cm)": 6.7,
                    "sepal width (cm)": None,
                    "petal length (cm)": 5.6,
                    "petal width (cm)": 2.4,
                },
            ]
        },
    }
}
PREDICT_CSV_EXAMPLE = "sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n"
