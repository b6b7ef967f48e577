from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.conditions import Condition

VALUES = st.one_of(st.integers(-3, 3), st.booleans(), st.sampled_from(["a", "b"]), st.floats(-3, 3))
NUMBERS = st.integers(-3, 3)


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    operands: dict[str, Any] = {
        "eq": VALUES,
        "ne": VALUES,
        "in": st.lists(VALUES, max_size=4),
        **dict.fromkeys(["lt", "le", "gt", "ge"], NUMBERS),
    }
    chosen = draw(st.sets(st.sampled_from(sorted(operands)), min_size=1, max_size=3))
    return Condition.model_validate({operator: draw(operands[operator]) for operator in sorted(chosen)})


@given(left=conditions(), right=conditions(), value=VALUES)
def test_a_narrowed_condition_never_lets_in_what_either_refuses(left: Condition, right: Condition, value: Any) -> None:
    if left.narrowed(right).holds(value):
        assert left.holds(value)
        assert right.holds(value)


@given(left=conditions(), value=VALUES)
def test_narrowing_by_itself_changes_nothing(left: Condition, value: Any) -> None:
    assert left.narrowed(left).holds(value) == left.holds(value)


def test_a_bare_value_means_equal_and_a_list_means_any_of_it() -> None:
    assert Condition.model_validate("sgd").root == {"eq": "sgd"}
    assert Condition.model_validate(["sgd", "adam"]).holds("adam")
    assert not Condition.model_validate(["sgd", "adam"]).holds("adamw")


@pytest.mark.parametrize(
    ("given_condition", "value", "holds"),
    [
        (1, 1.0, True),
        (1, True, False),
        ({"ge": 1}, "2", False),
        ({"ge": 1}, True, False),
        ({"ge": 1, "lt": 3}, 2.5, True),
        ({"ge": 1, "lt": 3}, 3, False),
        ({"ne": 1}, "1", True),
        ([[64, 32]], [64, 32], True),
    ],
)
def test_values_are_compared_as_json_does(given_condition: Any, value: Any, holds: bool) -> None:
    assert Condition.model_validate(given_condition).holds(value) == holds


def test_a_condition_reads_aloud() -> None:
    assert str(Condition.model_validate({"ge": 1, "in": ["a"]})) == '>= 1 and in ["a"]'
