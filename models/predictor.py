"""A downloaded model at work: numpy and safetensors only, the same code for users, the API and test scores."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from models.activations import ACTIVATIONS, logistic, softmax
from models.categories import code_column
from models.evaluate import evaluate_all
from models.features import CategoricalFeature, Cells
from models.lanes import Classes, Layers, Task
from models.normalisation import normalise_rows
from models.preprocess import Preprocessor, Target
from models.rows import PredictError, read_columns, read_rows
from models.table import Column

__all__ = ["NoProbabilities", "PackageError", "PredictError", "Prediction", "Predictor"]

FORMAT_VERSION = 2
READABLE = (1, 2)
"""Version 1 knew numeric features with `mean` and `median` only, no dates and no ensembles."""
THRESHOLD = "threshold"
"""The output activation of a network that gives labels alone, such as a perceptron."""
CHUNK_ROWS = 8192
MAX_SHOWN = 60
LAYER_PARTS = ("weight", "bias", "scale", "shift")
"""Of each layer, in the order of `models.lanes.Layers`; the last two are there with layer normalisation."""


class NoProbabilities(ValueError):
    """Probabilities were asked of a model that answers with labels alone."""


class PackageError(ValueError):
    """Bytes that are no model package of a version known here."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of N rows.

    Shapes: values [N, C] in raw units (regression), scores [N, classes] or, for the second class of each of several
    targets, [N, C] (else); the other one is None. Scores are probabilities, unless `labels_only`.
    """

    targets: list[str]
    classes: Classes | None
    values: NDArray[np.float64] | None = None
    scores: NDArray[np.float64] | None = None
    labels_only: bool = False
    warnings: list[str] = field(default_factory=list)

    @property
    def probabilities(self) -> NDArray[np.float64] | None:
        """The probabilities of classes: [N, classes], or [N, C] of the second class of each of several targets.

        Raises: NoProbabilities where the model was trained by a loss that gives none.
        """
        if self.labels_only:
            raise NoProbabilities("a network trained by the loss perceptron or hinge gives labels, no probabilities")
        return self.scores

    @property
    def labels(self) -> list[Any]:
        """Name the most probable class of each row, {target: class} for several targets."""
        if self.scores is None or self.classes is None:
            raise ValueError("a regression model predicts values, not labels")
        if isinstance(self.classes, list):
            return [self.classes[place] for place in self.scores.argmax(axis=1)]
        classes = [self.classes[target] for target in self.targets]  # in a card they stand in alphabetical order
        rows = ([pair[place] for pair, place in zip(classes, row, strict=True)] for row in (self.scores > 0.5).tolist())
        return [dict(zip(self.targets, row, strict=True)) for row in rows]

    def to_json(self) -> dict[str, Any]:
        """Answer as the API does: numbers, {target: number} for several targets, or labels with probabilities."""
        body: dict[str, Any] = {}
        if self.scores is not None:
            several = isinstance(self.classes, dict)
            body["classes"] = self.classes
            body["predictions"] = [{"labels" if several else "label": label} for label in self.labels]
            if not self.labels_only:
                for answer, shares in zip(body["predictions"], self.scores.tolist(), strict=True):
                    pairs = zip(self.targets, shares, strict=True)
                    answer["probabilities"] = {name: [1 - p, p] for name, p in pairs} if several else shares
        elif self.values is not None:
            rows = self.values.tolist()
            single = len(self.targets) == 1
            body["predictions"] = [row[0] if single else dict(zip(self.targets, row, strict=True)) for row in rows]
        if self.warnings:
            body["warnings"] = self.warnings
        return body


@dataclass(frozen=True)
class Predictor:
    """A network with its preprocessing; `card` is the package's card.json.

    An ensemble has members instead of layers: networks with their shares, which add up to 1.
    """

    card: dict[str, Any]
    layers: Layers
    preprocessor: Preprocessor
    members: Sequence[tuple[float, Predictor]] = ()

    @classmethod
    def from_package(cls, package: bytes) -> Predictor:
        """Open the bytes of a package.

        Raises: PackageError.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(package)) as archive:
                card = json.loads(archive.read("card.json"))
                tensors = load(archive.read("model.safetensors"))
        except (zipfile.BadZipFile, KeyError, ValueError, SafetensorError) as error:
            raise PackageError(f"this is no model package: {error}") from None
        if card.get("format_version") not in READABLE:
            given = card.get("format_version")
            known = ", ".join(map(str, READABLE))
            raise PackageError(f"the package has format version {given!r}; those that can be read are {known}")
        return cls._open(card, tensors)

    @classmethod
    def _open(cls, card: dict[str, Any], tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> Predictor:
        """Read a network, or the members of an ensemble: what they share stands once, in the ensemble's own card."""
        preprocessor = Preprocessor.from_card(card["preprocessing"])
        if "members" in card:
            shared = {name: section for name, section in card.items() if name != "members"}
            members = [
                (member["share"], cls._open(shared | member, tensors, f"members.{place}."))
                for place, member in enumerate(card["members"])
            ]
            return cls(card, [], preprocessor, members)
        n_layers = len(card["architecture"]["widths"]) + 1
        has_norms = card["architecture"].get("normalisation", "none") == "layer"
        layers = []
        for place in range(n_layers):
            parts = LAYER_PARTS if has_norms and place < n_layers - 1 else LAYER_PARTS[:2]
            layers.append(tuple(tensors[f"{prefix}layers.{place}.{part}"] for part in parts))
        return cls(card, layers, preprocessor)

    @property
    def task(self) -> Task:
        """Name the task."""
        task: Task = self.card["task"]
        return task

    @property
    def classes(self) -> Classes | None:
        """List the classes in the order of their probabilities, of each of several targets; None for regression."""
        classes: Classes | None = self.card["classes"]
        return classes

    @property
    def labels_only(self) -> bool:
        """Tell whether it gives no probabilities; an ensemble gives none if one of its members does not."""
        if self.members:
            return any(member.labels_only for _, member in self.members)
        return bool(self.card["architecture"]["output_activation"] == THRESHOLD)

    @property
    def targets(self) -> list[Target]:
        """List the targets with the units of their outputs."""
        return [Target.model_validate(target) for target in self.card["targets"]]

    @property
    def text_columns(self) -> list[str]:
        """Name the columns to read from CSV as text (`read_table(..., as_text=...)`) before `predict_columns`."""
        return list(dict.fromkeys(feature.name for feature in self._categorical if feature.is_text))

    @property
    def _categorical(self) -> list[CategoricalFeature]:
        """The features that are categories, as each network of an ensemble knows them."""
        networks = [member for _, member in self.members] or [self]
        features = (feature for network in networks for feature in network.preprocessor.features)
        return [feature for feature in features if isinstance(feature, CategoricalFeature)]

    def predict(self, rows: Sequence[Mapping[str, Any]]) -> Prediction:
        """Predict rows of raw values. A missing key is an error, None and NaN are missing values.

        Raises: PredictError.
        """
        columns = read_rows(self.preprocessor.features, rows)
        return self._predict(columns, {name for row in rows for name in row})

    def predict_columns(self, columns: Mapping[str, Column]) -> Prediction:
        """Predict the rows of a table.

        Raises: PredictError.
        """
        return self._predict(read_columns(self.preprocessor.features, columns), columns)

    def _predict(self, columns: Mapping[str, Column], given: Iterable[str]) -> Prediction:
        known = {feature.name for feature in self.preprocessor.features} | {target.name for target in self.targets}
        extra = sorted(set(given) - known)
        warnings = [f"not used by this model: {', '.join(extra)}"] if extra else []
        categorical = self._categorical
        coded = {name: code_column(columns[name]) for name in dict.fromkeys(feature.name for feature in categorical)}
        for name, column in coded.items():
            unseen = {value for feature in categorical if feature.name == name for value in feature.unseen(column)}
            if unseen:
                warnings.append(f"{name}: this model does not know {_show(sorted(unseen))}")
        outputs = self.outputs({**columns, **coded})
        names = [target.name for target in self.targets]
        if self.task == "regression":
            return Prediction(names, None, values=outputs, warnings=warnings)
        return Prediction(names, self.classes, scores=outputs, labels_only=self.labels_only, warnings=warnings)

    def outputs(self, columns: Mapping[str, Cells]) -> NDArray[np.float64]:
        """Predict rows that have been read: raw units [N, C], or probabilities [N, classes]. Shapes: columns [N] each.

        An ensemble averages what its members predict, each from rows that it encodes for itself.
        """
        if self.members:
            first, *rest = (share * member.outputs(columns) for share, member in self.members)
            return sum(rest, start=first)
        return self.predict_inputs(self.preprocessor.transform(columns))

    def predict_inputs(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Let one network predict encoded rows: raw units [N, C], or probabilities [N, classes]; for several labels
        [N, C]. Shapes: x [N, D], as `preprocessor.transform` encodes them.

        One that gives no probabilities answers with scores in 0..1 that decide and rank as its outputs do.
        """
        outputs = [self._forward(x[start : start + CHUNK_ROWS]) for start in range(0, max(len(x), 1), CHUNK_ROWS)]
        z = np.concatenate(outputs)
        if self.task == "regression":
            targets, name = self.targets, self.card["architecture"]["output_activation"]
            values: NDArray[np.float64] = ACTIVATIONS[name](z) * np.array([t.scale for t in targets]) + [
                t.mean for t in targets
            ]
            return values
        if self.task == "multiclass":
            return _squash(z) if self.labels_only else softmax(z)
        of_second = _squash(z) if self.labels_only else logistic(z)
        if self.task == "multilabel":
            return np.asarray(of_second)
        of_first = _squash(-z) if self.labels_only else logistic(-z)
        return np.concatenate([of_first, of_second], axis=1)

    def _forward(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute in float64, so that anyone's numpy gets the same answer whatever the order of its sums."""
        activate = ACTIVATIONS[self.card["architecture"]["activation"]]
        h = self.preprocessor.embed(x)
        for weight, bias, *norm in self.layers[:-1]:
            z = h @ weight + bias
            h = activate(normalise_rows(z, *norm) if norm else z)
        weight, bias = self.layers[-1]
        answer: NDArray[np.float64] = h @ weight + bias
        return answer

    def evaluate(self, columns: Mapping[str, Cells], y: NDArray[Any], metrics: Sequence[str]) -> dict[str, float]:
        """Score rows that have been read against raw targets [N, C], class indices [N] or labels [N, C]; NaN where a
        metric asks for probabilities and there are none.

        Raises: KeyError for a metric that is not there.
        """
        return evaluate_all(metrics, y, self.outputs(columns), self.labels_only)


def _squash(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring decision values into 0..1, 0 to 0.5, in a way that keeps large ones apart."""
    return np.asarray(0.5 + 0.5 * z / (1 + np.abs(z)))


def _show(values: Sequence[str]) -> str:
    return ", ".join(repr(value[:MAX_SHOWN]) for value in values[:3]) + (", ..." if values[3:] else "")
