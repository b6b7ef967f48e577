"""An edit of the space of a running job: from where it takes effect on, and at the same place in every replay."""

from __future__ import annotations

from typing import Any

import pytest

from search.constraints import Constraint
from search.trial import JobReason, JobState, TrialState
from tests.workers.editors import Editor, edit_of
from tests.workers.memory_sink import MemorySink
from tests.workers.races import FIXED, SMALL, Race, Wish, pair_race
from tests.workers.tellers import FREE, Programs, pair_job, run_told
from workers.errors import LeaseLost
from workers.run import JobEnd

LOW, HIGH = 0.2, 0.29
NARROW = SMALL | {"learning_rate": {"type": "float", "low": LOW, "high": HIGH}}
WIDE = SMALL | {"learning_rate": {"type": "float", "low": 0.5, "high": 1.0}, "hidden_layers": SMALL["hidden_layers"]}
PAIRS = [
    ("random", "fifo"),
    ("random", "asha"),
    ("sobol", "asha"),
    ("hyperopt", "asha"),
    ("hyperopt", "hyperband"),
    ("optuna", "median"),
    ("gp", "fifo"),
    ("evolution", "asha"),
    ("bohb", "hyperband"),
]
every_learner = pytest.mark.parametrize(("algorithm", "scheduler"), PAIRS, ids=lambda name: name)
ROUND = 4


def start(algorithm: str, scheduler: str, **body: Any) -> tuple[Race, dict[int, dict[str, Any]]]:
    """Give a job and the edit that narrows its learning rate."""
    if scheduler != "hyperband":
        body = {"parallelism": 3, **body}
    settings = {"budget": {"trials": 12, "epochs_per_trial": 9}, **body}
    started = pair_race(algorithm, scheduler, **settings)
    changed = pair_race(algorithm, scheduler, **{**settings, "space": NARROW}).job
    return started, {ROUND: edit_of(1, changed, "learning_rate")}


def finish(started: Race, edits: dict[int, dict[str, Any]], **options: Any) -> tuple[JobEnd, MemorySink]:
    sink = MemorySink()
    end = started.run(sink, control=Editor(sink, edits), **options)
    sink.close()
    return end, sink


def rates(sink: MemorySink) -> list[float]:
    """The learning rates of the trials, in the order of their numbers."""
    admitted = [sink.stored.segments[trial, 0] for trial in range(len(sink.stored.trials))]
    return [float(fact.parameters["learning_rate"]) for fact in admitted]


def begun_at(sink: MemorySink) -> int:
    """How many trials had begun when the edit took effect, as its note says."""
    (note,) = [message for code, message in sink.notes if code == "edit"]
    return int(note.split("from trial ")[1].split(" ")[0])


@every_learner
def test_trials_after_an_edit_come_from_the_new_space_and_those_before_stay(algorithm: str, scheduler: str) -> None:
    started, edits = start(algorithm, scheduler)
    end, sink = finish(started, edits)
    assert end.reason == JobReason.TRIALS_DONE
    assert len(sink.stored.trials) == 12
    begun = begun_at(sink)
    assert all(LOW <= rate <= HIGH for rate in rates(sink)[begun:])
    before = MemorySink()
    started.run(before)
    before.close()
    assert rates(sink)[:begun] == rates(before)[:begun]
    assert 0 < begun < 12, "the edit came too late to show anything"
    assert any(not LOW <= rate <= HIGH for rate in rates(before)[begun:])
    assert [(fact.round, fact.kind) for fact in sink.stored.journal] == [(ROUND, "edit")]


@every_learner
def test_a_driver_that_is_killed_applies_an_edit_at_the_same_place(algorithm: str, scheduler: str) -> None:
    started, edits = start(algorithm, scheduler)
    expected = finish(started, edits)[1].rows()
    sink = MemorySink()
    for cut in (ROUND, ROUND + 1, ROUND + 2, expected["rounds"]):
        sink.lose_at = cut
        with pytest.raises(LeaseLost):
            started.run(sink, control=Editor(sink, edits), record=sink.record(), snapshot_seconds=0.0)
        sink.forget_open()
    started.run(sink, seats=2, control=Editor(sink, edits), record=sink.record())
    sink.close()
    assert sink.rows() == expected
    assert len([note for note in sink.stored.notes if note[0] == "edit"]) == 1


@pytest.mark.slow
@every_learner
def test_a_driver_may_be_killed_after_any_round_of_an_edited_job(algorithm: str, scheduler: str) -> None:
    started, edits = start(algorithm, scheduler)
    expected = finish(started, edits)[1].rows()
    for cut in range(1, expected["rounds"] + 1):
        sink = MemorySink(lose_at=cut)
        with pytest.raises(LeaseLost):
            started.run(sink, control=Editor(sink, edits), snapshot_seconds=0.0)
        sink.forget_open()
        started.run(sink, control=Editor(sink, edits), record=sink.record())
        sink.close()
        assert sink.rows() == expected, f"cut at {cut}"


@pytest.mark.parametrize("algorithm", ["random", "hyperopt"])
def test_two_edits_follow_each_other(algorithm: str) -> None:
    started, edits = start(algorithm, "asha")
    again = pair_race(algorithm, "asha", parallelism=3, space=WIDE).job
    edits[ROUND + 3] = edit_of(2, again, "learning_rate")
    end, sink = finish(started, edits)
    assert end.state == JobState.SUCCEEDED
    first, second = (
        int(message.split("from trial ")[1].split(" ")[0]) for code, message in sink.notes if code == "edit"
    )
    found = rates(sink)
    assert first < second < 12
    assert all(LOW <= rate <= HIGH for rate in found[first:second])
    assert all(0.5 <= rate <= 1.0 for rate in found[second:])
    expected = sink.rows()
    for cut in (ROUND + 1, ROUND + 4, expected["rounds"]):
        sink = MemorySink(lose_at=cut)
        with pytest.raises(LeaseLost):
            started.run(sink, control=Editor(sink, edits))
        sink.forget_open()
        started.run(sink, control=Editor(sink, edits), record=sink.record())
        sink.close()
        assert sink.rows() == expected


def test_an_edit_before_the_first_round_is_there_from_the_first_trial() -> None:
    started, edits = start("hyperopt", "asha", start_from_default=True)
    end, sink = finish(started, {0: edits[ROUND]})
    assert end.reason == JobReason.TRIALS_DONE
    assert all(LOW <= rate <= HIGH for rate in rates(sink))
    assert rates(sink)[0] == edits[ROUND]["resolved"]["space"]["learning_rate"]["default"]


def test_points_that_wait_for_a_lane_are_proposed_anew() -> None:
    """Random search has proposed all its points by then; only those that have begun are kept."""
    started, edits = start("random", "fifo", parallelism=6)
    sink = finish(started, {1: edits[ROUND]})[1]
    assert begun_at(sink) == 6
    assert all(LOW <= rate <= HIGH for rate in rates(sink)[6:])
    assert len(set(rates(sink))) == 12


@pytest.mark.parametrize("algorithm", ["gp", "hyperopt", "optuna", "bohb"])
def test_the_first_point_after_an_edit_follows_from_what_was_heard_before(algorithm: str) -> None:
    """With other results the search proposes another point there; one that began anew would propose the same."""

    def first_point(**body: Any) -> dict[str, Any]:
        space = SMALL | {"momentum": {"type": "float", "low": 0.0, "high": 0.95}}
        changed = pair_race(algorithm, "fifo", parallelism=1, space=space, **body).job
        started = pair_race(algorithm, "fifo", parallelism=1, **body)
        sink = finish(started, {10: edit_of(1, changed, "momentum")})[1]
        assert 4 <= begun_at(sink) < 12
        return dict(sink.stored.segments[begun_at(sink), 0].parameters)

    other = {"fixed": FIXED | {"batch_size": 1, "weight_decay": 0.5}}
    assert first_point(early_stopping=None) != first_point(early_stopping=None, **other)


@pytest.mark.parametrize(
    "aims",
    [
        {"limits": [{"metric": "mean_absolute_error", "at_most": 0.7}]},
        {"objective": ["mean_squared_error", "mean_absolute_error"]},
    ],
    ids=["limits", "several objectives"],
)
@pytest.mark.parametrize("algorithm", ["gp", "hyperopt"])
def test_what_a_job_is_after_goes_on_past_an_edit_and_past_a_crash(algorithm: str, aims: dict[str, Any]) -> None:
    started, edits = start(algorithm, "asha", **aims)
    whole = finish(started, edits)[1]
    assert all(LOW <= rate <= HIGH for rate in rates(whole)[begun_at(whole) :])
    sink = MemorySink(lose_at=ROUND + 1)
    with pytest.raises(LeaseLost):
        started.run(sink, control=Editor(sink, edits), snapshot_seconds=0.0)
    sink.forget_open()
    started.run(sink, control=Editor(sink, edits), record=sink.record())
    sink.close()
    assert sink.rows() == whole.rows()


def test_constraints_hold_from_the_edit_on() -> None:
    started, _ = start("hyperopt", "asha")
    constraint = "learning_rate + momentum <= 0.3"
    changed = pair_race("hyperopt", "asha", parallelism=3, constraints=[constraint]).job
    sink = finish(started, {ROUND: edit_of(1, changed)})[1]
    begun = begun_at(sink)
    holds = [
        Constraint.model_validate(constraint).holds(dict(sink.stored.segments[trial, 0].parameters))
        for trial in range(12)
    ]
    assert all(holds[begun:])
    assert not all(holds[:begun])


def test_a_paused_job_takes_its_edit_where_it_goes_on() -> None:
    started, edits = start("hyperopt", "asha")
    sink = MemorySink()
    assert started.run(sink, control=Wish("pause", at_poll=ROUND)).state == JobState.PAUSED
    sink.close()
    began = len(sink.stored.trials)
    started.run(sink, record=sink.record(), control=Editor(sink, edits))
    sink.close()
    assert begun_at(sink) == began
    assert sink.stored.journal[0].round == ROUND
    assert all(LOW <= rate <= HIGH for rate in rates(sink)[began:])
    assert sink.rows() == finish(started, edits)[1].rows()


def test_an_edit_after_the_last_trial_has_begun_changes_nothing() -> None:
    started, edits = start("random", "fifo", parallelism=12)
    plain = MemorySink()
    started.run(plain)
    plain.close()
    edited = finish(started, edits)[1]
    assert {**edited.rows(), "journal": []} == plain.rows()


@pytest.mark.parametrize(("algorithm", "scheduler"), [("random", "fifo"), ("hyperopt", "asha"), ("gp", "median")])
def test_trials_that_are_trained_outside_follow_an_edit_too(algorithm: str, scheduler: str) -> None:
    space = FREE | {"learning rate": {"type": "float", "low": 0.4, "high": 0.5}, "grid_search": FREE["grid_search"]}
    job = pair_job(algorithm, scheduler, parallelism=3)
    edit = {20: edit_of(1, pair_job(algorithm, scheduler, parallelism=3, space=space), "learning rate")}
    whole = MemorySink()
    end = run_told(job, whole, Programs(whole, ends={3: (1, "failed")}), control=Editor(whole, edit))
    whole.close()
    assert end.state == JobState.SUCCEEDED
    begun = begun_at(whole)
    found = [whole.stored.segments[n, 0].parameters["learning rate"] for n in range(12)]
    assert all(0.4 <= rate <= 0.5 for rate in found[begun:])
    assert not all(0.4 <= rate <= 0.5 for rate in found[:begun])
    assert whole.ends()[3][0] == TrialState.FAILED
    sink = MemorySink()
    programs = Programs(sink, ends={3: (1, "failed")})
    for cut in (21, 22, whole.stored.n_rounds - 1):
        sink.lose_at = cut
        with pytest.raises(LeaseLost):
            run_told(job, sink, programs, record=sink.record(), control=Editor(sink, edit))
        sink.forget_open()
    run_told(job, sink, programs, record=sink.record(), control=Editor(sink, edit))
    sink.close()
    assert sink.rows() == whole.rows()


def test_trials_that_were_handed_out_before_a_driver_died_are_not_edited_away() -> None:
    """They began after the last round that is stored: an edit that comes while no driver is there waits for them."""
    job = pair_job("random", "fifo", parallelism=3)
    space = FREE | {"learning rate": {"type": "float", "low": 0.4, "high": 0.5}}
    edit = {0: edit_of(1, pair_job("random", "fifo", parallelism=3, space=space), "learning rate")}
    n_waited = 0
    for cut in range(1, 9):
        sink = MemorySink(lose_at=cut)
        programs = Programs(sink, steps_at_once=9)
        with pytest.raises(LeaseLost):
            run_told(job, sink, programs, record=sink.record())
        sink.forget_open()
        before = {n: dict(fact.parameters) for (n, _), fact in sink.stored.segments.items()}
        assert run_told(job, sink, programs, record=sink.record(), control=Editor(sink, edit)).state == "succeeded"
        sink.close()
        after = {n: dict(fact.parameters) for (n, _), fact in sink.stored.segments.items()}
        assert {n: after[n] for n in before} == before
        assert all(0.4 <= after[n]["learning rate"] <= 0.5 for n in range(begun_at(sink), 12))
        n_waited += sink.stored.journal[0].round >= cut
    assert n_waited > 3, "hardly an edit had to wait: the test shows little"
