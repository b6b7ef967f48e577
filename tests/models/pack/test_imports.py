"""Packs train on a bare machine that has torch and numpy only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_a_pack_imports_torch_and_numpy_and_none_of_the_service() -> None:
    code = f"import sys, models.pack; print([name for name in {STRANGERS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_values_and_hyperparameters_do_not_import_torch() -> None:
    code = "import sys, models.lanes, models.hyper; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
