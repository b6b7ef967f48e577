"""Hypothesis strategies for legal spaces with chains of conditions."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import assume
from hypothesis import strategies as st

from search.space import Space

NAMES = ["a", "b", "c", "d"]


@st.composite
def numbers(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Draw a float or int parameter: of any law, lattice or not, with a default or not."""
    log = draw(st.sampled_from([False, True, "reverse"]))
    if kind == "int":
        low: float = draw(st.integers(1 if log else -1000, 1000))
        high: float = low + draw(st.integers(1, 500))
    else:
        low = draw(st.floats(1e-6 if log else -1e3, 1e3))
        high = low + draw(st.floats(1e-3, 1e3))
    parameter = {"type": kind, "low": low, "high": high, "log": log}
    if log != "reverse" and draw(st.booleans()):
        bent_low, bent_high = (math.log(low), math.log(high)) if log else (low, high)
        parameter["mean"] = draw(st.floats(bent_low, bent_high))
        parameter["sigma"] = draw(st.floats(0.02, 10)) * (bent_high - bent_low)
        ended = Space.model_validate({"x": parameter}).parameters["x"].model_dump()  # the law may end earlier
        low, high = ended["low"], ended["high"]
        assume(low < high)
    if kind == "int":
        parameter["step"] = draw(st.none() | st.integers(1, int(high - low)))
    else:
        parameter["step"] = draw(st.none() | st.floats((high - low) / 100, high - low))
    if draw(st.booleans()):
        between = st.integers(int(low), int(high)) if kind == "int" else st.floats(low, high)
        parameter["default"] = draw(between)
    return parameter


@st.composite
def choices(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a choice, with weights or not."""
    one = st.one_of(st.integers(-5, 5), st.text("xyz", max_size=3), st.booleans())
    values = draw(st.lists(one, min_size=2, max_size=5, unique_by=repr))
    weights = draw(st.none() | st.lists(st.integers(1, 6), min_size=len(values), max_size=len(values)))
    return {"type": "choice", "values": values, "weights": weights}


@st.composite
def spaces(draw: st.DrawFn, finite: bool = False) -> Space:
    """Draw a space in which parameters may depend on earlier ones."""
    drawn: dict[str, Any] = {}
    kinds = choices() if finite else st.one_of(numbers("float"), numbers("int"), choices())
    for name in NAMES[: draw(st.integers(1, 4))]:
        parameter = draw(kinds)
        for other in draw(st.sets(st.sampled_from(sorted(drawn)), max_size=2)) if drawn else []:
            parameter.setdefault("when", {})[other] = draw(_condition(drawn[other]))
        drawn[name] = parameter
    return Space.model_validate(drawn)


def _condition(parameter: dict[str, Any]) -> st.SearchStrategy[Any]:
    if parameter["type"] == "choice":
        return st.lists(st.sampled_from(parameter["values"]), min_size=1, max_size=3)
    middle = (parameter["low"] + parameter["high"]) / 2
    return st.sampled_from([{"ge": middle}, {"lt": middle}, {"gt": parameter["low"], "le": middle}])
