"""Numbers and JSON: JSON knows no NaN and no infinity, databases sort them differently. No SQL."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

_WRITER = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False)
_NAMES = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def finite(value: float | None) -> float | None:
    """Give the number, or None where it is none or not finite."""
    return float(value) if value is not None and math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Copy a tree of mappings, sequences and scalars with every float that is not finite replaced by None."""
    if isinstance(value, float):
        return finite(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def exact(values: Iterable[float]) -> list[float | str]:
    """Write floats so that JSON returns the same bits; those that are not finite become their names."""
    return [float(value) if math.isfinite(value) else _name(value) for value in values]


def from_exact(values: Iterable[float | str]) -> list[float]:
    """Read what `exact` wrote."""
    return [_NAMES[value] if isinstance(value, str) else float(value) for value in values]


def dump_json(value: Any) -> str:
    """Serialise compactly; a NaN that got this far is a mistake of ours and raises ValueError."""
    return _WRITER.encode(value)


def _name(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
