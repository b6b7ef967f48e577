"""Ray's variables are set before anything imports ray; packs run on one thread, as pack actors do."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from service.settings import Settings, export_ray_environment

_FOLDER = tempfile.TemporaryDirectory(prefix="regatta-test-workers-")
export_ray_environment(Settings(data_dir=Path(_FOLDER.name)))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
