"""The language of constraints: it computes what Python computes, and refuses what may go wrong."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.expressions import ExpressionError, parse
from search.ranges import Range, check, range_of

VALUES: dict[str, Any] = {"a": 3, "b": 0.5, "units.1": 7, "op": "relu", "on": True, "my-name": 2}


def compute(text: str) -> Any:
    return parse(text).evaluate(VALUES)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a * 2 + 1 == 7", True),
        ("1 + 2 * a ** 2 == 19", True),
        ("2 ** 3 ** 2 == 512", True),
        ("-a ** 2 == -9", True),
        ("2 ** -1 == .5", True),
        ("-7 % 3 == 2", True),
        ("(1 + a) / 2 - 1 - 1 == 0", True),
        ("1 < a <= 3 < units.1", True),
        ("1 < a < 3", False),
        ("not a > 5 and b < 1 or a == 99", True),
        ("true or a > 5 and false", True),
        ("not (on and a == 3)", False),
        ("op == 'relu' and op != \"tanh\"", True),
        ("min(a, b, 2) == 0.5 and max(a, b) == 3", True),
        ("abs(b - a) == 2.5 and sqrt(a + 1) == 2 and log(1) == 0", True),
        ("`my-name` * 1e1 == 20", True),
    ],
)
def test_it_computes_by_the_usual_precedence(text: str, value: bool) -> None:
    assert compute(text) is value


NUMBERS = st.integers(1, 9).map(str) | st.sampled_from(["0.5", "2.25", "1e2"])
FORMULAS = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "%"]), inner).map(" ".join),
        st.tuples(NUMBERS, st.just("**"), st.sampled_from(["2", "-1", "0.5"])).map(" ".join),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
        st.tuples(inner, inner).map(lambda two: f"max({two[0]}, {two[1]})"),
        inner.map(lambda text: f"abs({text})"),
    ),
    max_leaves=12,
)


@given(FORMULAS)
def test_it_agrees_with_python_on_arithmetic(text: str) -> None:
    try:
        expected = float(eval(text, {"abs": abs, "max": max}))  # of a formula made here
    except (ZeroDivisionError, OverflowError):
        with pytest.raises(ArithmeticError):
            compute(text)
        return
    assert compute(text) == pytest.approx(expected, rel=1e-12)


@given(FORMULAS, st.floats(-5, 5), st.floats(0, 5), st.floats(0, 1))
def test_what_passes_the_check_never_fails_and_stays_within_the_range(
    text: str, low: float, width: float, share: float
) -> None:
    node = parse(f"(x + {text}) * (x - 2) / (x * x + 1) + sqrt(abs(x)) ** 2 + min(x, 1) % 7")
    known = {"x": Range("number", low, low + width)}
    try:
        found = check(node, known)
    except ExpressionError:
        return
    value = node.evaluate({"x": min(low + share * width, low + width)})
    slack = 1e-9 * max(1.0, abs(found.low), abs(found.high))
    assert found.low - slack <= value <= found.high + slack


@pytest.mark.parametrize(
    ("text", "words", "at"),
    [
        ("", "not 'the end'", 1),
        ("a <=", "not 'the end'", 5),
        ("a b", "'b' is not expected", 3),
        ("(a > 1", "')' is expected", 7),
        ("a = 1", 'write "=="', 3),
        ("a & 1", "'&' is no part", 3),
        ("a > 1 ;", "';' is no part", 7),
        ("exp(a)", "no function 'exp'; allowed: min, max, abs, log, sqrt", 1),
        ("__import__('os')", "no function '__import__'", 1),
        ("a.b(1)", "no function 'a.b'", 1),
        ("[a]", "'[' is no part", 1),
        ("min(a)", "at least two", 1),
        ("abs(a, b)", "one number", 1),
        ("1e999 > a", "too large", 1),
        ("(" * 60 + "a" + ")" * 60, "within each other", 51),
        ("+".join("a" * 60), "within each other", 100),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, words: str, at: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert words in str(caught.value)
    assert str(caught.value).endswith(f"(character {at})")


@given(st.text(alphabet="ab1.+-*/%()<>=!,'` andortue", max_size=40))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        node = parse(text)
    except ExpressionError:
        return
    assert node.at < len(text)


KNOWN = {
    "a": Range("number", 0, 3),
    "b": Range("number", -1, 1),
    "big": Range("number", 1, 1e100),
    "op": Range("text"),
    "on": Range("bool"),
}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 / a > 2", "may divide by 0: what it divides by goes from 0 to 3"),
        ("a % b > 2", "may divide by 0"),
        ("1 / (a - 2) > 2", "from -2 to 1"),
        ("log(a) > 1", "goes down to 0"),
        ("sqrt(b) > 1", "goes down to -1"),
        ("b ** 0.5 > 1", "a power that is not a whole number"),
        ("b ** -1 > 1", "divides by 0"),
        ("big ** 9 > 1", "beyond all bounds"),
        ("big * big * big * big > 1", "beyond all bounds"),
        ("op > 3", "compares text with a number"),
        ("op < 'relu'", "compares numbers, not text"),
        ("op + 1 > 2", "needs a number, and this is text"),
        ("a and on", "needs something true or false, and this is a number"),
        ("not a > 1 + on", "needs a number, and this is true or false"),
    ],
)
def test_what_may_go_wrong_is_refused(text: str, words: str) -> None:
    with pytest.raises(ExpressionError, match=r"character \d+") as caught:
        check(parse(text), KNOWN)
    assert words in str(caught.value)


def test_what_cannot_go_wrong_passes() -> None:
    for text in ["1 / (a + 0.1) > 2", "b ** 2 / (b ** 2 + 1) < 1", "op == 'x' or on", "log(a + 1) + a % 2 > b ** 3"]:
        assert check(parse(text), KNOWN).kind == "bool"


def test_ranges_of_lists() -> None:
    assert range_of([3, 1.5, 2]) == Range("number", 1.5, 3)
    assert range_of(["a", "b"]) == Range("text")
    assert range_of([True, False]) == Range("bool")
    assert [range_of(values) for values in ([1, "a"], [1, True], [[1]], [None], [])] == [None] * 5
    assert math.isfinite(Range("bool").low)
