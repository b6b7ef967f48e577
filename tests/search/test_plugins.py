from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from search.algorithms.grid import Grid
from search.algorithms.hyperopt import HyperOpt
from search.algorithms.random import Random
from search.discovery import ALGORITHMS, SCHEDULERS, AnyAlgorithm, AnyScheduler
from search.plugins import admit, resolve_parallelism
from search.schedulers.asha import Asha
from search.schedulers.fifo import Fifo
from search.schedulers.hyperband import HyperBand
from search.schedulers.pbt import Pbt

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_in_the_folders_is_a_plugin_under_its_own_name() -> None:
    for folder, found in (("algorithms", ALGORITHMS), ("schedulers", SCHEDULERS)):
        files = {path.stem for path in (ROOT / "search" / folder).glob("*.py")} - {"__init__"}
        assert set(found) == files


@pytest.mark.parametrize("plugin", [*ALGORITHMS.values(), *SCHEDULERS.values()])
def test_a_plugin_is_its_settings_and_tells_what_it_does(plugin: type) -> None:
    settings = plugin()
    assert type(settings).model_validate_json(settings.model_dump_json()) == settings
    assert plugin.about().endswith(".")
    with pytest.raises(ValidationError):
        plugin(kind="other")
    with pytest.raises(ValidationError):
        plugin.model_validate({"kind": plugin.name(), "nonsense": 1})


def test_the_union_reads_every_kind_and_lists_them_where_it_knows_none() -> None:
    assert TypeAdapter(AnyScheduler).validate_python({"kind": "asha", "grace_period": 2}) == Asha(grace_period=2)
    with pytest.raises(ValidationError, match="'grid', 'hyperopt', 'optuna', 'random', 'sobol'"):
        TypeAdapter(AnyAlgorithm).validate_python({"kind": "annealing"})


def test_finding_the_plugins_loads_no_ray() -> None:
    code = "import sys, search.discovery; sys.exit('ray' in sys.modules or 'hyperopt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_only_learning_under_changing_parameters_is_refused() -> None:
    pairs = {(a.name(), s.name()) for a in ALGORITHMS.values() for s in SCHEDULERS.values() if admit(a, s)}
    assert pairs == {(a, s) for a in ("bohb", "evolution", "gp", "hyperopt", "optuna") for s in ("pbt", "pb2")}
    assert "random or grid" in str(admit(HyperOpt(), Pbt()))


def test_parallelism_is_chosen_by_what_learns_and_what_needs_its_cohort() -> None:
    assert resolve_parallelism(Random(), Fifo(), 1000, 10, None) == 64
    assert resolve_parallelism(Grid(), Asha(), 10, 10, None) == 10
    assert resolve_parallelism(HyperOpt(), Asha(), 64, 10, None) == 8
    assert resolve_parallelism(HyperOpt(), Asha(), 3, 10, None) == 1
    assert resolve_parallelism(Random(), HyperBand(), 1000, 50, None) == 1000
    assert resolve_parallelism(HyperOpt(), HyperBand(), 1000, 50, None) == 34
    assert resolve_parallelism(Random(), Pbt(), 100, 50, None) == 100


def test_a_wish_for_parallelism_stands_up_to_the_number_of_trials() -> None:
    assert resolve_parallelism(HyperOpt(), Asha(), 64, 10, 20) == 20
    assert resolve_parallelism(HyperOpt(), Asha(), 64, 10, 200) == 64
