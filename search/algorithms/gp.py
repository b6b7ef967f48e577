"""Bayesian optimisation with a Gaussian process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from search.plugins import Algorithm, SearchRequest
from search.problems import FieldProblem
from search.space import Space

if TYPE_CHECKING:
    import numpy as np

    from search.cube import Cube, Units
    from search.gaussian import Values
    from search.proposals import History

WORLDS = 8
"""Sets of values drawn for trials that are under way (and, under nei, for all)."""
CANDIDATES, ROUNDS, LEADERS = 512, 5, 8
"""Points that are compared: so many at random, then so many rounds around the leaders."""
MOST_POINTS = 300
"""Trials that the process learns from at most: the newest, and the best. Its cost grows with the cube."""


class GaussianProcess(Algorithm):
    """Fits a Gaussian process (Matern 5/2) and proposes where it promises most.

    Trials under way are fantasised, so that several at once do not crowd. Sources: Snoek et al. 2012, Practical
    Bayesian Optimization of Machine Learning Algorithms; for nei Letham et al. 2019, Constrained Bayesian Optimization
    with Noisy Experiments.
    """

    kind: Literal["gp"] = "gp"
    learns: ClassVar[bool] = True

    acquisition: Literal["ei", "pi", "ucb", "nei"] = Field(
        default="nei",
        description="Noisy expected improvement; expected improvement, its probability or a confidence bound on values "
        "taken as they are.",
    )
    xi: float = Field(default=0.0, ge=0, le=10, description="Improvement that counts (ei, pi, nei), in deviations.")
    kappa: float = Field(default=2.0, ge=0, le=100, description="Deviations that ucb hopes for.")
    n_initial_points: int | None = Field(
        default=None,
        ge=2,
        le=10_000,
        description="Quasi-random points before it learns; null is a fifth of the trials, from 5 to 20.",
    )
    per_second: bool = Field(
        default=False, description="Divide what a point promises by the time it takes, by a second model."
    )

    def problems(self, space: Space, trials: int | None) -> list[FieldProblem]:
        if self.per_second and self.acquisition == "ucb":
            message = "ucb bounds a value, which is no gain that could be divided by time: take ei, pi or nei"
            return [FieldProblem("algorithm.per_second", message)]
        return []

    def n_random(self, trials: int) -> int:
        return min(self._n_first(trials), trials)

    def settled(self, trials: int) -> GaussianProcess:
        return self.model_copy(update={"n_initial_points": self._n_first(trials)})

    def build(self, request: SearchRequest) -> Any:
        from scipy.stats.qmc import Sobol
        from threadpoolctl import ThreadpoolController

        from search.cube import Cube
        from search.gaussian import Gaussian
        from search.proposals import tune_search

        cube = Cube(request.domains)
        n_first = self._n_first(request.trials)
        design = Sobol(len(cube.sides), rng=request.seed).random_base2(n_first.bit_length())
        values, durations = Gaussian(cube), Gaussian(cube)
        blas = ThreadpoolController()

        def propose(history: History, draws: np.random.Generator) -> Mapping[str, Any]:
            n_told = sum(told.has_ended for told in history)
            if n_told < 2 or len(history) < n_first:
                return cube.point(design[len(history) % len(design)])
            # One thread: sums come out the same on any number of cores, and small products are no slower.
            with blas.limit(limits=1):
                promise = self._promise(history, draws, cube, values, durations)
                return cube.point(_search(promise, _known(history, cube), cube, draws))

        return tune_search(request, propose)

    def _n_first(self, trials: int) -> int:
        return self.n_initial_points or min(max(trials // 5, 5), 20)

    def _promise(
        self, history: History, draws: np.random.Generator, cube: Cube, process: Any, clock: Any
    ) -> Callable[[Units], Values]:
        """Fit, and give the function that says what a point promises."""
        import numpy as np

        from search.gaussian import score
        from search.proposals import comparable

        found = comparable(history, 2 * len(cube.sides))
        if len(found) > MOST_POINTS:
            best_first = sorted(found, key=lambda pair: pair[1])[: MOST_POINTS // 2]
            kept = {told.number for told, _ in [*best_first, *found[-(MOST_POINTS // 2) :]]}
            found = [pair for pair in found if pair[0].number in kept]
        features = process.features(_rows([told for told, _ in found], cube))
        heard = process.normal([value for _, value in found])
        posterior = process.fit(features, heard)
        heard_of = {told.number for told, _ in found}
        waiting = [told for told in history if not told.has_ended and told.number not in heard_of]
        points, worlds = features, heard[:, None]
        if waiting or self.acquisition == "nei":
            points = np.concatenate([features, process.features(_rows(waiting, cube))])
            drawn = posterior.draw(points, WORLDS, draws)
            if self.acquisition != "nei":
                drawn[: len(heard)] = heard[:, None]
            posterior, worlds = process.given(points, drawn), drawn
        best = worlds.min(axis=0)
        trade_off = self.kappa if self.acquisition == "ucb" else self.xi
        seconds = _duration(found, features, clock) if self.per_second else None

        def promise(units: Units) -> Values:
            at = process.features(units)
            mean, deviation = posterior.predict(at)
            promised = score(self.acquisition, mean, deviation, best, trade_off)
            return promised if seconds is None else promised / seconds(at)

        return promise


def _duration(found: list[Any], features: Values, clock: Any) -> Callable[[Values], Values] | None:
    """Fit how long trials take, on a logarithmic scale; None where all take the same."""
    import numpy as np

    logs = np.log([max(told.seconds, 1e-9) for told, _ in found])
    if logs.std() < 1e-9:
        return None
    posterior = clock.fit(features, (logs - logs.mean()) / logs.std())
    return lambda at: np.exp(posterior.predict(at)[0][:, 0] * logs.std())


def _rows(history: History, cube: Cube) -> Units:
    """Give the places of trials [N, D]."""
    import numpy as np

    return cube.snap(np.array([cube.units(told.point) for told in history]).reshape(len(history), len(cube.sides)))


def _known(history: History, cube: Cube) -> set[bytes]:
    """Points of a finite space are not tried twice."""
    return set() if cube.size is None else {row.tobytes() for row in _rows(history, cube)}


def _search(promise: Callable[[Units], Values], known: set[bytes], cube: Cube, draws: np.random.Generator) -> Units:
    """Find the point that promises most, among points at random and, in rounds, around the leaders."""
    import numpy as np

    n_sides = len(cube.sides)
    units = cube.snap(draws.random((CANDIDATES, n_sides)))
    promises = promise(units)
    for scale in [0.2 * 0.4**k for k in range(ROUNDS)]:
        leaders = units[np.argsort(-promises, kind="stable")[:LEADERS]]
        near = np.repeat(leaders, CANDIDATES // LEADERS // 2, axis=0)
        moved = draws.random(near.shape) < max(0.3, 1 / n_sides)
        moved[np.arange(len(near)), draws.integers(n_sides, size=len(near))] = True
        free = np.array([side.is_free for side in cube.sides])
        steps = np.where(free, draws.random(near.shape) - near, draws.normal(size=near.shape) * cube.steps(scale))
        near = cube.snap(np.where(moved, near + steps, near))
        units, promises = np.concatenate([units, near]), np.concatenate([promises, promise(near)])
    order = np.argsort(-promises, kind="stable")
    return next((units[place] for place in order if units[place].tobytes() not in known), units[order[0]])
