"""What a trial is told about that is no error: once, whatever interrupts its job."""

from __future__ import annotations

import pytest

from tests.workers.memory_sink import MemorySink
from tests.workers.races import RATE, Race, finished, pair_race
from workers.errors import LeaseLost

SPACE = {
    **RATE,
    "initialisation": {"type": "choice", "values": ["zeros", "auto"]},
    "hidden_layers": {"type": "int", "low": 0, "high": 2},
}


def zeros_race(scheduler: str) -> Race:
    return pair_race("random", scheduler, space=SPACE)


def told(sink: MemorySink) -> list[tuple[str, int | None]]:
    return [(code, trial) for code, _, trial in sink.stored.notes]


@pytest.mark.parametrize("scheduler", ["asha", "pbt"])
def test_trials_whose_hidden_units_start_alike_are_told_so(scheduler: str) -> None:
    _, sink = finished(zeros_race(scheduler))
    first = {trial: fact.parameters for (trial, index), fact in sink.stored.segments.items() if index == 0}
    alike = [n for n, given in sorted(first.items()) if given["initialisation"] == "zeros" and given["hidden_layers"]]
    assert 0 < len(alike) < len(first)
    assert told(sink) == [("broken-symmetry", number) for number in alike]
    assert "units of a hidden layer start alike" in sink.stored.notes[0][1]


@pytest.mark.parametrize("scheduler", ["asha", "pbt"])
def test_a_job_that_goes_on_tells_each_note_once(scheduler: str) -> None:
    started = zeros_race(scheduler)
    _, whole = finished(started)
    cut = MemorySink(started.job.keep_models, lose_at=2)
    with pytest.raises(LeaseLost):
        started.run(cut)
    cut.forget_open()
    started.run(cut, record=cut.record())
    cut.close()
    assert told(cut) == told(whole) != []
    started.run(cut, record=cut.record())
    cut.close()
    assert told(cut) == told(whole)
