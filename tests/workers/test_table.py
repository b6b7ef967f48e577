"""Searches on tables of results: what is looked up, and that the figures are those of the search."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.tabular import expected_best, main, read_algorithm, search_table
from workers.trainers.table import ResultTable, TableError

ROOT = Path(__file__).resolve().parents[2]
LISTS: dict[str, list[Any]] = {"rate": [0.1, 0.01, 0.001], "op": ["relu", "tanh"], "units": [8, 16, 32, 64]}


def write_table(folder: Path, **changes: Any) -> tuple[Path, Path]:
    """Write a table whose two results of a point lie around 10 * (place of rate) + place of units."""
    index = np.array([(r, o, u) for u in range(4) for o in range(2) for r in range(3)], dtype=np.uint8)
    values = 10.0 * index[:, 0] + index[:, 2]
    arrays = {"index": index, "valid_mse": np.stack([values - 0.5, values + 0.5], axis=1), **changes}
    np.savez(folder / "table.npz", **arrays)
    (folder / "space.json").write_text(json.dumps(LISTS))
    return folder / "table.npz", folder / "space.json"


def test_a_point_is_answered_with_the_mean_of_its_results(tmp_path: Path) -> None:
    table = ResultTable.from_files(*write_table(tmp_path))
    for rate, place in ((0.1, 0), (0.001, 20)):
        for units, more in ((8, 0), (64, 3)):
            assert table.values[table.build({"rate": rate, "op": "tanh", "units": units}).place] == place + more


def test_numbers_in_order_are_ordered_and_names_are_not(tmp_path: Path) -> None:
    domains: dict[str, Any] = dict(ResultTable.from_files(*write_table(tmp_path)).space.domains())
    assert {name: domain.ordered for name, domain in domains.items()} == {"rate": True, "op": False, "units": True}


def test_the_best_of_a_grid_is_the_optimum_and_a_seed_repeats_itself(tmp_path: Path) -> None:
    table = ResultTable.from_files(*write_table(tmp_path))
    best = search_table(table, read_algorithm("grid"), 24, seed=1).best
    assert len(best) == 24
    assert best[-1] == 0
    assert best == sorted(best, reverse=True)
    again = [search_table(table, read_algorithm("hyperopt"), 12, seed, 2).best for seed in (3, 3)]
    assert again[0] == again[1]


def test_random_search_finds_what_it_is_expected_to(tmp_path: Path) -> None:
    table = ResultTable.from_files(*write_table(tmp_path))
    found = [search_table(table, read_algorithm("random"), 5, seed).best[-1] for seed in range(60)]
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - expected_best(table, 5)) < 3.5 * error


def test_the_expectation_is_exact() -> None:
    from search.space import Space

    space = Space.model_validate({"x": {"type": "choice", "values": [1, 2]}})
    assert expected_best(ResultTable(space, np.array([0.0, 1.0])), 3) == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"index": np.zeros((24, 2), np.uint8)}, "do not fit 3 lists"),
        ({"index": np.full((24, 3), 9, np.uint8)}, "outside the lists"),
        ({"index": np.zeros((24, 3), np.uint8)}, "23 points of the space have no result"),
        ({"valid_mse": np.ones((7, 2))}, "do not fit"),
        ({"index": np.array([None] * 3)}, "pickle"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(TableError, match=words):
        ResultTable.from_files(*write_table(tmp_path, **changes))


def command_line(folder: Path, *more: str) -> list[str]:
    table, space = write_table(folder)
    return ["--table", str(table), "--space", str(space), "--trials", "6", "--seeds", "2", *more]


def test_the_command_prints_the_best_of_every_seed(tmp_path: Path) -> None:
    algorithm = '{"kind": "hyperopt", "algo": "rand"}'
    given = command_line(tmp_path, "--algorithm", algorithm, "--parallelism", "1", "--json")
    command = [sys.executable, "-m", "benchmarks.tabular", *given]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    found = json.loads(done.stdout)
    assert len(found["best"]) == 2, done.stderr
    assert found["mean"] == pytest.approx(sum(found["best"]) / 2)
    assert found["stderr"] == pytest.approx(abs(found["best"][0] - found["best"][1]) / 2)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--algorithm", "annealing"], "--algorithm: "),
        (["--algorithm", '{"kind": "hyperopt", "gamma": 2}'], "gamma"),
        (["--algorithm", "{"], "Expecting"),
        (["--algorithm", "grid"], "budget.trials"),
        (["--algorithm", "random", "--parallelism", "0"], "0 is below 1"),
    ],
)
def test_the_command_refuses_by_name(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    words: str,
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks.tabular", *command_line(tmp_path, *given)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code not in (None, 0)
    assert words in f"{capsys.readouterr().err} {left.value.code}"
