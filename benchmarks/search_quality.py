"""`python -m benchmarks.search_quality`: how good the searches are, on two published tables of final results.

Each algorithm at parallelism 1 and at the default of a job, beside Optuna and Hyperopt by themselves, the exact
expectation of random search and the optimum; with what a suggestion costs. Settings were chosen on the table of protein
structures: that of Parkinson's telemonitoring is the one to judge by. Source of the tables: Klein and Hutter 2019,
Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plots import open_axes
from benchmarks.results import save_plot, write_result
from benchmarks.tabular import Searched, expected_best, read_algorithm, search_table, summarise
from search.schedulers.fifo import Fifo
from service.settings import Settings, export_ray_environment
from workers.spec import default_algorithm
from workers.trainers.table import ResultTable, TableError

TABLES = {"protein": "fcnet_protein_structure.npz", "parkinsons": "fcnet_parkinsons_telemonitoring.npz"}
SPACE = "fcnet_space.json"
AIMS = {"protein": 0.227, "parkinsons": 0.0085}
"""What the default algorithm is to reach on average."""
ALGORITHMS = {
    "random": {"kind": "random"},
    "sobol": {"kind": "sobol"},
    "hyperopt": {"kind": "hyperopt"},
    "hyperopt anneal": {"kind": "hyperopt", "algo": "anneal"},
    "optuna": {"kind": "optuna"},
    "optuna cmaes": {"kind": "optuna", "sampler": "cmaes"},
    "optuna nsgaii": {"kind": "optuna", "sampler": "nsgaii"},
    "bohb": {"kind": "bohb"},
    "evolution": {"kind": "evolution"},
    "gp": {"kind": "gp"},
    "gp ei": {"kind": "gp", "acquisition": "ei"},
    "gp pi": {"kind": "gp", "acquisition": "pi"},
    "gp ucb": {"kind": "gp", "acquisition": "ucb"},
}
DRAWN = ("random", "hyperopt", "optuna", "evolution", "gp")
COLORS = ("#8c959f", "#bf8700", "#8250df", "#1a7f37", "#0a3069")


def optuna_alone(table: ResultTable, trials: int, seed: int, ordered: bool) -> list[float]:
    """Run Optuna's default sampler by itself; numbers by their place in the list, or as categories."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial: Any) -> float:
        point = {}
        for name, parameter in table.space.parameters.items():
            values = list(parameter.lattice() or [])
            is_number = ordered and not isinstance(values[0], str)
            point[name] = (
                values[trial.suggest_int(name, 0, len(values) - 1)]
                if is_number
                else trial.suggest_categorical(name, values)
            )
        return float(table.values[table.build(point).place])

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(objective, n_trials=trials)
    return [trial.value for trial in study.trials]


def hyperopt_alone(table: ResultTable, trials: int, seed: int, ordered: bool) -> list[float]:
    """Run Hyperopt's TPE by itself; numbers as quantised uniform places in the list, or as choices."""
    import hyperopt
    from hyperopt import hp

    space, lists = {}, {}
    for name, parameter in table.space.parameters.items():
        lists[name] = list(parameter.lattice() or [])
        is_number = ordered and not isinstance(lists[name][0], str)
        last = len(lists[name]) - 1
        # Half a step beyond both ends, so that all are equally likely.
        space[name] = hp.uniform(name, -0.5, last + 0.5) if is_number else hp.choice(name, range(last + 1))

    def objective(places: Mapping[str, float]) -> float:
        point = {name: lists[name][min(max(round(places[name]), 0), len(lists[name]) - 1)] for name in lists}
        return float(table.values[table.build(point).place])

    told = hyperopt.Trials()
    hyperopt.fmin(
        objective,
        space,
        algo=hyperopt.tpe.suggest,
        max_evals=trials,
        trials=told,
        rstate=np.random.default_rng(seed),
        show_progressbar=False,
        verbose=False,
    )
    return [float(loss) for loss in told.losses()]


ALONE: dict[str, Callable[[ResultTable, int, int, bool], list[float]]] = {
    "Optuna alone": optuna_alone,
    "Hyperopt alone": hyperopt_alone,
}


def measure(table: ResultTable, names: Sequence[str], trials: int, seeds: int) -> dict[str, Any]:
    """Run all searches on one table."""
    figures: dict[str, Any] = {
        "optimum": float(table.values.min()),
        "random expected": {str(n): expected_best(table, n) for n in (trials, 2 * trials)},
        "random expected course": [expected_best(table, n) for n in range(1, trials + 1)],
        "algorithms": {},
        "libraries": {},
    }
    for name in names:
        algorithm = read_algorithm(json.dumps(ALGORITHMS[name]))
        alone = [search_table(table, algorithm, trials, seed, 1) for seed in range(seeds)]
        figures["algorithms"][name] = {
            "parallelism 1": _summed(alone),
            "default parallelism": _summed([search_table(table, algorithm, trials, seed) for seed in range(seeds)]),
        }
        print(name, _told(figures["algorithms"][name]["parallelism 1"]), file=sys.stderr, flush=True)
    for library, run in ALONE.items():
        for how in ("choices", "places"):
            found = [np.minimum.accumulate(run(table, trials, seed, how == "places")) for seed in range(seeds)]
            summed = summarise([float(course[-1]) for course in found])
            figures["libraries"][f"{library}, numbers as {how}"] = summed
            print(library, how, _told(summed), file=sys.stderr, flush=True)
    return figures


def judge(tables: Mapping[str, Any], trials: int) -> dict[str, Any]:
    """Say which of the promises hold, table by table; a mean counts as no worse within two standard errors."""
    found: dict[str, Any] = {}
    for table, figures in tables.items():
        ours = {name: of["parallelism 1"] for name, of in figures["algorithms"].items()}
        at_random = figures["random expected"]
        best_alone = {
            library: min((of for name, of in figures["libraries"].items() if name.startswith(library)), key=_mean)
            for library in ALONE
        }
        checks = {
            f"{kind} no worse than {library}": _no_worse(ours[kind], best_alone[library])
            for kind, library in (("optuna", "Optuna alone"), ("hyperopt", "Hyperopt alone"))
            if kind in ours
        }
        if "random" in ours:
            error = max(ours["random"]["stderr"], 1e-12)
            checks["random within 2 standard errors of its expectation"] = (
                abs(_mean(ours["random"]) - at_random[str(trials)]) < 2 * error
            )
        for kind in {"gp", "evolution"} & ours.keys():
            checks[f"{kind} beats random at {2 * trials} trials"] = _mean(ours[kind]) < at_random[str(2 * trials)]
        best, default = min(ours, key=lambda name: _mean(ours[name])), default_algorithm(Fifo(), 1).kind
        if default in ours:
            checks[f"{default}, the default, no worse than the best"] = _no_worse(ours[default], ours[best])
            checks[f"{default}, the default, reaches {AIMS[table]}"] = _mean(ours[default]) <= AIMS[table]
        found[table] = {"best": best, **checks}
    return found


def draw(tables: Mapping[str, Any], trials: int) -> None:
    """Draw the regret by trials: mean over seeds, and the expectation of random search."""
    figure, columns = open_axes(8.0, 2.9, len(tables))
    for axes, (name, figures) in zip(columns, tables.items(), strict=True):
        steps, optimum = np.arange(1, trials + 1), figures["optimum"]
        expected = np.array(figures["random expected course"]) - optimum
        axes.plot(steps, expected, color="#1f2328", linestyle=":", label="random, exact")
        for kind, color in zip(DRAWN, COLORS, strict=True):
            if kind in figures["algorithms"]:
                course = np.array(figures["algorithms"][kind]["parallelism 1"]["course"]) - optimum
                axes.plot(steps, np.maximum(course, 1e-5), color=color, label=kind)
        axes.set_yscale("log")
        axes.set_xlabel("trials")
        axes.set_title(name)
    columns[0].set_ylabel("mean distance from the optimum")
    columns[-1].legend(frameon=False, fontsize=7)
    save_plot("search_quality", figure)


def _summed(searches: Sequence[Searched]) -> dict[str, Any]:
    best = [search.best for search in searches]
    n_trials = len(best[0])
    return {
        **summarise([course[-1] for course in best]),
        "ms_per_trial": round(statistics.median(s.seconds for s in searches) / n_trials * 1e3, 2),
        "course": np.mean(best, axis=0).round(6).tolist(),
    }


def _mean(figures: Mapping[str, Any]) -> float:
    return float(figures["mean"])


def _no_worse(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> bool:
    return _mean(ours) <= _mean(theirs) + 2 * float(np.hypot(ours["stderr"], theirs["stderr"]))


def _told(figures: Mapping[str, Any]) -> str:
    return f"{figures['mean']:.5f} +- {figures['stderr']:.5f}"


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search_quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the tables and their space")
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=20, help="at least 2")
    parser.add_argument("--only", nargs="*", choices=sorted(ALGORITHMS), default=list(ALGORITHMS))
    given = parser.parse_args()
    if given.seeds < 2 or given.trials < 2:
        parser.error("at least 2 seeds and 2 trials are needed for a mean with its error")
    warnings.filterwarnings("ignore", category=UserWarning)
    export_ray_environment(Settings())
    try:
        loaded = {name: ResultTable.from_files(given.data / file, given.data / SPACE) for name, file in TABLES.items()}
    except (TableError, OSError) as error:
        sys.exit(str(error))
    tables = {name: measure(table, given.only, given.trials, given.seeds) for name, table in loaded.items()}
    write_result(
        "search_quality",
        {"trials": given.trials, "seeds": given.seeds, "promises": judge(tables, given.trials), "tables": tables},
    )
    draw(tables, given.trials)


if __name__ == "__main__":
    main()
