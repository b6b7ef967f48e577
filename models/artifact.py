"""A trained network as one file: weights, a card that says all else, and how to predict with numpy alone."""

from __future__ import annotations

import io
import itertools
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from safetensors.numpy import save

from models.hyper import LaneHyperparameters
from models.job_data import Encoder
from models.lanes import Layers, Task
from models.loss_table import gives_probabilities
from models.predictor import (
    FORMAT_VERSION,
    LAYER_PARTS,
    THRESHOLD,
    PackageError,
    PredictError,
    Prediction,
    Predictor,
)
from models.prepare import Prepared

__all__ = [
    "Member",
    "PackageError",
    "PredictError",
    "Prediction",
    "Predictor",
    "build_predictor",
    "write_ensemble",
    "write_package",
]

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
OWN_SECTIONS = ("architecture", "hyperparameters")
"""Sections of a card that each member of an ensemble has for itself. Of the others it has those that differ from what
stands in the ensemble's own card."""


@dataclass(frozen=True)
class Member:
    """A network of an ensemble. `share` is its weight in the average, `facts` say where it comes from, as JSON."""

    share: float
    layers: Layers
    hyper: LaneHyperparameters
    facts: Mapping[str, Any]


def build_predictor(layers: Layers, hyper: LaneHyperparameters, prepared: Prepared, fold: int = 0) -> Predictor:
    """Let a network predict that is not packed yet. `fold` is the one that it was trained on.

    Raises: ValueError if the layers do not fit the data.
    """
    encoder = prepared.job_data.encoder(hyper, fold)
    if layers and len(layers[0]) == 1:
        ((frequencies,), *layers) = layers
        learned = encoder.preprocessor.with_frequencies(frequencies, hyper.embedding_frequencies)
        encoder = replace(encoder, preprocessor=learned)
    return Predictor(_describe(layers, hyper, prepared, encoder, {}), layers, encoder.preprocessor)


def write_package(
    layers: Layers, hyper: LaneHyperparameters, prepared: Prepared, facts: Mapping[str, Any], fold: int = 0
) -> bytes:
    """Pack a model; equal arguments give equal bytes. `facts` (metrics, lineage, versions) are JSON, kept as given.
    `fold` is the one that it was trained on.

    Raises: ValueError if the layers do not fit the data.
    """
    predictor = build_predictor(layers, hyper, prepared, fold)
    predictor.card["facts"] = dict(facts)
    return _pack(predictor, _name_tensors(predictor.layers), prepared, README)


def write_ensemble(members: Sequence[Member], prepared: Prepared, facts: Mapping[str, Any], fold: int = 0) -> bytes:
    """Pack several networks as one model that averages their predictions; equal arguments give equal bytes.
    `fold` is the one that they were trained on.

    Raises: ValueError if there are no members, if their shares do not add up to 1, or if layers do not fit the data.
    """
    total = math.fsum(member.share for member in members)
    if not math.isclose(total, 1):
        raise ValueError(f"the shares of {len(members)} members add up to {total:g}, they have to be 1 together")
    opened = [(member.share, build_predictor(member.layers, member.hyper, prepared, fold)) for member in members]
    first = opened[0][1]
    shared = {name: section for name, section in first.card.items() if name not in OWN_SECTIONS}
    card = shared | {
        "format_version": FORMAT_VERSION,
        "facts": dict(facts),
        "members": [
            {name: section for name, section in predictor.card.items() if section != shared.get(name)}
            | {"share": member.share, "facts": dict(member.facts)}
            for member, (_, predictor) in zip(members, opened, strict=True)
        ],
    }
    tensors: dict[str, Any] = {}
    for place, (_, predictor) in enumerate(opened):
        tensors |= _name_tensors(predictor.layers, f"members.{place}.")
    return _pack(Predictor(card, [], first.preprocessor, opened), tensors, prepared, ENSEMBLE_README + README)


def _pack(predictor: Predictor, tensors: Mapping[str, Any], prepared: Prepared, readme: str) -> bytes:
    card = predictor.card
    card["example"] = {"row": prepared.example, "answer": predictor.predict([prepared.example]).to_json()}
    files = {
        "README.txt": readme.encode(),
        "card.json": json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False).encode(),
        "model.safetensors": save(tensors),
    }
    return _zip(files)


def _describe(
    layers: Layers, hyper: LaneHyperparameters, prepared: Prepared, encoder: Encoder, facts: Mapping[str, Any]
) -> dict[str, Any]:
    data = prepared.job_data
    shapes = [tuple(weight.shape) for weight, *_ in layers]
    sizes = [encoder.preprocessor.n_embedded, *hyper.widths, data.n_outputs]
    expected = list(itertools.pairwise(sizes))
    if shapes != expected:
        raise ValueError(f"the weights have shapes {shapes}, the hyperparameters need {expected}")
    normalised = hyper.normalisation == "layer" and hyper.hidden_layers > 0
    if {len(layer) for layer in layers[:-1]} - {4 if normalised else 2}:
        raise ValueError(f"the layers do not fit the normalisation {hyper.normalisation!r}")
    return {
        "format": "regatta-model",
        "format_version": FORMAT_VERSION,
        "task": data.task,
        "classes": prepared.classes,
        "targets": [target.model_dump() for target in encoder.targets],
        "architecture": {
            "inputs": sizes[0],
            "widths": list(hyper.widths),
            "outputs": data.n_outputs,
            "normalisation": "layer" if normalised else "none",
            "activation": hyper.activation,
            "output_activation": _output_activation(hyper, data.task),
        },
        "hyperparameters": hyper.model_dump(mode="json"),
        "preprocessing": encoder.preprocessor.to_card(),
        "facts": dict(facts),
    }


def _output_activation(hyper: LaneHyperparameters, task: Task) -> str:
    """Say how outputs are read: see step 3 of the README."""
    if task == "regression":
        return "identity" if hyper.output_activation == "none" else hyper.output_activation
    if not gives_probabilities(hyper.loss):
        return THRESHOLD
    return "softmax" if task == "multiclass" else "logistic"


def _name_tensors(layers: Layers, prefix: str = "") -> dict[str, Any]:
    tensors = {}
    for place, layer in enumerate(layers):
        for part, numbers in zip(LAYER_PARTS, layer, strict=False):
            tensors[f"{prefix}layers.{place}.{part}"] = np.ascontiguousarray(numbers, dtype=np.float32)
    return tensors


def _plain(value: Any) -> Any:
    """Make JSON of it: numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _zip(files: Mapping[str, bytes]) -> bytes:
    """Store without compression: weights hardly shrink, and zlib's bytes differ between versions."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


ENSEMBLE_README = """\
An ensemble of multilayer perceptrons trained by Regatta.

card["members"] lists its networks. Member i has the tensors members.i.layers.0.weight and so on. What stands in
card["members"][i], such as "architecture" or a "preprocessing" and "targets" of its own, holds for it; everything else
stands once, in the card itself.
Follow steps 1 to 3 below for each member. The ensemble's answer is the sum of the members' answers, each times its
card["members"][i]["share"]; the shares add up to 1.

Each member:

"""

README = """\
A multilayer perceptron trained by Regatta.

  model.safetensors  layers.0.weight [inputs, outputs], layers.0.bias, layers.1.weight, ... in float32
  card.json          what it was trained on and how, and every number needed to predict

To predict with numpy and safetensors alone (the service computes steps 2 and 3 in float64):

1. Encode a row. Go through card["preprocessing"]["features"] in order and put side by side, in float32:
   numeric      A missing x is replaced by fill. Where scale is 0, s = 0. Else
                s = (x - center) / scale, or, with quantiles q[0] ... q[m], s = the quantile of the standard normal
                distribution at the mean of u and v: u is x interpolated between the points (q[i], i / m), where of
                equal q the last counts, v the same, where the first counts; it is 0 for x < q[0] + 1e-7 and else 1 for
                x > q[m] - 1e-7; before the quantile is taken it is moved to between 1e-7 - 2.2e-16 and 1 less this.
                smooth: s becomes s / sqrt(1 + (s / 3)^2).
                clip other than 0: s is moved to between -clip and clip.
                Where scale is 0, or there are neither edges nor frequencies, s is the only number.
                edges e[0] ... e[T]: T numbers, (s - e[i]) / (e[i + 1] - e[i]) for i = 0 ... T - 1, not below 0
                except for i = 0, not above 1 except for i = T - 1.
                frequencies: sin(2 pi f s) for each frequency f, then cos(2 pi f s) for each; s is
                rounded to float32 first.
                If indicator: one more number, 1 where x was missing, else 0.
   date         x is the days since 1970-01-01T00:00 in UTC, with fractions; without a zone it is taken as UTC.
                First what numeric does with x by the numbers of trend. Then for each of cycles sin(2 pi t) and
                cos(2 pi t), both 0 where x is missing; t is, for month, (month - 1) / 12; for weekday, days since
                Monday / 7; for day_of_year, days since the 1st of January / 366; for hour, the passed share of the day.
                If indicator: one more number, 1 where x was missing, else 0.
   categorical, one number per entry of categories, 1 where x is that category, else 0.
   boolean      If indicator: one more number, 1 where x was missing, else 0.
                Categories are text: 3 is "3", 2.5 is "2.5", true is "true".
2. For each layer but the last: z = h @ weight + bias. If card["architecture"]["normalisation"] is "layer",
   z = (z - mean(z)) / sqrt(var(z) + 0.00001) * scale + shift, with mean and variance (divided by n) of each row and
   layers.0.scale, layers.0.shift, ...; batch normalisation is part of weight and bias already.
   Then h = activation(z), card["architecture"]["activation"] being one of
   relu max(z, 0); tanh; logistic 1 / (1 + exp(-z)); identity z; gelu z * (1 + erf(z / sqrt(2))) / 2;
   silu z / (1 + exp(-z)); elu z where z > 0, else exp(z) - 1; leaky_relu z where z > 0, else 0.01 z;
   selu 1.0507009873554805 * (z where z > 0, else 1.6732632423543772 * (exp(z) - 1)); softplus log(1 + exp(z));
   mish z * tanh(log(1 + exp(z))).
   The last layer is z = h @ weight + bias.
3. Read the outputs by card["task"] and f = card["architecture"]["output_activation"].
   regression   f(z) * scale + mean of each of card["targets"], in the units of the data; f is identity, relu,
                logistic, tanh or softplus log(1 + exp(z))
   binary       logistic: 1 / (1 + exp(-z)) is the probability of card["classes"][1]
   multilabel   logistic: for each of card["targets"], the probability of card["classes"][its name][1]
   multiclass   softmax: exp(z) / sum(exp(z)), the probabilities of card["classes"]
   With f = threshold there are labels only: the second class where z > 0, else the first; for multiclass the class
   with the largest z. What an ensemble averages then is (1 + z / (1 + |z|)) / 2 in place of the probability.

card["example"] holds one row and its answer to check against.
"""
