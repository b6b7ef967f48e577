from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from search.parameters import ChoiceParameter
from search.space import Categories, Interval, Space
from tests.search.spaces import spaces


def space_of(**parameters: Any) -> Space:
    return Space.model_validate(parameters)


def problems_of(space: Space, **fixed: Any) -> dict[str, str]:
    return {problem.path: problem.message for problem in space.problems(fixed)}


RATE = {"type": "float", "low": 1e-4, "high": 1e-1, "log": True}
DEPTH = {"type": "int", "low": 0, "high": 3}


def is_legal(parameter: Any, value: Any) -> bool:
    if isinstance(parameter, ChoiceParameter):
        return any(value is other or (value == other and type(value) is type(other)) for other in parameter.values)
    if not parameter.low <= value <= parameter.high:
        return False
    steps = (value - parameter.low) / (parameter.step or 1)
    is_lattice = parameter.type == "int" or parameter.step is not None
    return not is_lattice or math.isclose(steps, round(steps), abs_tol=1e-6)


@given(space=spaces(), data=st.data())
def test_decode_makes_a_legal_point_of_any_numbers(space: Space, data: st.DataObject) -> None:
    any_float = st.floats(allow_nan=True, allow_infinity=True)
    encoded = {name: data.draw(any_float) for name in space.parameters if data.draw(st.integers(0, 9))}
    point = space.decode(encoded)
    for name, value in point.items():
        assert is_legal(space.parameters[name], value)
    for name, parameter in space.parameters.items():
        holds = all(other in point and condition.holds(point[other]) for other, condition in parameter.when.items())
        assert (name in point) == holds


@given(space=spaces(), data=st.data())
def test_a_point_survives_encoding(space: Space, data: st.DataObject) -> None:
    point = space.decode({name: data.draw(st.floats(-1e4, 1e4)) for name in space.parameters})
    encoded = space.encode(point)
    assert set(encoded) == set(space.domains()), "inactive parameters are filled in"
    assert space.decode(encoded) == point


@given(space=spaces(), data=st.data())
def test_encoded_points_lie_in_their_domains(space: Space, data: st.DataObject) -> None:
    point = space.decode({name: data.draw(st.floats(-1e4, 1e4)) for name in space.parameters})
    for name, code in space.encode(point).items():
        domain = space.domains()[name]
        if isinstance(domain, Interval):
            assert domain.low <= code <= domain.high
            assert domain.low > 0 or not domain.log
        else:
            assert code in range(domain.n)


@given(space=spaces())
def test_the_default_point_is_a_point_of_the_space(space: Space) -> None:
    point = space.default_point()
    assert space.decode(space.encode(point)) == point
    for name, value in point.items():
        given_default = space.parameters[name].default
        if given_default is not None:
            assert value == space.parameters[name].fit(given_default)


@given(space=spaces(finite=True))
def test_a_grid_holds_every_point_exactly_once(space: Space) -> None:
    codes = [range(domain.n) for domain in space.domains().values() if isinstance(domain, Categories)]
    reachable = {
        repr(space.decode(dict(zip(space.parameters, code, strict=True)))) for code in itertools.product(*codes)
    }
    grid = [repr(point) for point in space.grid()]
    assert len(grid) == len(set(grid))
    assert set(grid) == reachable
    assert [repr(point) for point in space.grid(limit=3)] == grid[:3]


@given(space=spaces())
def test_a_space_survives_json(space: Space) -> None:
    assert Space.model_validate_json(space.model_dump_json()) == space


def test_every_point_of_a_lattice_is_equally_likely_and_none_leaves_the_bounds() -> None:
    space = space_of(n={"type": "int", "low": 2, "high": 11, "step": 3})
    assert space.domains()["n"] == Interval(0.5, 12.5, step=3)
    decoded = [space.decode({"n": 0.5 + 12 * k / 1200})["n"] for k in range(1201)]
    assert {value: decoded.count(value) for value in set(decoded)} == {2: 300, 5: 300, 8: 300, 11: 301}


def test_steps_are_written_as_people_write_them() -> None:
    assert [point["x"] for point in space_of(x={"type": "float", "low": 0.1, "high": 0.5, "step": 0.1}).grid()] == [
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
    ]


def test_the_default_of_a_trainer_is_clipped_into_the_space() -> None:
    space = space_of(rate=RATE, op={"type": "choice", "values": ["relu", "tanh"]}, depth=DEPTH)
    assert space.default_point({"rate": 5.0, "op": "tanh", "depth": 2}) == {"rate": 1e-1, "op": "tanh", "depth": 2}
    assert space.default_point({"op": "elu"}) == {"rate": pytest.approx(10**-2.5), "op": "relu", "depth": 2}
    assert space.with_defaults({"depth": 9}).default_point()["depth"] == 3


def test_widths_per_layer_follow_the_number_of_layers() -> None:
    units = {"type": "int", "low": 8, "high": 64, "per_layer": True}
    space = space_of(depth=DEPTH, units=units).expand_layers("depth")
    assert list(space.parameters) == ["depth", "units.1", "units.2", "units.3"]
    assert space.decode({"depth": 2, "units.1": 9, "units.2": 10, "units.3": 11}) == {
        "depth": 2,
        "units.1": 9,
        "units.2": 10,
    }
    assert list(space_of(units=units).expand_layers("depth", {"depth": 2}).parameters) == ["units.1", "units.2"]
    picked = space_of(depth={"type": "choice", "values": [1, 3]}, units=units).expand_layers("depth")
    assert "units.3" in picked.parameters
    assert space.default_point({"units": 32, "depth": 1}) == {"depth": 1, "units.1": 32}


def test_conditions_chain() -> None:
    space = space_of(
        c={"type": "choice", "values": [1, 2], "when": {"b": "yes"}},
        b={"type": "choice", "values": ["yes", "no"], "when": {"a": {"ge": 2}}},
        a={"type": "int", "low": 1, "high": 3},
    )
    assert space.decode({"a": 3, "b": 0, "c": 1}) == {"c": 2, "b": "yes", "a": 3}
    assert space.decode({"a": 3, "b": 1, "c": 1}) == {"b": "no", "a": 3}
    assert space.decode({"a": 1, "b": 0, "c": 1}) == {"a": 1}
    assert space.depends_on("c") == {"a", "b"}
    assert len(space.grid()) == 1 + 2 * 3


def test_conditions_may_speak_of_what_is_fixed() -> None:
    space = space_of(momentum={"type": "float", "low": 0.1, "high": 0.9, "when": {"optimizer": ["sgd"]}})
    assert space.decode({"momentum": 0.5}, {"optimizer": "sgd"}) == {"momentum": 0.5}
    assert space.decode({"momentum": 0.5}, {"optimizer": "adam"}) == {}
    assert problems_of(space, optimizer="sgd") == {}
    assert space.given({"optimizer": "sgd"}).decode({"momentum": 0.5}) == {"momentum": 0.5}


def test_a_condition_that_can_never_hold_is_named() -> None:
    momentum = {"type": "float", "low": 0.1, "high": 0.9, "when": {"optimizer": "sgd"}}
    found = problems_of(space_of(momentum=momentum), optimizer="adam")
    assert "optimizer is always 'adam'" in found["space.momentum.when.optimizer"]
    deep = {"type": "int", "low": 1, "high": 9, "when": {"depth": {"gt": 3}}}
    assert "no value of depth" in problems_of(space_of(depth=DEPTH, deep=deep))["space.deep.when.depth"]


def test_a_chain_that_contradicts_itself_is_named() -> None:
    space = space_of(
        depth=DEPTH,
        b={"type": "choice", "values": [1, 2], "when": {"depth": {"ge": 2}}},
        c={"type": "choice", "values": [1, 2], "when": {"b": 1, "depth": {"lt": 2}}},
    )
    assert list(problems_of(space)) == ["space.c.when.depth"]


@pytest.mark.parametrize(
    ("when", "may_hold"),
    [
        ({"gt": 2, "lt": 3}, False),
        ({"ge": 2, "le": 2}, True),
        ({"ne": 2, "ge": 2, "le": 3}, True),
        ({"in": [7, "2"]}, False),
        ({"gt": 2.5}, True),
        (True, False),
        ({"ne": "x"}, True),
    ],
)
def test_whole_numbers_are_judged_as_whole_numbers(when: Any, may_hold: bool) -> None:
    space = space_of(depth=DEPTH, x={"type": "choice", "values": [1, 2], "when": {"depth": when}})
    assert (problems_of(space) == {}) == may_hold


def test_an_open_interval_between_two_floats_can_hold() -> None:
    inside = {"type": "choice", "values": [1, 2], "when": {"rate": {"gt": 0.05, "lt": 0.05000001}}}
    assert problems_of(space_of(rate=RATE, x=inside)) == {}


def test_circles_and_unknown_names_are_named() -> None:
    circle = space_of(
        a={"type": "choice", "values": [1, 2], "when": {"b": 1}},
        b={"type": "choice", "values": [1, 2], "when": {"a": 1}},
        c={"type": "choice", "values": [1, 2], "when": {"nothing": 1}},
    )
    found = problems_of(circle, known=1)
    assert set(found) == {"space.a.when", "space.b.when", "space.c.when.nothing"}
    assert "allowed: a, b, known" in found["space.c.when.nothing"]


@pytest.mark.parametrize(
    ("parameter", "path", "words"),
    [
        ({"type": "float", "low": 2.0, "high": 1.0}, "low", "low is 2 and high is 1"),
        ({"type": "int", "low": 3, "high": 3}, "low", "belongs in fixed"),
        ({"type": "float", "low": 0.0, "high": 1.0, "log": True}, "low", "log needs low above 0, got 0"),
        ({"type": "int", "low": -1, "high": 1, "log": True}, "low", "above 0"),
        ({"type": "float", "low": 0.0, "high": 1.0, "step": 2.0}, "step", "step is 2"),
        ({"type": "float", "low": 0.0, "high": 1.0, "step": 1e-12}, "step", "it must be from"),
        ({"type": "int", "low": 0, "high": 9, "default": 10}, "default", "from 0 to 9"),
        ({"type": "choice", "values": [1]}, "values", "nothing to choose"),
        ({"type": "choice", "values": []}, "values", "nothing to choose"),
        ({"type": "choice", "values": ["a", "b", "a"]}, "values", "twice"),
        ({"type": "choice", "values": ["a", "b"], "default": "c"}, "default", "none of"),
    ],
)
def test_a_parameter_without_legal_values_is_named(parameter: dict[str, Any], path: str, words: str) -> None:
    found = problems_of(space_of(x=parameter))
    assert list(found) == [f"space.x.{path}"]
    assert words in found[f"space.x.{path}"]


def test_all_problems_are_told_at_once() -> None:
    bad = {"type": "float", "low": 2.0, "high": 1.0}
    assert set(problems_of(space_of(x=bad, y=bad))) == {"space.x.low", "space.y.low"}


@pytest.mark.parametrize(
    "parameter",
    [
        {"type": "float", "low": "0.1", "high": 1.0},
        {"type": "float", "low": 0.1, "high": math.inf},
        {"type": "int", "low": 0.5, "high": 3},
        {"type": "int", "low": 0, "high": 3, "speed": 1},
        {"type": "normal", "low": 0, "high": 3},
        {"type": "int", "low": 0, "high": 10**30},
        {"type": "int", "low": 0, "high": 3, "when": {"y": {}}},
        {"type": "int", "low": 0, "high": 3, "when": {"y": {"lt": "a"}}},
        {"type": "int", "low": 0, "high": 3, "when": {"y": {"in": 3}}},
        {"type": "int", "low": 0, "high": 3, "when": {"y": {"gt": 10**400}}},
        {"type": "int", "low": 0, "high": 3, "when": {"y": {"near": 3}}},
    ],
)
def test_what_is_no_parameter_is_refused(parameter: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        space_of(x=parameter)
