"""A trained network as one file: weights, a card that says all else, and how to predict with numpy alone."""

from __future__ import annotations

import io
import itertools
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors.numpy import save

from models.hyper import Hyperparameters
from models.job_data import Encoder
from models.lanes import Layers, Task
from models.loss_table import gives_probabilities
from models.predictor import FORMAT_VERSION, THRESHOLD, PackageError, PredictError, Prediction, Predictor
from models.prepare import Prepared

__all__ = ["PackageError", "PredictError", "Prediction", "Predictor", "write_package"]

_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_package(
    layers: Layers, hyper: Hyperparameters, prepared: Prepared, facts: Mapping[str, Any], fold: int = 0
) -> bytes:
    """Pack a model; equal arguments give equal bytes. `facts` (metrics, lineage, versions) are JSON, kept as given.
    `fold` is the one that it was trained on.

    Raises: ValueError if the layers do not fit the data.
    """
    encoder = prepared.job_data.encoder(hyper, fold)
    card = _describe(layers, hyper, prepared, encoder, facts)
    predictor = Predictor(card, layers, encoder.preprocessor)
    card["example"] = {"row": prepared.example, "answer": predictor.predict([prepared.example]).to_json()}
    files = {
        "README.txt": README.encode(),
        "card.json": json.dumps(_plain(card), indent=1, sort_keys=True, allow_nan=False).encode(),
        "model.safetensors": save(_name_tensors(layers)),
    }
    return _zip(files)


def _describe(
    layers: Layers, hyper: Hyperparameters, prepared: Prepared, encoder: Encoder, facts: Mapping[str, Any]
) -> dict[str, Any]:
    data = prepared.job_data
    shapes = [tuple(weight.shape) for weight, _ in layers]
    sizes = [encoder.preprocessor.n_inputs, *hyper.widths, data.n_outputs]
    expected = list(itertools.pairwise(sizes))
    if shapes != expected:
        raise ValueError(f"the weights have shapes {shapes}, the hyperparameters need {expected}")
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
            "activation": hyper.activation,
            "output_activation": _output_activation(hyper, data.task),
        },
        "hyperparameters": hyper.model_dump(mode="json"),
        "preprocessing": encoder.preprocessor.to_card(),
        "facts": dict(facts),
    }


def _output_activation(hyper: Hyperparameters, task: Task) -> str:
    """Say how outputs are read: see step 3 of the README."""
    if task == "regression":
        return "identity" if hyper.output_activation == "none" else hyper.output_activation
    if not gives_probabilities(hyper.loss):
        return THRESHOLD
    return "softmax" if task == "multiclass" else "logistic"


def _name_tensors(layers: Layers) -> dict[str, Any]:
    tensors = {}
    for place, (weight, bias) in enumerate(layers):
        tensors[f"layers.{place}.weight"] = np.ascontiguousarray(weight, dtype=np.float32)
        tensors[f"layers.{place}.bias"] = np.ascontiguousarray(bias, dtype=np.float32)
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


README = """\
A multilayer perceptron trained by Regatta.

  model.safetensors  layers.0.weight [inputs, outputs], layers.0.bias, layers.1.weight, ... in float32
  card.json          what it was trained on and how, and every number needed to predict

To predict with numpy and safetensors alone (the service computes steps 2 and 3 in float64):

1. Encode a row. Go through card["preprocessing"]["features"] in order and put side by side, in float32:
   numeric      (x - mean) / scale, a missing x replaced by median first; 0 where scale is 0.
                If indicator: one more number, 1 where x was missing, else 0.
   categorical, one number per entry of categories, 1 where x is that category, else 0.
   boolean      If indicator: one more number, 1 where x was missing, else 0.
                Categories are text: 3 is "3", 2.5 is "2.5", true is "true".
2. For each layer but the last: h = activation(h @ weight + bias), card["architecture"]["activation"] being one of
   relu max(z, 0); tanh; logistic 1 / (1 + exp(-z)); identity z; gelu z * (1 + erf(z / sqrt(2))) / 2;
   silu z / (1 + exp(-z)); elu z where z > 0, else exp(z) - 1.
   The last layer is z = h @ weight + bias.
3. Read the outputs by card["task"] and f = card["architecture"]["output_activation"].
   regression   f(z) * scale + mean of each of card["targets"], in the units of the data; f is identity, relu,
                logistic, tanh or softplus log(1 + exp(z))
   binary       logistic: 1 / (1 + exp(-z)) is the probability of card["classes"][1]
   multilabel   logistic: for each of card["targets"], the probability of card["classes"][its name][1]
   multiclass   softmax: exp(z) / sum(exp(z)), the probabilities of card["classes"]
   With f = threshold there are labels only: the second class where z > 0, else the first; for multiclass the class
   with the largest z.

card["example"] holds one row and its answer to check against.
"""
