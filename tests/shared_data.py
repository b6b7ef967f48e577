"""Real data sets that lie beside the repository, described in their own README; the project ships none of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of the real data sets. Where it is absent, our CI fails; a laptop and public CI skip and say so."""
    if not FOLDER.is_dir():
        reason = f"the real data sets are not at {FOLDER}"
        if os.environ.get("CI") and not os.environ.get("GITHUB_ACTIONS"):
            pytest.fail(reason)
        pytest.skip(reason)
    return FOLDER
