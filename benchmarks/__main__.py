"""`python -m benchmarks`: every benchmark of this folder, one after another."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.results import ROOT

BENCHMARKS = ("bits", "limit", "overhead", "scaling", "digits")

if __name__ == "__main__":
    for name in BENCHMARKS:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], cwd=ROOT, check=True)
