"""Packs train on a bare machine that has torch and numpy only, with or without numba."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
STRANGERS = (
    "ray",
    "sklearn",
    "pyarrow",
    "pandas",
    "scipy",
    "safetensors",
    "sqlalchemy",
    "fastapi",
    "workers",
    "search",
)


@pytest.mark.parametrize("missing", [STRANGERS, (*STRANGERS, "numba")], ids=["with numba", "without"])
def test_a_pack_trains_where_nothing_of_the_service_is_installed(missing: tuple[str, ...]) -> None:
    code = f"""
import sys
class Bare:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ImportError(name)
sys.meta_path.insert(0, Bare())
from models.pack import warm_up
warm_up()
print("numba" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == str("numba" not in missing), done.stderr


def test_values_and_hyperparameters_do_not_import_torch() -> None:
    code = "import sys, models.lanes, models.hyper; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
