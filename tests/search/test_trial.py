from __future__ import annotations

import pytest

from search.trial import (
    JOB_ENDED,
    JOB_TRANSITIONS,
    TRIAL_ENDED,
    TRIAL_TRANSITIONS,
    IllegalTransition,
    JobState,
    TrialState,
    check_job_transition,
    check_trial_transition,
)


def test_every_state_has_its_row() -> None:
    assert set(JOB_TRANSITIONS) == set(JobState)
    assert set(TRIAL_TRANSITIONS) == set(TrialState)


def test_every_state_can_be_reached_from_the_first() -> None:
    for first, table in ((JobState.QUEUED, JOB_TRANSITIONS), (TrialState.PENDING, TRIAL_TRANSITIONS)):
        reached, waiting = {first}, [first]
        while waiting:
            new = table[waiting.pop()] - reached  # type: ignore[index,operator]
            reached |= new
            waiting.extend(new)
        assert reached == set(table)


def test_what_has_ended_stays_ended_but_a_failed_job_can_be_resumed_and_both_kinds_extended() -> None:
    assert {state for state in TRIAL_ENDED if TRIAL_TRANSITIONS[state]} == set()
    assert {state for state in JOB_ENDED if JOB_TRANSITIONS[state]} == {JobState.FAILED, JobState.SUCCEEDED}
    for state in (JobState.FAILED, JobState.SUCCEEDED):
        assert JOB_TRANSITIONS[state] == {JobState.QUEUED}


def test_an_illegal_transition_says_what_would_be_legal() -> None:
    with pytest.raises(IllegalTransition, match="paused cannot become running; it can become cancelled, queued"):
        check_job_transition(JobState.PAUSED, JobState.RUNNING)
    with pytest.raises(IllegalTransition, match=r"diverged cannot become running; .* nothing: it has ended"):
        check_trial_transition(TrialState.DIVERGED, TrialState.RUNNING)
    check_trial_transition(TrialState.PAUSED, TrialState.STOPPED)
