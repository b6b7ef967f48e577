"""Widths of hidden layers by shape: examples as in docs/search.md, and what holds for all of them."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.hyper import Hyperparameters
from models.shapes import SHAPES, ShapeName


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ("constant", (64, 64, 64, 64, 64)),
        ("funnel", (64, 52, 39, 26, 13)),
        ("triangle", (13, 26, 39, 52, 64)),
        ("long_funnel", (64, 64, 64, 43, 22)),
    ],
)
def test_five_layers_of_64_units_have_the_widths_that_the_documentation_tells(
    shape: ShapeName, widths: tuple[int, ...]
) -> None:
    assert Hyperparameters(hidden_layers=5, units=64, shape=shape).widths == widths


def test_every_shape_that_may_be_named_is_there() -> None:
    assert set(SHAPES) == set(get_args(ShapeName))


@given(shape=st.sampled_from(get_args(ShapeName)), units=st.integers(1, 65_536), n_layers=st.integers(0, 16))
def test_a_shape_has_as_many_layers_as_asked_for_none_empty_none_wider_than_units(
    shape: ShapeName, units: int, n_layers: int
) -> None:
    widths = Hyperparameters(hidden_layers=n_layers, units=units, shape=shape).widths
    assert len(widths) == n_layers
    assert all(1 <= width <= units for width in widths)
    assert not widths or max(widths) == units
    if "funnel" in shape:
        assert list(widths) == sorted(widths, reverse=True)
    if shape == "triangle":
        assert list(widths) == sorted(widths)


@given(units=st.integers(1, 65_536), n_layers=st.integers(0, 16))
def test_a_long_funnel_keeps_its_width_for_the_first_half(units: int, n_layers: int) -> None:
    widths = Hyperparameters(hidden_layers=n_layers, units=units, shape="long_funnel").widths
    half = -(-n_layers // 2)
    assert widths[:half] == (units,) * half


@pytest.mark.parametrize(
    ("shape", "units", "words"),
    [
        ("funnel", (16, 32), r"a funnel cannot be wider at its end, as with units \[16, 32\]"),
        ("long_funnel", (16, 16, 17), "a long_funnel cannot be wider at its end"),
        ("funnel", (32, 16), "shape can only be constant, not funnel"),
        ("triangle", (16, 32), "shape can only be constant, not triangle"),
    ],
)
def test_widths_for_every_layer_leave_nothing_to_shape(shape: str, units: tuple[int, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Hyperparameters(hidden_layers=len(units), units=units, shape=shape)
    assert Hyperparameters(hidden_layers=len(units), units=units).widths == units
