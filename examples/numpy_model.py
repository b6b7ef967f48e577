"""Runs a fetched model with numpy and safetensors alone, as the README inside every package says. Copy it freely."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import NormalDist
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
    if feature["kind"] == "numeric":
        columns = _encode_numbers(feature, np.array([math.nan if v is None else v for v in values], dtype=np.float64))
    elif feature["kind"] == "date":
        columns = _encode_dates(feature, [None if value is None else datetime.fromisoformat(value) for value in values])
    else:
        texts = [None if value is None else _as_text(value) for value in values]
        columns = [np.array([text == category for text in texts], float) for category in feature["categories"]]
    if feature["indicator"]:
        columns.append(np.array([value is None for value in values], float))
    return np.stack(columns, axis=1)


def _encode_numbers(numbers: Mapping[str, Any], values: Floats) -> list[Floats]:
    s = _scale(numbers, np.where(np.isnan(values), numbers["fill"], values))
    edges, frequencies = numbers["edges"], numbers["frequencies"]
    if edges:
        parts = [(s - left) / (right - left) for left, right in pairwise(edges)]
        parts = [parts[0], *(np.maximum(part, 0) for part in parts[1:])]
        return [*(np.minimum(part, 1) for part in parts[:-1]), parts[-1]]
    if frequencies:
        angles = [2 * math.pi * frequency * s for frequency in frequencies]
        return [*map(np.sin, angles), *map(np.cos, angles)]
    return [s]


def _scale(numbers: Mapping[str, Any], x: Floats) -> Floats:
    if not numbers["scale"]:
        return np.zeros(len(x))
    s: Floats = (x - numbers["center"]) / numbers["scale"]
    if numbers["quantiles"]:
        q = np.array(numbers["quantiles"])
        shares = np.linspace(0, 1, len(q))
        p = (np.interp(x, q, shares) + 1 - np.interp(-x, -q[::-1], shares)) / 2
        p = np.where(x < q[0] + 1e-7, 0, np.where(x > q[-1] - 1e-7, 1, p))
        least = 1e-7 - 2.2e-16
        s = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])(np.clip(p, least, 1 - least))
    if numbers["smooth"]:
        s = s / np.sqrt(1 + (s / 3) ** 2)
    return np.clip(s, -numbers["clip"], numbers["clip"]) if numbers["clip"] else s


def _encode_dates(feature: Mapping[str, Any], dates: Sequence[datetime | None]) -> list[Floats]:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    known = [
        None if date is None else date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC) for date in dates
    ]
    days = [math.nan if date is None else (date - start) / timedelta(days=1) for date in known]
    columns = _encode_numbers(feature["trend"], np.array(days))
    for cycle in feature["cycles"]:
        angles = [None if date is None else 2 * math.pi * _passed(cycle, date) for date in known]
        columns.append(np.array([0.0 if angle is None else math.sin(angle) for angle in angles]))
        columns.append(np.array([0.0 if angle is None else math.cos(angle) for angle in angles]))
    return columns


def _passed(cycle: str, date: datetime) -> float:
    midnight = date.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = {
        "month": (date.month - 1) / 12,
        "weekday": date.weekday() / 7,
        "day_of_year": (date.timetuple().tm_yday - 1) / 366,
        "hour": (date - midnight) / timedelta(days=1),
    }
    return passed[cycle]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
