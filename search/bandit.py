"""What the population of PB2 goes on with: a Gaussian process over values and time that learns from improvements.

`search/schedulers/pb2.py` imports it when it is built.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from search.cube import Cube
from search.gaussian import Gaussian, Posterior, Values, score
from search.parameters import Domain

CANDIDATES = 512
"""Points at random that are compared."""
MOST_ROWS = 200
"""Improvements that the process learns from at most, the newest; its cost grows with the cube."""
FAR = 2.0
"""Improvements are cut so many deviations off their mean: a divergence tells no more than a bad step."""


class Standing(NamedTuple):
    """Where a trial stood when it was last heard: its age and its score, higher is better."""

    age: int
    score: float


class Row(NamedTuple):
    """What is known of a stretch before it is trained: its values in the cube, where it stands."""

    units: tuple[float, ...]
    standing: Standing


class Bandit:
    """Learns from stretches of training, and chooses values for the next one. A function of what it was told and of
    its seed.

    Source: Parker-Holder et al. 2020: time-varying GP bandit with an upper confidence bound, those who chose before in
    the same look counted by their variance (Desautels et al. 2014).
    """

    def __init__(self, mutable: Mapping[str, Domain], epochs: int, seed: int) -> None:
        from threadpoolctl import ThreadpoolController

        self._names, self._epochs, self._seed = list(mutable), epochs, seed
        self._cube = Cube(mutable)
        self._process = Gaussian(self._cube)
        self._under_way: dict[Any, Row] = {}
        self._trained: list[tuple[Row, float]] = []
        self._fitted_at = -1
        self._n_chosen = 0
        self._blas = ThreadpoolController()

    def hear(self, trial: Any, config: Mapping[str, Any], age: int, score: float) -> None:
        """Take in how far a trial has come; what it goes on with unless it copies is `config`."""
        begun = self._under_way.get(trial)
        if begun is not None and age > begun.standing.age:
            gain = (score - begun.standing.score) / (age - begun.standing.age)
            self._trained = [*self._trained, (begun, gain)][-MOST_ROWS:]
        self._under_way[trial] = self._row(config, Standing(age, score))

    def copy(self, trial: Any, config: Mapping[str, Any], source: Standing) -> None:
        """Take in that a trial goes on from another's weights with `config`."""
        self._under_way[trial] = self._row(config, source)

    def choose(self, trial: Any, standing: Standing) -> dict[str, Any] | None:
        """Choose encoded values with which a trial goes on from here; None while no improvement is known."""
        self._under_way.pop(trial, None)
        if len(self._trained) < 2:
            return None
        draws = np.random.default_rng([self._seed, self._n_chosen])
        self._n_chosen += 1
        units = self._cube.snap(draws.random((CANDIDATES, len(self._names))))
        # One thread: sums come out the same on any number of cores.
        with self._blas.limit(limits=1):
            posterior = self._learn(standing.age)
            rows = [Row(tuple(row), standing) for row in units.tolist()]
            mean, deviation = posterior.predict(self._features(rows))
        confidence = math.sqrt(0.2 + math.log(max(1.0, 0.4 * len(self._trained))))
        return self._cube.point(units[np.argmax(score("ucb", mean, deviation, np.zeros(1), confidence))])

    def _learn(self, age: int) -> Posterior:
        """Fit to all improvements; what is under way is taken to improve as expected, which narrows its variance."""
        features = self._features([row for row, _ in self._trained])
        gains = np.array([gain for _, gain in self._trained])
        spread = gains.std()
        losses = -np.clip((gains - gains.mean()) / spread, -FAR, FAR) if spread > 0 else np.zeros(len(gains))
        if age > self._fitted_at:
            # Made anew for every look: what helps changes with age, and the newest rows may be as many as before.
            self._fitted_at, self._process = age, Gaussian(self._cube)
            self._process.fit(features, losses)
        posterior = self._process.given(features, losses)
        chosen = [row for row in self._under_way.values() if row.standing.age >= age]
        if chosen:
            waiting = self._features(chosen)
            expected = posterior.predict(waiting)[0][:, 0]
            posterior = self._process.given(np.concatenate([features, waiting]), np.concatenate([losses, expected]))
        return posterior

    def _features(self, rows: list[Row]) -> Values:
        """Give rows [N] as the process sees them: values, age in shares of the budget, score between the known ones."""
        scores = [row.standing.score for row, _ in self._trained]
        low, high = min(scores), max(scores)
        width = high - low or 1.0
        places = [[r.standing.age / self._epochs, min(max((r.standing.score - low) / width, 0.0), 1.0)] for r in rows]
        units = np.array([row.units for row in rows]).reshape(len(rows), len(self._names))
        return np.concatenate([self._process.features(units), np.array(places)], axis=1)

    def _row(self, config: Mapping[str, Any], standing: Standing) -> Row:
        units = self._cube.snap(self._cube.units({name: config[name] for name in self._names})[None])[0]
        return Row(tuple(units.tolist()), standing)


class Explorer:
    """For PopulationBasedTraining: tells a bandit of every look at a trial, and asks it what a copy goes on with."""

    bandit: Bandit
    _trial_state: dict[Any, Any]

    def _save_trial_state(self, state: Any, time: int, result: Mapping[str, Any], trial: Any) -> Any:
        tune: Any = super()
        found = tune._save_trial_state(state, time, result, trial)
        self.bandit.hear(trial, trial.config, time, state.last_score)
        return found

    def _get_new_config(self, trial: Any, trial_to_clone: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """Give the copied config with values of the bandit's choice; varied as in PBT before it knows anything."""
        tune: Any = super()
        source = self._trial_state[trial_to_clone]
        standing = Standing(int(source.last_train_time), float(source.last_score))
        config, operations = tune._get_new_config(trial, trial_to_clone)
        chosen = self.bandit.choose(trial, standing)
        if chosen is not None:
            config, operations = {**trial_to_clone.config, **chosen}, dict.fromkeys(chosen, "bandit")
        self.bandit.copy(trial, config, standing)
        return config, operations
