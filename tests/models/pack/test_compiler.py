"""Compiled kernels are kept for every copy of their source: Ray unpacks one for each cluster, a user has many."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from models.pack import warm_up

ROOT = Path(__file__).resolve().parents[3]
COUNT = """
import json, models.pack
models.pack.warm_up()
from models.cpu import lane, optimizers, products
found = [value for module in (lane, optimizers, products) for value in vars(module).values()]
kernels = [value for value in found if hasattr(value, "stats")]
print(json.dumps({
    "from": lane.__file__,
    "compiled": sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels),
    "loaded": sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels),
}))
"""


def test_a_copy_of_the_package_loads_what_another_has_compiled(tmp_path: Path) -> None:
    warm_up()
    shutil.copytree(ROOT / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    answer = subprocess.run(
        [sys.executable, "-c", COUNT], cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    counts = json.loads(answer.stdout)
    assert counts["from"].startswith(str(tmp_path))
    assert counts["compiled"] == 0
    assert counts["loaded"] > 0
