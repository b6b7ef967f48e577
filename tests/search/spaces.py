"""Hypothesis strategies for legal spaces with chains of conditions."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from search.space import Space

NAMES = ["a", "b", "c", "d"]


@st.composite
def numbers(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """Draw a float or int parameter: log or not, lattice or not, with a default or not."""
    log = draw(st.booleans())
    if kind == "int":
        low: float = draw(st.integers(1 if log else -1000, 1000))
        high: float = low + draw(st.integers(1, 500))
        step = draw(st.none() | st.integers(1, int(high - low)))
    else:
        low = draw(st.floats(1e-6 if log else -1e3, 1e3))
        high = low + draw(st.floats(1e-3, 1e3))
        step = draw(st.none() | st.floats((high - low) / 100, high - low))
    parameter = {"type": kind, "low": low, "high": high, "log": log, "step": step}
    if draw(st.booleans()):
        between = st.integers(int(low), int(high)) if kind == "int" else st.floats(low, high)
        parameter["default"] = draw(between)
    return parameter


CHOICES = st.lists(
    st.one_of(st.integers(-5, 5), st.text("xyz", max_size=3), st.booleans()), min_size=2, max_size=5, unique_by=repr
).map(lambda values: {"type": "choice", "values": values})


@st.composite
def spaces(draw: st.DrawFn, finite: bool = False) -> Space:
    """Draw a space in which parameters may depend on earlier ones."""
    drawn: dict[str, Any] = {}
    kinds = CHOICES if finite else st.one_of(numbers("float"), numbers("int"), CHOICES)
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
