"""Rows of a table to what a network eats, and back: fitted on training rows, stored in a model's card as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from models.categories import CodedColumn, code_column
from models.dates import CYCLES, to_days
from models.features import (
    CategoricalFeature,
    Cells,
    DateFeature,
    Feature,
    NumericFeature,
    plain_cells,
    varying_number,
    with_frequencies,
)
from models.hyper_table import TableHyperparameters
from models.numbers import LEAST_QUANTILES, MOST_QUANTILES, QUANTILES, fit_numbers
from models.table import Column, missing_mask, plain_value

MOST_NUMBERS = 2**28
"""Numbers that the training rows may become, 1 GiB: categories, then embeddings, keep within it."""
LEAST_CATEGORIES = 16
"""Categories that a column may keep in any case."""


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

    features: tuple[Feature, ...] = Field(default=())

    @property
    def n_inputs(self) -> int:
        """Count the columns that a network is given."""
        return sum(feature.width for feature in self.features)

    @property
    def n_embedded(self) -> int:
        """Count the columns of `embed`."""
        numbers = [number for feature in self.features if (number := varying_number(feature)) and number.frequencies]
        return self.n_inputs + sum(2 * len(number.frequencies) - 1 for number in numbers)

    def transform(self, columns: Mapping[str, Cells]) -> NDArray[np.float32]:
        """Encode rows. Shapes: columns [N] each -> [N, D].

        Raises: KeyError for a column that is not there.
        """
        given = [columns[feature.name] for feature in self.features]
        encoded, start = np.empty((len(given[0]) if given else 0, self.n_inputs), np.float32), 0
        for feature, cells in zip(self.features, given, strict=True):
            feature.encode(cells, encoded[:, start : start + feature.width])
            start += feature.width
        return encoded

    def embed(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Make the sines and cosines of a network that has learned frequencies; what has none passes.

        Shapes: what `transform` returns [N, D] -> [N, n_embedded].
        """
        given = x.astype(np.float64)
        parts, done, start = [], 0, 0
        for feature in self.features:
            number = varying_number(feature)
            if number and number.frequencies:
                parts += [given[:, done:start], number.spread(given[:, start])]
                done = start + 1
            start += feature.width
        return np.concatenate([*parts, given[:, done:]], axis=1)

    def with_frequencies(self, learned: NDArray[np.float32], n_each: int) -> Preprocessor:
        """Take in the frequencies of a network, `n_each` for each number that is not constant.

        Raises: ValueError for more or fewer of them.
        """
        varying = [place for place, feature in enumerate(self.features) if varying_number(feature)]
        if learned.shape != (len(varying) * n_each,):
            raise ValueError(f"{learned.shape} frequencies are given for {len(varying)} numbers with {n_each} each")
        features = list(self.features)
        for place, frequencies in zip(varying, learned.reshape(-1, n_each).tolist(), strict=True):
            features[place] = with_frequencies(features[place], tuple(frequencies))
        return Preprocessor(features=tuple(features))

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


def fit_preprocessor(columns: Mapping[str, Cells], kinds: Mapping[str, str], hyper: TableHyperparameters) -> Fit:
    """Fit on training rows alone. A column without any value is left out with a note.

    Raises: FeatureError if a numeric column holds text, or numbers too large to standardise; EncodingError.
    """
    used = {name: kind for name, kind in kinds.items() if _has_value(columns[name])}
    left_out = [name for name in kinds if name not in used]
    notes = [f"column {name!r} has no value in the training rows and is left out" for name in left_out]
    n_scaled = sum(kind in ("numeric", "date") for kind in used.values())
    n_quantiles = min(QUANTILES, max(LEAST_QUANTILES, MOST_QUANTILES // max(n_scaled, 1)))
    fitted: dict[str, Feature] = {}
    for name, kind in used.items():
        if kind in ("numeric", "date"):
            fitted[name] = _fit_scaled(name, columns[name], hyper, n_quantiles)
    n_rows = len(next(iter(columns.values()))) if columns else 0
    room = MOST_NUMBERS // max(n_rows, 1) - sum(feature.width for feature in fitted.values())
    if room < 0 and hyper.numeric_embedding == "piecewise_linear":
        raise EncodingError(
            f"piecewise_linear makes {n_rows:,} rows more than {MOST_NUMBERS:,} numbers: take fewer embedding_bins"
        )
    coded = {name: code_column(columns[name]) for name, kind in used.items() if name not in fitted}
    most = min(hyper.max_categories, _fair_share([int((c.counts() > 0).sum()) for c in coded.values()], room))
    for name, column in coded.items():
        fitted[name] = _fit_categorical(name, column, used[name], hyper, most, notes)
    return Fit(Preprocessor(features=tuple(fitted[name] for name in used)), notes)


def _fair_share(wanted: list[int], room: int) -> int:
    """Find how many each may have at most, so that all find room."""
    for n_left, most in zip(range(len(wanted), 0, -1), sorted(wanted), strict=True):
        if most * n_left > room:
            return max(room // n_left, LEAST_CATEGORIES)
        room -= most
    return max(wanted, default=0)


class EncodingError(ValueError):
    """A way to encode for which a table is too large."""


class FeatureError(ValueError):
    """A column that cannot be a feature of the kind that was asked for."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


def _fit_scaled(name: str, cells: Cells, hyper: TableHyperparameters, n_quantiles: int) -> Feature:
    column = plain_cells(cells)
    dates = column if column.dtype.kind == "M" else None
    values = to_numbers(name, column) if dates is None else to_days(dates)
    try:
        encoding = fit_numbers(values, hyper, n_quantiles)
    except OverflowError as error:
        raise FeatureError(name, f"column {name!r} holds {error}") from None
    indicator = hyper.missing_indicator and bool(np.isnan(values).any())
    if dates is None:
        return NumericFeature(name=name, indicator=indicator, **encoding.model_dump())
    present = dates[~np.isnat(dates)]
    cycles = tuple(cycle for cycle, place_in in CYCLES.items() if len(np.unique(place_in(present))) > 1)
    return DateFeature(name=name, trend=encoding, cycles=cycles, indicator=indicator)


def _has_value(cells: Cells) -> bool:
    return bool((cells.codes >= 0).any() if isinstance(cells, CodedColumn) else not missing_mask(cells).all())


def to_numbers(name: str, column: Column) -> NDArray[np.float64]:
    """Read a column as numbers, truth values as 0 and 1.

    Raises: FeatureError.
    """
    if column.dtype.kind == "f":
        return column
    try:
        return np.array([math.nan if cell is None else float(cell) for cell in column])
    except (ValueError, TypeError):
        other = next(cell for cell in column if cell is not None and not _is_number(cell))
        raise FeatureError(name, f"column {name!r} holds {plain_value(other)!r}, which is no number") from None


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (ValueError, TypeError):
        return False
    return True


def _fit_categorical(
    name: str, column: CodedColumn, kind: str, hyper: TableHyperparameters, most: int, notes: list[str]
) -> CategoricalFeature:
    counts = column.counts()
    ranked = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
    if kind == "boolean":
        most = len(ranked)
    if len(ranked) > most:
        notes.append(
            f"column {name!r} has {len(ranked):,} categories; "
            f"the {most:,} most frequent are kept, the others count as unseen"
        )
    return CategoricalFeature(
        kind="boolean" if kind == "boolean" else "categorical",
        name=name,
        categories=tuple(column.values[place] for place in np.sort(ranked[:most])),
        indicator=hyper.missing_indicator and bool((column.codes < 0).any()),
    )
