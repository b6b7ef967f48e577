"""Too little memory for a pack: smaller packs, the same job, and the user hears of it once."""

from __future__ import annotations

import pytest

from models.capacity import check_capacity
from tests.workers.races import finished, race


def test_a_job_whose_packs_do_not_fit_gives_the_same_result_and_says_so_once(monkeypatch: pytest.MonkeyPatch) -> None:
    job = race(budget={"trials": 9, "epochs_per_trial": 3}, algorithm={"kind": "random"}, scheduler={"kind": "fifo"})
    _, roomy = finished(job, seats=1)
    halved = []

    def check_tightly(needed: int, available: int, what: str) -> None:
        together = what.startswith("training") and not what.startswith("training 1 ")
        if together:
            halved.append(what)
        check_capacity(needed, 60_000 if together else available, what)

    monkeypatch.setattr("models.pack.check_capacity", check_tightly)
    end, tight = finished(job, seats=1)
    assert end.state == "succeeded"
    assert len(halved) > 4
    assert tight.rows() == roomy.rows()
    assert roomy.notes == []
    assert [code for code, _ in tight.notes] == ["memory"]
    assert "seat-0" in tight.notes[0][1]
    assert "trained in smaller packs" in tight.notes[0][1]
