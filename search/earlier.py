"""Points from elsewhere (a user, an earlier job) as points of a space: what fits, and what does not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from search.conditions import is_number, same_value
from search.space import Point, Space


def fit_point(
    space: Space, values: Mapping[str, Any], fixed: Mapping[str, Any] | None = None
) -> tuple[Point, dict[str, str]]:
    """Give the point of the space that has these values, and by name what does not fit.

    Parameters that `values` leaves out have their default; names that are none of the space are not looked at.
    """
    point = space.decode(space.encode(values), fixed)
    outside = {
        name: f"{json.dumps(values[name])} is given, the space has {_legal(space, name)}"
        for name, value in point.items()
        if name in values and not _is_same(value, values[name])
    }
    return point, outside


def _is_same(legal: Any, given: Any) -> bool:
    if is_number(legal) and is_number(given):
        return math.isclose(legal, given, rel_tol=1e-9, abs_tol=1e-12)
    return same_value(legal, given)


def _legal(space: Space, name: str) -> str:
    given = space.parameters[name].model_dump(exclude_defaults=True, exclude={"type", "when", "default"})
    return json.dumps(given)
