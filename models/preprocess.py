"""Rows of a table to what a network eats, and back: fitted on training rows, stored in a model's card as JSON."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.table import Column, missing_mask

MAX_CATEGORIES = 255
"""The most frequent categories of a column; the rest counts as never seen."""


class NumericFeature(BaseModel):
    """One column `(x - mean) / scale`, missing values replaced by `median` first; zeros where `scale` is 0.

    With `indicator`, a second column follows: 1 where the value was missing, else 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["numeric"] = "numeric"
    name: str
    median: float
    mean: float
    scale: float
    indicator: bool

    @property
    def width(self) -> int:
        """Count the columns that this feature becomes."""
        return 1 + self.indicator

    def transform(self, column: Column) -> NDArray[np.float32]:
        """Standardise. Shapes: [N] -> [N, width]."""
        values = column.astype(np.float64)
        missing = np.isnan(values)
        filled = np.where(missing, self.median, values)
        scaled = (filled - self.mean) / self.scale if self.scale else np.zeros(len(values))
        parts = [scaled, missing] if self.indicator else [scaled]
        return np.stack(parts, axis=1).astype(np.float32)


class CategoricalFeature(BaseModel):
    """One column per category, 1 where the row has it; then one for missing values if training had any.

    A category that training never saw is zero in all of them. Truth values are the categories "false" and "true",
    numbers are written as text (`category_text`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["categorical", "boolean"] = "categorical"
    name: str
    categories: tuple[str, ...]
    indicator: bool

    @property
    def width(self) -> int:
        """Count the columns that this feature becomes."""
        return len(self.categories) + self.indicator

    @property
    def is_text(self) -> bool:
        """Tell whether a CSV column must be read as text to find these categories, such as "007" or "True"."""
        return self.kind == "categorical" and any(not _is_canonical(category) for category in self.categories)

    def transform(self, column: Column) -> NDArray[np.float32]:
        """Mark the category. Shapes: [N] -> [N, width]."""
        places: dict[str | None, int] = {category: place for place, category in enumerate(self.categories)}
        if self.indicator:
            places[None] = len(self.categories)
        marked = np.zeros((len(column), self.width + 1), dtype=np.float32)
        seen = np.fromiter((places.get(category_text(cell), self.width) for cell in column), np.intp, len(column))
        marked[np.arange(len(column)), seen] = 1
        return marked[:, : self.width]


Feature = NumericFeature | CategoricalFeature


class Target(BaseModel):
    """A target column; regression predicts `output * scale + mean`, output activation included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    mean: float = 0.0
    scale: float = 1.0


class Preprocessor(BaseModel):
    """All features in order; each becomes `width` columns, side by side.

    It is its own card: `to_card()` holds every number that `transform` needs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: tuple[NumericFeature | CategoricalFeature, ...] = Field(default=())

    @property
    def n_inputs(self) -> int:
        """Count the columns that a network sees."""
        return sum(feature.width for feature in self.features)

    def transform(self, columns: Mapping[str, Column]) -> NDArray[np.float32]:
        """Encode rows. Shapes: columns [N] each -> [N, D].

        Raises: KeyError for a column that is not there.
        """
        return np.concatenate([feature.transform(columns[feature.name]) for feature in self.features], axis=1)

    def to_card(self) -> dict[str, Any]:
        """Describe as JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Preprocessor:
        """Build from JSON."""
        return cls.model_validate(card)


@dataclass(frozen=True)
class Fit:
    """A preprocessor with what a user should hear about it."""

    preprocessor: Preprocessor
    notes: list[str] = field(default_factory=list)


def fit_preprocessor(columns: Mapping[str, Column], kinds: Mapping[str, str]) -> Fit:
    """Fit on training rows alone. A column without any value is left out with a note.

    Raises: FeatureError if a numeric column holds text, or numbers too large to standardise.
    """
    features: list[Feature] = []
    notes: list[str] = []
    for name, kind in kinds.items():
        column = columns[name]
        if missing_mask(column).all():
            notes.append(f"column {name!r} has no value in the training rows and is left out")
        elif kind == "numeric":
            features.append(_fit_numeric(name, column))
        else:
            features.append(_fit_categorical(name, column, kind, notes))
    return Fit(Preprocessor(features=tuple(features)), notes)


class FeatureError(ValueError):
    """A column that cannot be a feature of the kind that was asked for."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def _fit_numeric(name: str, column: Column) -> NumericFeature:
    values = to_numbers(name, column)
    missing = np.isnan(values)
    median = float(np.median(values[~missing]))
    mean, scale = standard_units(np.where(missing, median, values))
    if not (math.isfinite(mean) and math.isfinite(scale)):
        raise FeatureError(name, f"column {name!r} holds numbers too large to standardise")
    return NumericFeature(name=name, median=median, mean=mean, scale=scale, indicator=bool(missing.any()))


def standard_units(values: NDArray[np.float64]) -> tuple[float, float]:
    """Measure mean and standard deviation (divided by N); the scale of a constant is exactly 0."""
    if values.min() == values.max():
        return float(values[0]), 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        return float(values.mean()), float(values.std())


def to_numbers(name: str, column: Column) -> NDArray[np.float64]:
    """Read a column as numbers, truth values as 0 and 1.

    Raises: FeatureError.
    """
    if column.dtype.kind == "f":
        return column
    try:
        return np.array([math.nan if cell is None else float(cell) for cell in column])
    except ValueError:
        text = next(cell for cell in column if cell is not None and not _is_number(cell))
        raise FeatureError(name, f"column {name!r} holds {text!r}, which is no number") from None


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _fit_categorical(name: str, column: Column, kind: str, notes: list[str]) -> CategoricalFeature:
    counts = Counter(category_text(cell) for cell in column)
    indicator = counts.pop(None, 0) > 0
    ranked = sorted((category for category in counts if category is not None), key=lambda c: (-counts[c], c))
    if len(ranked) > MAX_CATEGORIES:
        notes.append(
            f"column {name!r} has {len(ranked):,} categories; "
            f"the {MAX_CATEGORIES} most frequent are kept, the others count as unseen"
        )
    return CategoricalFeature(
        kind="boolean" if kind == "boolean" else "categorical",
        name=name,
        categories=tuple(sorted(ranked[:MAX_CATEGORIES])),
        indicator=indicator,
    )


def _is_canonical(category: str) -> bool:
    return _is_number(category) and category_text(float(category)) == category


def category_text(cell: Any) -> str | None:
    """Write a cell as a category: 3.0 is "3", True is "true", a missing value is None."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if not math.isfinite(cell):
        return None if math.isnan(cell) else str(cell)
    return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
