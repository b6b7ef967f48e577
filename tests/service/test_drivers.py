"""How many drivers a runner keeps."""

from __future__ import annotations

import pytest

from service.runner import count_wanted


@pytest.mark.parametrize(("n_busy", "wanted"), [(0, 2), (1, 2), (2, 3), (3, 4), (4, 4)])
def test_one_driver_is_kept_to_spare_until_the_limit(n_busy: int, wanted: int) -> None:
    assert count_wanted(n_busy, jobs_at_once=4) == wanted


def test_where_one_job_runs_at_a_time_there_is_one_driver() -> None:
    assert [count_wanted(n_busy, jobs_at_once=1) for n_busy in (0, 1)] == [1, 1]
