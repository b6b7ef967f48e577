"""One feature of a table at work: a column's cells to inputs. Fitted by `models/preprocess.py`."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from models.categories import CodedColumn, category_text, code_column
from models.dates import CYCLES, CycleName, to_days
from models.numbers import NumberEncoding
from models.table import Column

Cells = Column | CodedColumn
Out = NDArray[np.float32]


class NumericFeature(NumberEncoding):
    """One column scaled, or several embedded (`NumberEncoding`); zeros where `scale` is 0.

    With `indicator`, a column follows: 1 where the value was missing, else 0.
    """

    kind: Literal["numeric"] = "numeric"
    name: str
    indicator: bool

    @property
    def width(self) -> int:
        """Count the columns that this feature becomes."""
        return self.n_columns + self.indicator

    def encode(self, cells: Cells, out: Out) -> None:
        """Write the inputs. Shapes: cells [N], out [N, width]."""
        values = plain_cells(cells).astype(np.float64)
        self.write(values, out[:, : self.n_columns])
        if self.indicator:
            out[:, -1] = np.isnan(values)


class DateFeature(BaseModel):
    """The days since 1970-01-01 as a number; then, for each of `cycles`, sine and cosine of its angle.

    A missing date has 0 in the cycles. With `indicator`, a column follows: 1 where the date was missing, else 0.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["date"] = "date"
    name: str
    trend: NumberEncoding
    cycles: tuple[CycleName, ...]
    indicator: bool

    @property
    def width(self) -> int:
        """Count the columns that this feature becomes."""
        return self.trend.n_columns + 2 * len(self.cycles) + self.indicator

    def encode(self, cells: Cells, out: Out) -> None:
        """Write the inputs. Shapes: cells [N], out [N, width]."""
        dates = plain_cells(cells)
        missing = np.isnat(dates)
        start = self.trend.n_columns
        self.trend.write(to_days(dates), out[:, :start])
        for cycle in self.cycles:
            angle = 2 * math.pi * CYCLES[cycle](dates)
            out[:, start] = np.where(missing, 0, np.sin(angle))
            out[:, start + 1] = np.where(missing, 0, np.cos(angle))
            start += 2
        if self.indicator:
            out[:, -1] = missing


class CategoricalFeature(BaseModel):
    """One column per category, 1 where the row has it; then one for missing values if training had any.

    A category that training never saw, or saw too rarely, is zero in all of them. Truth values are the categories
    "false" and "true", numbers and dates are written as text (`category_text`).
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

    def encode(self, cells: Cells, out: Out) -> None:
        """Mark the category. Shapes: cells [N], out [N, width]."""
        column = code_column(cells)
        places = {category: place for place, category in enumerate(self.categories)}
        missing = len(self.categories) if self.indicator else -1
        lookup = np.array([*(places.get(value, -1) for value in column.values), missing])  # code -1 is the last one
        found = lookup[column.codes]
        rows = np.flatnonzero(found >= 0)
        out[:] = 0
        out[rows, found[rows]] = 1

    def unseen(self, cells: Cells) -> list[str]:
        """List the categories that have no column."""
        column, known = code_column(cells), set(self.categories)
        return [v for v, n in zip(column.values, column.counts(), strict=True) if n and v not in known]


Feature = NumericFeature | DateFeature | CategoricalFeature


def varying_number(feature: Feature) -> NumberEncoding | None:
    """Return the number that is the first input of a feature; None where there is none, or it was constant."""
    if isinstance(feature, CategoricalFeature):
        return None
    number = feature.trend if isinstance(feature, DateFeature) else feature
    return number if number.scale else None


def with_frequencies(feature: Feature, frequencies: tuple[float, ...]) -> Feature:
    """Give the number of a feature frequencies."""
    if isinstance(feature, DateFeature):
        trend = feature.trend.model_copy(update={"frequencies": frequencies})
        return feature.model_copy(update={"trend": trend})
    return feature.model_copy(update={"frequencies": frequencies})


def plain_cells(cells: Cells) -> Column:
    """Take cells of numbers or dates.

    Raises: TypeError for a column of categories.
    """
    if isinstance(cells, CodedColumn):
        raise TypeError("categories are given where numbers or dates are expected")
    return cells


def _is_canonical(category: str) -> bool:
    try:
        return category_text(float(category)) == category
    except ValueError:
        return False
