"""Peers are compared fairly: like scores for like configurations, one list and one turn for everybody."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import groupby
from multiprocessing import resource_tracker
from statistics import mean

import pytest
import torch
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from benchmarks.peer_systems import OURS, SYSTEMS, sklearn_search
from benchmarks.peer_systems.figures import Run, find_fastest, summarise
from benchmarks.peer_systems.host import Host
from benchmarks.peer_systems.plain_loop import Tensors, train_to_the_end
from benchmarks.peer_systems.task import BODY, EPOCHS, Point, Score, Searched, load_rows, score
from benchmarks.peers import rotate
from models.bundled import bundled_table, bundled_target
from models.prepare import prepare
from tests.e2e.running import descendants, wait_until
from tests.workers.memory_sink import MemorySink
from tests.workers.races import Race
from workers.spec import read_spec, resolve

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")  # ten epochs are the task
FIXED = {"batch_size": 32}
GRID = {
    "units": {"type": "choice", "values": [32, 128]},
    "hidden_layers": {"type": "choice", "values": [1, 2]},
    "learning_rate": {"type": "choice", "values": [3e-4, 1e-3, 4e-3]},
}
SEEDS = (7, 107)
# Over six pairs of seeds, means of accuracy differed by at most 0.009 from torch and 0.020 from scikit-learn, whose
# own initial weights favour small networks that are trained too little; rank correlations were above 0.85.
Train = Callable[[list[Point], int], list[Score]]


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train_ours(seed: int) -> tuple[list[Point], list[Score]]:
    """Run a grid job on two packs in this process; its points, and the scores of their last epochs."""
    table = bundled_table("digits")
    own = {"fixed": {**BODY["fixed"], **FIXED}, "space": GRID, "algorithm": {"kind": "grid"}, "seed": seed}
    job = resolve(
        read_spec({**BODY, **own, "budget": {"epochs_per_trial": EPOCHS}}), table.schema, [bundled_target("digits")]
    )
    sink = MemorySink()
    Race(job, prepare(table, job.prepare_request())).run(sink, seats=2)
    numbers = sorted(sink.stored.trials)
    points = [{**FIXED, **sink.stored.trials[number].parameters} for number in numbers]
    last = [sink.stored.reports[number, EPOCHS].values for number in numbers]
    return points, [Score(*(values[job.metrics.index(name)] for name in Score._fields)) for values in last]


def train_plainly(points: list[Point], seed: int) -> list[Score]:
    data = Tensors.of(load_rows())
    return [train_to_the_end(point, data, seed + number) for number, point in enumerate(points)]


def train_scikit_learn(points: list[Point], seed: int) -> list[Score]:
    rows, scores = load_rows(), []
    for number, point in enumerate(points):
        model = sklearn_search.make_classifier(seed + number).set_params(**sklearn_search.to_scikit_learn(point))
        with threadpool_limits(1):
            model.fit(rows.x_train, rows.y_train)
        scores.append(score(model.predict_proba(rows.x_valid), rows.y_valid))
    return scores


def average(scores: list[list[Score]]) -> list[Score]:
    """Average over seeds, point by point."""
    return [Score(*map(mean, zip(*of_point, strict=True))) for of_point in zip(*scores, strict=True)]


@pytest.fixture(scope="module")
def ours() -> tuple[list[Point], list[Score]]:
    runs = [train_ours(seed) for seed in SEEDS]
    points = runs[0][0]
    assert len(points) == 12
    assert [run[0] for run in runs] == [points] * len(runs)
    return points, average([run[1] for run in runs])


@pytest.mark.slow
@pytest.mark.parametrize(("train", "margin"), [(train_plainly, 0.02), (train_scikit_learn, 0.03)])
def test_ours_scores_like_others_on_the_same_configurations(
    ours: tuple[list[Point], list[Score]], train: Train, margin: float
) -> None:
    points, our_scores = ours
    scores = average([train(points, seed) for seed in SEEDS])
    assert mean(s.accuracy for s in scores) == pytest.approx(mean(s.accuracy for s in our_scores), abs=margin)
    assert mean(s.log_loss for s in scores) == pytest.approx(mean(s.log_loss for s in our_scores), abs=0.06)
    assert spearmanr([s.log_loss for s in scores], [s.log_loss for s in our_scores])[0] > 0.7


def test_every_score_is_told_of_the_point_it_belongs_to() -> None:
    """A search by scikit-learn draws the list in an order of its own."""
    rate = {"units": 32, "hidden_layers": 1, "batch_size": 128}
    points = [{**rate, "learning_rate": value} for value in (3e-2, 3e-4, 3e-3, 1e-3)]
    with Host(SYSTEMS["sklearn-float32"]) as host:
        found = host.search(points, seed=3)
    alone = [train_scikit_learn([point], seed=3)[0] for point in points]
    assert [s.log_loss for s in found.scores] == pytest.approx([s.log_loss for s in alone], rel=1e-3)
    assert 0 < found.start_seconds < found.seconds


@pytest.fixture(scope="module")
def drawn() -> tuple[list[Point], Searched]:
    """Four points that our service drew, and what it found with them; it has ended without a trace."""
    before = children_now()
    with Host(SYSTEMS[OURS]) as host:
        points = host.ask("draw", 4, 5)
        found = host.search(points, 5)
        with pytest.raises(ValueError, match="other points"):
            host.search(points[::-1], 5)
    wait_until(lambda: children_now() <= before, 60, "all processes have ended")
    return points, found


def children_now() -> set[int]:
    resource_tracker.ensure_running()  # multiprocessing's own, which stays
    return set(descendants(os.getpid()))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("peer", ["sklearn-float64", "ray-reuse", "ray-stock"])
def test_peers_take_the_list_that_ours_drew_and_leave_nothing_running(
    drawn: tuple[list[Point], Searched], peer: str
) -> None:
    points, ours = drawn
    before = children_now()
    with Host(SYSTEMS[peer]) as host:
        found = host.search(points, 5)
    assert len(found.scores) == len(ours.scores) == 4
    assert mean(s.accuracy for s in found.scores) == pytest.approx(mean(s.accuracy for s in ours.scores), abs=0.1)
    wait_until(lambda: children_now() <= before, 60, "all processes have ended")


def test_every_system_has_one_turn_per_round_and_another_goes_first() -> None:
    turns = list(rotate(["a", "b", "c"], 3))
    rounds = [[name for _, name in group] for _, group in groupby(turns, key=lambda turn: turn[0])]
    assert [sorted(names) for names in rounds] == [["a", "b", "c"]] * 3
    assert max(Counter(names[0] for names in rounds).values()) == 1


def make_run(system: str, drawn_for: int, ms_per_trial: float, n_trials: int | None = None) -> Run:
    n_trials = n_trials or drawn_for
    scores = [Score(0.5 - 0.1 * number / n_trials, 0.9) for number in range(n_trials)]
    return Run(system, drawn_for, Searched(ms_per_trial * n_trials / 1e3, [{}] * n_trials, scores))


def test_ratios_are_of_medians_and_a_prefix_is_scaled_to_every_size() -> None:
    times = {"fast": 60.0, "slower": 90.0, OURS: 10.0}
    runs = [make_run(name, size, ms) for name, ms in times.items() for size in (8, 16)]
    runs += [make_run(OURS, 8, 11.0), make_run(OURS, 8, 1000.0), make_run("prefix", 8, 2200.0, n_trials=4)]
    systems = summarise(runs, dict.fromkeys([*times, "prefix"], "as it comes"))
    assert systems["fast"]["by_trials"]["8"]["times_ours"] == {"8": 5.5}
    assert systems["fast"]["by_trials"]["16"]["times_ours"] == {"16": 6.0}
    assert systems["prefix"]["by_trials"]["4"]["times_ours"] == {"8": 200.0, "16": 220.0}
    assert systems["prefix"]["by_trials"]["4"]["beside_ours"]["accuracy_difference"] == 0
    assert {size: of["system"] for size, of in find_fastest(systems).items()} == {"8": "fast", "16": "fast"}
