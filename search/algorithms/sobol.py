"""Quasi-random search: scrambled Sobol points by SciPy, fed to BasicVariantGenerator."""

from __future__ import annotations

import warnings
from typing import Any, Literal

from search.plugins import Algorithm, SearchRequest


class Sobol(Algorithm):
    """Spreads points evenly over the space: a scrambled Sobol sequence.

    Source: Owen 1998, Scrambling Sobol' and Niederreiter-Xing Points.
    """

    kind: Literal["sobol"] = "sobol"

    def build(self, request: SearchRequest) -> Any:
        from ray.tune.search import BasicVariantGenerator
        from scipy.stats.qmc import Sobol as Sequence

        from search.cube import Cube

        first = [dict(point) for point in request.initial_points]
        cube = Cube(request.domains)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The balance properties")  # of numbers of trials not 2 ** m
            rows = Sequence(len(cube.sides), rng=request.seed).random(max(request.trials - len(first), 0))
        points = first + [cube.point(row) for row in rows]
        return BasicVariantGenerator(points_to_evaluate=points, max_concurrent=0, random_state=request.seed)
