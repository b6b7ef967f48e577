"""A small language of arithmetic and comparisons over names: parsed by hand, never evaluated by Python.

    or, and, not · == != < <= > >= (they chain) · + - * / % ** · min max abs log sqrt · numbers, "text", true, false

A name with other characters than letters, digits, _ and . stands in backticks. What the names are is not decided here.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

MOST_DEPTH = 50
"""Brackets, signs, calls and operations within each other: computing recurses."""

TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_]\w*(?:\.\w+)*|`[^`]+`)"
    r'|(?P<text>"[^"]*"|\'[^\']*\')|(?P<sign>\*\*|[=!<>]=|[-+*/%<>(),]))'
)
WORDS = {"and", "or", "not", "true", "false"}
BINDING = {"or": 1, "and": 2, "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4}
BINDING |= {"+": 5, "-": 5, "*": 6, "/": 6, "%": 6, "**": 8}
NOT, SIGN, COMPARISON = 3, 7, 4

ARITHMETIC: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "%": operator.mod,
    "**": math.pow,
}
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FUNCTIONS: dict[str, tuple[int, Callable[..., float]]] = {
    "min": (2, min),
    "max": (2, max),
    "abs": (1, abs),
    "log": (1, math.log),
    "sqrt": (1, math.sqrt),
}
"""The least number of arguments, which of one is the only one, and what it computes."""


class ExpressionError(ValueError):
    """Says what is wrong, and at which character, counted from 1."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(f"{message} (character {at + 1})")


@dataclass(frozen=True)
class Node:
    """One step of a computation. `kind` is number, text, name, call, sign, not, arithmetic, compare, and, or, bool;
    `value` what it is of its kind; `at` its place in the text."""

    kind: str
    value: Any
    at: int
    parts: tuple[Node, ...] = ()
    depth: int = 0

    def names(self) -> Iterator[Node]:
        """Go through the names that it speaks of."""
        if self.kind == "name":
            yield self
        for part in self.parts:
            yield from part.names()

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Compute it.

        Raises: ArithmeticError, ValueError where a value is outside what `search/ranges.py` has looked at.
        """
        if self.kind == "name":
            value = values[self.value]
            return value if isinstance(value, str | bool) else float(value)
        if self.kind in ("and", "or"):
            is_enough = self.kind == "or"
            return is_enough if any(p.evaluate(values) is is_enough for p in self.parts) else not is_enough
        if not self.parts:
            return self.value
        found = [part.evaluate(values) for part in self.parts]
        if self.kind == "compare":
            pairs = zip(self.value, found, found[1:], strict=False)
            return all(COMPARE[sign](left, right) for sign, left, right in pairs)
        if self.kind == "arithmetic":
            return ARITHMETIC[self.value](*found)
        if self.kind == "call":
            return FUNCTIONS[self.value][1](*found)
        return not found[0] if self.kind == "not" else -found[0]


def _node(kind: str, value: Any, at: int, *parts: Node) -> Node:
    depth = 1 + max((part.depth for part in parts), default=0)
    if depth > MOST_DEPTH:
        raise ExpressionError(f"more than {MOST_DEPTH} operations lie within each other", at)
    return Node(kind, value, at, parts, depth)


class Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """Read an expression.

    Raises: ExpressionError.
    """
    reader = _Reader(list(_tokens(text)))
    node = reader.expression(0)
    if reader.token.kind != "end":
        raise ExpressionError(f"{reader.token.text!r} is not expected here", reader.token.at)
    return node


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while text[at:].strip():
        found = TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            what = '"=" alone means nothing: write "=="' if text[start] == "=" else f"{text[start]!r} is no part of it"
            raise ExpressionError(what, start)
        kind = str(found.lastgroup)
        word = found.group(kind)
        yield Token("word" if word in WORDS else kind, word, found.start(kind))
        at = found.end()
    yield Token("end", "the end", len(text))


class _Reader:
    """Reads by precedence, as in Pratt 1973, Top down operator precedence."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens, self._place, self._depth = tokens, 0, 0

    @property
    def token(self) -> Token:
        return self._tokens[self._place]

    def _take(self) -> Token:
        self._place += 1
        return self._tokens[self._place - 1]

    def _expect(self, sign: str) -> None:
        if self.token.text != sign or self.token.kind != "sign":
            raise ExpressionError(f"{sign!r} is expected here, not {self.token.text!r}", self.token.at)
        self._take()

    def expression(self, least: int) -> Node:
        """Read as far as signs bind at least so closely."""
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise ExpressionError(f"more than {MOST_DEPTH} expressions lie within each other", self.token.at)
        left = self._first()
        while self.token.kind in ("sign", "word") and BINDING.get(self.token.text, -1) >= max(least, 1):
            left = self._more(left)
        self._depth -= 1
        return left

    def _first(self) -> Node:
        token = self._take()
        match token.kind, token.text:
            case "number", text:
                value = float(text)
                if not math.isfinite(value):
                    raise ExpressionError(f"{text} is too large", token.at)
                return _node("number", value, token.at)
            case "text", text:
                return _node("text", text[1:-1], token.at)
            case "word", "true" | "false":
                return _node("bool", token.text == "true", token.at)
            case "word", "not":
                return _node("not", None, token.at, self.expression(NOT))
            case "sign", "-":
                return _node("sign", None, token.at, self.expression(SIGN))
            case "sign", "(":
                inner = self.expression(0)
                self._expect(")")
                return inner
            case "name", name:
                is_call = self.token == Token("sign", "(", self.token.at)
                return self._call(token) if is_call else _node("name", name.strip("`"), token.at)
        raise ExpressionError(f"a number, a name or a bracket is expected here, not {token.text!r}", token.at)

    def _more(self, left: Node) -> Node:
        token = self._take()
        binding = BINDING[token.text]
        if binding == COMPARISON:
            signs, parts = [token.text], [left, self.expression(COMPARISON + 1)]
            while self.token.text in COMPARE and self.token.kind == "sign":
                signs.append(self._take().text)
                parts.append(self.expression(COMPARISON + 1))
            return _node("compare", tuple(signs), token.at, *parts)
        # A power binds what stands to its right first: 2 ** 3 ** 2 is 2 ** 9, and 2 ** -1 has a sign.
        right = self.expression(SIGN if token.text == "**" else binding + 1)
        kind = token.text if token.kind == "word" else "arithmetic"
        return _node(kind, token.text, token.at, left, right)

    def _call(self, name: Token) -> Node:
        if name.text not in FUNCTIONS:
            raise ExpressionError(f"there is no function {name.text!r}; allowed: {', '.join(FUNCTIONS)}", name.at)
        self._expect("(")
        parts = [self.expression(0)]
        while self.token.text == "," and self.token.kind == "sign":
            self._take()
            parts.append(self.expression(0))
        self._expect(")")
        least = FUNCTIONS[name.text][0]
        if len(parts) < least or (least == 1 and len(parts) > 1):
            raise ExpressionError(
                f"{name.text} takes {'one number' if least == 1 else 'at least two'}, not {len(parts)}", name.at
            )
        return _node("call", name.text, name.at, *parts)
