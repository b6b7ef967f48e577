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
Tensors = Mapping[str, NDArray[Any]]
FORMAT_VERSION = 2


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
    """A model package at work: one network, or several whose answers are averaged."""

    def __init__(self, package: bytes) -> None:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            self.card: dict[str, Any] = json.loads(archive.read("card.json"))
            tensors = load(archive.read("model.safetensors"))
        if self.card["format_version"] != FORMAT_VERSION:
            raise ValueError(f"format version {self.card['format_version']}; this file reads {FORMAT_VERSION}")
        self.members = [(1.0, self.card, tensors)]
        if "members" in self.card:  # what a member does not say for itself stands in the card
            self.members = [
                (member["share"], {**self.card, **member}, _select(tensors, f"members.{place}."))
                for place, member in enumerate(self.card["members"])
            ]

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """Predict rows: values [N, targets] in the units of the data, or probabilities: [N, classes], for multilabel
        [N, targets] of each target's second class. A model with threshold outputs gives scores in their place: the
        largest names the class, for multilabel one above 0.5 the second class."""
        answers = [share * answer(card, tensors, rows) for share, card, tensors in self.members]
        return np.sum(answers, axis=0, dtype=np.float64)


def answer(card: Mapping[str, Any], tensors: Tensors, rows: Sequence[Mapping[str, Any]]) -> Floats:
    """Let one network predict, step by step as the README of a package has it. Shapes: [N, answers]."""
    x = encode(card["preprocessing"]["features"], rows)
    z = run_layers(card["architecture"], tensors, x)
    return read_out(card, z)


def encode(features: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> Floats:
    """Step 1: put the inputs of all features side by side, rounded to float32. Shapes: [N, inputs]."""
    columns: list[Floats] = []
    for feature in features:
        values = [row[feature["name"]] for row in rows]
        values = [None if value is None or value != value else value for value in values]  # NaN is missing too
        columns += ENCODERS[feature["kind"]](feature, values)
        if feature["indicator"]:
            columns.append(np.array([value is None for value in values], float))
    return np.stack(columns, axis=1).astype(np.float32).astype(np.float64)


def run_layers(architecture: Mapping[str, Any], tensors: Tensors, x: Floats) -> Floats:
    """Step 2: the layers one after another. Shapes: x [N, inputs] -> [N, outputs]."""
    activate, last = ACTIVATIONS[architecture["activation"]], len(architecture["widths"])
    for place in range(last + 1):
        layer = _select(tensors, f"layers.{place}.")
        x = x @ layer["weight"] + layer["bias"]
        if place == last:
            break
        if architecture["normalisation"] == "layer":
            x = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
            x = x * layer["scale"] + layer["shift"]
        x = activate(x)
    return x


def read_out(card: Mapping[str, Any], z: Floats) -> Floats:
    """Step 3: outputs to values, probabilities or scores. Shapes: z [N, outputs] -> [N, answers]."""
    task, activation = card["task"], card["architecture"]["output_activation"]
    if task == "regression":
        scales, means = (np.array([target[name] for target in card["targets"]]) for name in ("scale", "mean"))
        values: Floats = ACTIVATIONS[activation](z) * scales + means
        return values
    if activation == "softmax":
        powers: Floats = np.exp(z - z.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    second = (1 + z / (1 + np.abs(z))) / 2 if activation == "threshold" else _logistic(z)
    return np.concatenate([1 - second, second], axis=1) if task == "binary" else second


def _select(tensors: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _encode_numbers(numbers: Mapping[str, Any], values: Sequence[float | None]) -> list[Floats]:
    s = _scale(numbers, np.array([numbers["fill"] if value is None else value for value in values], float))
    edges, frequencies = numbers["edges"], numbers["frequencies"]
    if edges:
        parts = [(s - left) / (right - left) for left, right in pairwise(edges)]
        parts = [parts[0], *(np.maximum(part, 0) for part in parts[1:])]
        return [*(np.minimum(part, 1) for part in parts[:-1]), parts[-1]]
    if frequencies:
        single = s.astype(np.float32).astype(float)  # as it was trained: high frequencies would show the difference
        angles = [2 * math.pi * frequency * single for frequency in frequencies]
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


def _encode_dates(feature: Mapping[str, Any], texts: Sequence[str | None]) -> list[Floats]:
    start = datetime(1970, 1, 1, tzinfo=UTC)
    dates = [None if text is None else _read_date(text) for text in texts]
    days = [None if date is None else (date - start) / timedelta(days=1) for date in dates]
    columns = _encode_numbers(feature["trend"], days)
    for cycle in feature["cycles"]:
        angles = [None if date is None else 2 * math.pi * _passed(cycle, date) for date in dates]
        columns += [np.array([0 if a is None else wave(a) for a in angles], float) for wave in (math.sin, math.cos)]
    return columns


def _read_date(text: str) -> datetime:
    date = datetime.fromisoformat(text.upper())
    return date.astimezone(UTC) if date.tzinfo else date.replace(tzinfo=UTC)


def _passed(cycle: str, date: datetime) -> float:
    midnight = date.replace(hour=0, minute=0, second=0, microsecond=0)
    passed = {
        "month": (date.month - 1) / 12,
        "weekday": date.weekday() / 7,
        "day_of_year": (date.timetuple().tm_yday - 1) / 366,
        "hour": (date - midnight) / timedelta(days=1),
    }
    return passed[cycle]


def _encode_categories(feature: Mapping[str, Any], values: Sequence[Any]) -> list[Floats]:
    texts = [None if value is None else _as_text(value) for value in values]
    if feature["kind"] == "boolean":
        texts = [text and text.lower() for text in texts]
    return [np.array([text == category for text in texts], float) for category in feature["categories"]]


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return str(int(value)) if float(value).is_integer() else repr(float(value))


ENCODERS: dict[str, Callable[[Mapping[str, Any], Sequence[Any]], list[Floats]]] = {
    "numeric": _encode_numbers,
    "date": _encode_dates,
    "categorical": _encode_categories,
    "boolean": _encode_categories,
}
