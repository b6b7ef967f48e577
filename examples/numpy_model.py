"""Runs a fetched model with numpy and safetensors alone, as the README inside every package says. Copy it freely."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load

Floats = NDArray[np.float64]


def _logistic(z: Floats) -> Floats:
    half: Floats = np.tanh(z / 2)  # exp(-z) would overflow
    return (1 + half) / 2


def _gelu(z: Floats) -> Floats:
    share: Floats = np.vectorize(math.erf, otypes=[np.float64])(z / math.sqrt(2))
    return z * (1 + share) / 2


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "logistic": _logistic,
    "identity": lambda z: z,
    "gelu": _gelu,
    "silu": lambda z: z * _logistic(z),
    "elu": lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * np.expm1(np.minimum(z, 0))),
    "softplus": lambda z: np.logaddexp(0, z),
    "mish": lambda z: z * np.tanh(np.logaddexp(0, z)),
}


class NumpyModel:
    """A model package at work."""

    def __init__(self, package: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            self.card: dict[str, Any] = json.loads(archive.read("card.json"))
            tensors = load(archive.read("model.safetensors"))
        self.layers = [(tensors[f"layers.{i}.weight"], tensors[f"layers.{i}.bias"]) for i in range(len(tensors) // 2)]

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Predict rows: values [N, targets] in the units of the data, or probabilities: [N, classes], for multilabel
        [N, targets] of each target's second class. A model with threshold outputs decides instead: 0 or 1."""
        features = self.card["preprocessing"]["features"]
        columns = [_encode(feature, [row[feature["name"]] for row in rows]) for feature in features]
        x = np.concatenate(columns, axis=1).astype(np.float32).astype(np.float64)
        activate = ACTIVATIONS[self.card["architecture"]["activation"]]
        for weight, bias in self.layers[:-1]:
            x = activate(x @ weight + bias)
        weight, bias = self.layers[-1]
        return self._read_out(x @ weight + bias)

    def _read_out(self, z: Floats) -> Floats:
        kind, task = self.card["architecture"]["output_activation"], self.card["task"]
        if task == "regression":
            z = ACTIVATIONS[kind](z)
            scales = np.array([target["scale"] for target in self.card["targets"]])
            values: Floats = z * scales + np.array([target["mean"] for target in self.card["targets"]])
            return values
        if task == "multiclass" and kind == "threshold":
            return np.eye(z.shape[1])[z.argmax(axis=1)]
        if task != "multiclass":
            chance = (z > 0).astype(np.float64) if kind == "threshold" else _logistic(z)
            return np.concatenate([1 - chance, chance], axis=1) if task == "binary" else chance
        powers = np.exp(z - z.max(axis=1, keepdims=True))
        shares: Floats = powers / powers.sum(axis=1, keepdims=True)
        return shares


def _encode(feature: Mapping[str, Any], values: Sequence[Any]) -> Floats:
    """Shapes: [N, 1 or more]."""
    missing = [value is None for value in values]
    if feature["kind"] == "numeric":
        x = np.array([feature["median"] if value is None else value for value in values], dtype=np.float64)
        scale = feature["scale"]
        columns = [(x - feature["mean"]) / scale if scale else np.zeros(len(x))]
    else:
        texts = [None if value is None else _as_text(value) for value in values]
        columns = [np.array([text == category for text in texts], float) for category in feature["categories"]]
    if feature["indicator"]:
        columns.append(np.array(missing, float))
    return np.stack(columns, axis=1)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
