"""Random search, by Ray Tune's BasicVariantGenerator."""

from __future__ import annotations

from typing import Any, Literal

from search.plugins import Algorithm, SearchRequest


class Random(Algorithm):
    """Draws every point independently."""

    kind: Literal["random"] = "random"

    def build(self, request: SearchRequest) -> Any:
        from ray.tune.search import BasicVariantGenerator

        points = [dict(point) for point in request.initial_points]
        return BasicVariantGenerator(points_to_evaluate=points, max_concurrent=0, random_state=request.seed)
