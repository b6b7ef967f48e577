"""The bandit of pb2 finds what improves, at the age at which it improves, and does not crowd."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from search.bandit import Bandit, Standing
from search.parameters import Categories, Interval

MUTABLE = {"rate": Interval(1e-5, 1.0, log=True), "kind": Categories(3)}


def trained(gain: Callable[[dict[str, Any], int], float], looks: int = 5, seed: int = 0) -> Bandit:
    """Tell a bandit of twelve trials that go on with other values after each look."""
    draws = np.random.default_rng(seed)
    bandit = Bandit(MUTABLE, epochs=50, seed=seed)
    scores = np.zeros(12)
    for look in range(1, looks + 1):
        for trial in range(12):
            config = {"rate": 10 ** draws.uniform(-5, 0), "kind": int(draws.integers(3)), "units": 7}
            bandit.hear(trial, config, 5 * look, scores[trial])
            scores[trial] += 5 * gain(config, 5 * look)
    for trial in range(12):
        bandit.hear(trial, {"rate": 1e-5, "kind": 0}, 5 * looks + 5, scores[trial])
    return bandit


def near(rate: float) -> Callable[[dict[str, Any], int], float]:
    return lambda config, age: -abs(math.log10(config["rate"] / rate)) - (config["kind"] != 1)


def test_it_chooses_what_improved_on_a_logarithmic_scale_and_among_choices() -> None:
    for seed in range(3):
        chosen = trained(near(1e-3), seed=seed).choose("copy", Standing(30, 0.0))
        assert chosen is not None
        assert 1e-4 < chosen["rate"] < 1e-2
        assert chosen["kind"] == 1
        assert set(chosen) == set(MUTABLE)


def test_what_improves_late_is_not_what_improved_early() -> None:
    bandit = trained(lambda config, age: near(1e-1 if age < 15 else 1e-4)(config, age), looks=8)
    chosen = bandit.choose("copy", Standing(45, 0.0))
    assert chosen is not None
    assert chosen["rate"] < 3e-3


def test_those_who_choose_in_one_look_do_not_choose_the_same() -> None:
    bandit, standing = trained(lambda config, age: 0.0), Standing(30, 0.0)
    rates = []
    for trial in range(4):
        chosen = bandit.choose(trial, standing)
        assert chosen is not None
        bandit.copy(trial, chosen, standing)
        rates.append((round(math.log10(chosen["rate"]), 1), chosen["kind"]))
    assert len(set(rates)) == 4


def test_it_is_a_function_of_what_it_heard_and_of_its_seed() -> None:
    first, again = (trained(near(1e-3)).choose("copy", Standing(30, 0.0)) for _ in range(2))
    assert first == again
    assert trained(near(1e-3), seed=1).choose("copy", Standing(30, 0.0)) != first


def test_a_divergence_does_not_drown_the_differences_between_the_others() -> None:
    worst = near(1e-3)
    chosen = trained(lambda config, age: -1e30 if config["rate"] > 0.3 else worst(config, age)).choose(
        "copy", Standing(30, 0.0)
    )
    assert chosen is not None
    assert chosen["rate"] < 0.3


def test_it_chooses_nothing_before_it_knows_of_improvements() -> None:
    bandit = Bandit(MUTABLE, epochs=50, seed=0)
    bandit.hear(0, {"rate": 0.1, "kind": 0}, 5, 1.0)
    assert bandit.choose(0, Standing(5, 1.0)) is None
