"""Pack tests run on one thread, as pack actors do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from tests.models.pack import jobs


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["kernels", "torch"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let packs train with compiled kernels, or with torch as on a GPU or where no compiler is."""
    monkeypatch.setattr(jobs, "KERNELS", request.param == "kernels")
    return str(request.param)
