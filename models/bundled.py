"""Data sets that need no upload: five of scikit-learn's and four 2-D ones like TensorFlow Playground's."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.table import Column, Table

BUNDLED = ("iris", "wine", "breast_cancer", "digits", "diabetes", "circle", "xor", "gauss", "spiral")
N_POINTS = 500
RADIUS = 5.0
POINTS_SEED = 2016

_TARGETS = {
    "iris": "species",
    "wine": "cultivar",
    "breast_cancer": "diagnosis",
    "digits": "digit",
    "diabetes": "progression",
}
_Floats = NDArray[np.float64]


def bundled_target(name: str) -> str:
    """Name the target column of a bundled set.

    Raises: KeyError.
    """
    _check(name)
    return _TARGETS.get(name, "label")


@cache
def bundled_table(name: str) -> Table:
    """Load or draw a bundled set; the same rows every time.

    Raises: KeyError.
    """
    _check(name)
    columns = _sklearn_columns(name) if name in _TARGETS else _point_columns(name)
    for column in columns.values():
        column.setflags(write=False)
    return Table(columns)


def _check(name: str) -> None:
    if name not in BUNDLED:
        raise KeyError(f"no bundled set is called {name!r}; there are {', '.join(BUNDLED)}")


def _sklearn_columns(name: str) -> dict[str, Column]:
    from sklearn import datasets  # half a second: only for those who ask

    options = {"scaled": False} if name == "diabetes" else {}
    bunch = getattr(datasets, f"load_{name}")(**options)
    columns: dict[str, Column] = {
        str(feature): np.array(bunch.data[:, i], dtype=np.float64) for i, feature in enumerate(bunch.feature_names)
    }
    if name in ("digits", "diabetes"):
        columns[_TARGETS[name]] = np.array(bunch.target, dtype=np.float64)
    else:
        classes = [str(label) for label in bunch.target_names]
        columns[_TARGETS[name]] = _labels(bunch.target, classes)
    return columns


def _labels(indices: NDArray[Any], classes: list[str]) -> Column:
    return np.array(classes, dtype=object)[indices.astype(np.int64)]


def _point_columns(name: str) -> dict[str, Column]:
    draw: dict[str, Callable[[np.random.Generator], tuple[_Floats, _Floats, NDArray[np.bool_]]]] = {
        "circle": _draw_circle,
        "xor": _draw_xor,
        "gauss": _draw_gauss,
        "spiral": _draw_spiral,
    }
    x1, x2, is_blue = draw[name](np.random.default_rng(POINTS_SEED))
    return {"x1": x1, "x2": x2, "label": _labels(is_blue, ["orange", "blue"])}


def _halves() -> NDArray[np.bool_]:
    return np.arange(N_POINTS) < N_POINTS // 2


def _draw_circle(rng: np.random.Generator) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Draw a disc of half the radius and a ring around it, a gap between them."""
    inner = _halves()
    share = rng.uniform(size=N_POINTS)
    radius = RADIUS * np.where(inner, 0.5 * share, 0.7 + 0.3 * share)
    angle = rng.uniform(0, 2 * np.pi, N_POINTS)
    return radius * np.sin(angle), radius * np.cos(angle), inner


def _draw_xor(rng: np.random.Generator) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Draw four squares, the same class across the diagonal, a gap along the axes."""
    points = rng.uniform(-RADIUS, RADIUS, (2, N_POINTS))
    x1, x2 = points + 0.3 * np.sign(points)
    return x1, x2, x1 * x2 >= 0


def _draw_gauss(rng: np.random.Generator) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Draw two clouds of unit spread around (2, 2) and (-2, -2)."""
    blue = _halves()
    x1, x2 = rng.normal(size=(2, N_POINTS)) + np.where(blue, 2.0, -2.0)
    return x1, x2, blue


def _draw_spiral(rng: np.random.Generator) -> tuple[_Floats, _Floats, NDArray[np.bool_]]:
    """Draw two arms of 1.75 turns, half a turn apart, with a little noise."""
    blue = _halves()
    share = np.arange(N_POINTS) % (N_POINTS // 2) / (N_POINTS // 2)
    angle = 1.75 * share * 2 * np.pi + np.where(blue, 0.0, np.pi)
    noise = rng.uniform(-0.1, 0.1, (2, N_POINTS))
    return RADIUS * share * np.sin(angle) + noise[0], RADIUS * share * np.cos(angle) + noise[1], blue
