"""The systems that `benchmarks.peers` compares, one file each; `host` runs them in processes of their own."""

from __future__ import annotations

from typing import NamedTuple

OURS = "regatta"


class Entry(NamedTuple):
    """Where a system is. A slow one gets a prefix of the list only; `algorithm` is what a seeker searches with."""

    module: str
    kind: str
    is_slow: bool = False
    algorithm: str = ""


SYSTEMS = {
    OURS: Entry("regatta", "Regatta"),
    "optuna": Entry("optuna_study", "OptunaStudy"),
    "optuna-tuned": Entry("optuna_processes", "OptunaProcesses"),
    "sklearn-float64": Entry("sklearn_search", "Float64Search"),
    "sklearn-float32": Entry("sklearn_search", "Float32Search"),
    "ray-reuse": Entry("ray_reuse", "RayReuse"),
    "ray-stock": Entry("ray_stock", "RayStock", is_slow=True),
    "keras-tuner": Entry("keras_search", "KerasSearch", is_slow=True),
}
"""For the time per trial."""

SEEKERS = {
    f"{OURS} random": Entry("regatta", "RandomAsha", algorithm="random, asha; over HTTP, stop_at"),
    f"{OURS} hyperopt": Entry("regatta", "HyperoptAsha", algorithm="hyperopt, asha; over HTTP, stop_at"),
    "optuna": Entry("optuna_study", "OptunaStudy", algorithm="TPESampler, HyperbandPruner; one process"),
    "sklearn-float32": Entry("sklearn_search", "Float32Search", algorithm="HalvingRandomSearchCV of 64 over max_iter"),
    "ray-reuse": Entry("ray_reuse", "RayReuse", algorithm="random, ASHAScheduler; actors reused"),
    "keras-tuner": Entry("keras_search", "KerasSearch", algorithm="Hyperband; one process"),
}
"""For the time to a given score: each with its own best algorithm."""
