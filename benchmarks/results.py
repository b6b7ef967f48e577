"""What every benchmark writes beside its figures: machine, versions, commit. And where it goes."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
LIBRARIES = ("torch", "numpy", "numba", "ray", "hyperopt", "sqlalchemy", "fastapi")
PEERS = ("scikit-learn", "optuna", "keras", "keras-tuner")


def write_result(name: str, figures: dict[str, Any]) -> Path:
    """Write figures with all that is needed to judge them; the newest result of a name replaces the last."""
    result = {
        "benchmark": name,
        "command": " ".join(["python -m", f"benchmarks.{Path(sys.argv[0]).stem}", *map(_from_root, sys.argv[1:])]),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": {
            "processor": _processor(),
            "cores": os.cpu_count(),
            "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
            "load_before": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version(), **_versions()},
        "figures": figures,
    }
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(figures, indent=1))
    print(f"written to {path.relative_to(ROOT)}")
    return path


def _from_root(argument: str) -> str:
    """A path of this machine is of no use elsewhere: say it as seen from the project's root."""
    return os.path.relpath(argument, ROOT) if argument.startswith("/") else argument


def save_plot(name: str, figure: Any) -> None:
    """Save a matplotlib figure as SVG; the same figure gives the same bytes, text stays text."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(RESULTS / f"{name}.svg", metadata={"Date": None})


def spread(values: Sequence[float], digits: int = 2) -> dict[str, float]:
    """Give the median with the best and the worst."""
    return {
        "median": round(statistics.median(values), digits),
        "least": round(min(values), digits),
        "most": round(max(values), digits),
        "runs": len(values),
    }


def _versions() -> dict[str, str]:
    """Look up those that are installed: a bare machine has few."""
    found = {}
    for library in (*LIBRARIES, *PEERS):
        with suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _commit() -> str:
    """Name the commit, with a + if files differ from it; empty where there is no git."""
    try:
        answer = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
        dirty = subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() + ("+" if dirty.strip() else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
