"""The digits search in `models/` alone: one pack trains all trials, from its making to the last report.

Also what `limit.py` shares with it: lanes that must not end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.peaks import Machine
from benchmarks.results import ROOT, spread
from models.bundled import bundled_table, bundled_target
from models.hyper import Hyperparameters
from models.lanes import LaneStart, PackSettings
from models.pack import Pack
from models.prepare import prepare
from search.space import Interval, Space
from workers.resolved import ResolvedJob
from workers.spec import read_spec, resolve
from workers.trainers import TRAINERS


def start(pack: Pack, hypers: Sequence[Hyperparameters]) -> None:
    """Admit lanes. Raises: RuntimeError if one cannot be built."""
    if refused := pack.start([LaneStart(lane, hyper, seed=lane) for lane, hyper in enumerate(hypers)]):
        raise RuntimeError(f"{len(refused)} lanes were refused: {refused[0]}")


def train(pack: Pack, lanes: int, epochs: int = 1) -> None:
    """Train all lanes. Raises: RuntimeError if one has ended, which would be fast for the wrong reason."""
    reports = pack.train(dict.fromkeys(range(lanes), epochs))
    if ended := [report for report in reports if report.outcome]:
        raise RuntimeError(f"{len(ended)} lanes have ended: {ended[0]}")


def race_digits(machine: Machine, n_trials: int, runs: int) -> dict[str, Any] | None:
    """Train random trials of examples/digits.json; None without scikit-learn, which holds the data."""
    if find_spec("sklearn") is None:
        return None
    body = json.loads((ROOT / "examples" / "digits.json").read_text())
    table = bundled_table("digits")
    job = resolve(read_spec(body), table.schema, [bundled_target("digits")])
    data, hypers = prepare(table, job.prepare_request()).data, draw_trials(job, n_trials)
    settings = PackSettings(job.seed, tuple(job.scores), job.objective.maximize)

    def race() -> None:
        pack = Pack(data, settings, machine.device, machine.dtype)
        start(pack, hypers)
        train(pack, n_trials, job.epochs)

    race()
    seconds = [machine.time(race) for _ in range(runs)]
    return {
        "trials": n_trials,
        "epochs": job.epochs,
        "ms_per_trial": spread([second / n_trials * 1e3 for second in seconds], 3),
        "trials_per_second": spread([n_trials / second for second in seconds], 1),
    }


def draw_trials(job: ResolvedJob, n_trials: int) -> list[Hyperparameters]:
    """Draw points of the job's space; the same for the same seed."""
    rng = np.random.default_rng(job.seed)
    build = TRAINERS[job.trainer].build
    return [build(job.decode(_draw(job.space, rng)), job.fixed) for _ in range(n_trials)]


def _draw(space: Space, rng: np.random.Generator) -> dict[str, float]:
    point: dict[str, float] = {}
    for name, domain in space.domains().items():
        if not isinstance(domain, Interval):
            point[name] = int(rng.integers(domain.n))
        elif domain.log:
            point[name] = float(np.exp(rng.uniform(np.log(domain.low), np.log(domain.high))))
        else:
            point[name] = float(rng.uniform(domain.low, domain.high))
    return point
