"""Columns of categories as codes: one small whole number for each row, each category's text once. No encodings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.dates import date_text
from models.table import Column


@dataclass(frozen=True, eq=False)
class CodedColumn:
    """Rows of categories.

    Shapes: codes [N] int32, the place of each row's category among `values`, -1 where it is missing. `values` are
    sorted texts; some may stand in no row.
    """

    codes: NDArray[np.int32]
    values: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, rows: Any) -> CodedColumn:
        """Pick rows."""
        return CodedColumn(self.codes[rows], self.values)

    def counts(self) -> NDArray[np.int64]:
        """Count the rows of each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))


def code_column(column: Column | CodedColumn) -> CodedColumn:
    """Write cells as categories (`category_text`) and number these."""
    if isinstance(column, CodedColumn):
        return column
    if column.dtype.kind in "fM":
        distinct, places = np.unique(column, return_inverse=True)
        return _sort([category_text(value) for value in distinct], places)
    found: dict[str | None, int] = {}
    texts = (cell if type(cell) is str else category_text(cell) for cell in column)
    places = np.fromiter((found.setdefault(text, len(found)) for text in texts), np.intp, len(column))
    return _sort(list(found), places)


def _sort(texts: Sequence[str | None], places: NDArray[np.intp]) -> CodedColumn:
    values = sorted({text for text in texts if text is not None})
    ranks = {text: rank for rank, text in enumerate(values)}
    codes = np.array([-1 if text is None else ranks[text] for text in texts], dtype=np.int32)
    return CodedColumn(codes[places], tuple(values))


def category_text(cell: Any) -> str | None:
    """Write a cell as a category: 3.0 is "3", True is "true", a date is "2020-01-31", a missing value is None."""
    if cell is None or isinstance(cell, str):
        return cell
    if isinstance(cell, np.datetime64):
        return None if np.isnat(cell) else date_text(cell)
    if isinstance(cell, (bool, np.bool_)):
        return "true" if cell else "false"
    if not math.isfinite(cell):
        return None if math.isnan(cell) else str(cell)
    return str(int(cell)) if float(cell).is_integer() else repr(float(cell))
