"""Packs run on one thread, as pack actors do; seats of both kinds for the tests of fleets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from workers.local_seat import LocalSeat

ON_RAY = pytest.param("ray", marks=[pytest.mark.slow, pytest.mark.timeout(300)])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def ray_nodes() -> Iterator[None]:
    """Two Ray nodes, for all tests of a module that ask for them."""
    from tests.workers.ray_machines import two_nodes

    with two_nodes():
        yield


@pytest.fixture(params=["local", ON_RAY])
def seats(request: pytest.FixtureRequest) -> Iterator[list[Any]]:
    """Two seats of a kind."""
    if request.param == "local":
        yield [LocalSeat("seat-0"), LocalSeat("seat-1")]
        return
    request.getfixturevalue("ray_nodes")
    from tests.workers.ray_machines import hired
    from workers.ray_seat import Berth

    with hired(Berth(1), Berth(1)) as found:
        yield list(found)
