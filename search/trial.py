"""States of jobs and trials, their legal transitions and reason codes: data, no behaviour of a running job."""

from __future__ import annotations

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class TrialState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"  # ended early by its scheduler; it competes
    DIVERGED = "diverged"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELLED, JobState.FAILED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.PAUSED, JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED}
    ),
    JobState.PAUSED: frozenset({JobState.QUEUED, JobState.CANCELLED}),
    JobState.FAILED: frozenset({JobState.QUEUED}),
    JobState.CANCELLED: frozenset(),
    JobState.SUCCEEDED: frozenset({JobState.QUEUED}),  # by more trials only
}

TRIAL_TRANSITIONS: dict[TrialState, frozenset[TrialState]] = {
    TrialState.PENDING: frozenset({TrialState.RUNNING, TrialState.STOPPED, TrialState.CANCELLED}),
    TrialState.RUNNING: frozenset(set(TrialState) - {TrialState.PENDING, TrialState.RUNNING}),
    TrialState.PAUSED: frozenset(set(TrialState) - {TrialState.PENDING, TrialState.PAUSED}),
    TrialState.COMPLETED: frozenset(),
    TrialState.STOPPED: frozenset(),
    TrialState.DIVERGED: frozenset(),
    TrialState.FAILED: frozenset(),
    TrialState.CANCELLED: frozenset(),
}

JOB_ENDED = frozenset({JobState.CANCELLED, JobState.SUCCEEDED, JobState.FAILED})
TRIAL_ENDED = frozenset(state for state, after in TRIAL_TRANSITIONS.items() if not after)


class JobReason(StrEnum):
    """Why a job is in its state; `reason` in the API is one of these, `detail` a sentence beside it."""

    SUBMITTED = "submitted"
    NO_WORKERS = "no_workers"  # queued: no pack actor is free
    NOTHING_TOLD = "nothing_told"  # queued: an external job whose driver has gone to others until it is told something
    CLAIMED = "claimed"
    USER_PAUSED = "user_paused"
    USER_RESUMED = "user_resumed"
    USER_EXTENDED = "user_extended"
    USER_CANCELLED = "user_cancelled"
    TRIALS_DONE = "trials_done"
    SPACE_EXHAUSTED = "space_exhausted"
    SECONDS_UP = "seconds_up"
    TARGET_REACHED = "target_reached"
    NO_IMPROVEMENT = "no_improvement"
    TOO_MANY_FAILED = "too_many_failed"
    NO_COMPLETED_TRIAL = "no_completed_trial"
    NO_FEASIBLE_TRIAL = "no_feasible_trial"  # trials have completed, and none keeps the limits
    LEASE_EXPIRED = "lease_expired"  # queued again: its driver died
    SCHEDULER_STUCK = "scheduler_stuck"
    REPLAY_MISMATCH = "replay_mismatch"
    STORAGE_FULL = "storage_full"
    WORKER_VERSION = "worker_version"
    DATASET_UNREADABLE = "dataset_unreadable"
    INTERNAL_ERROR = "internal_error"


class TrialReason(StrEnum):
    ADMITTED = "admitted"
    EPOCHS_DONE = "epochs_done"
    OUT_OF_PATIENCE = "out_of_patience"
    TOLD_FINAL = "told_final"  # of an external trial: its client said so
    SCHEDULER_STOPPED = "scheduler_stopped"
    SCHEDULER_PAUSED = "scheduler_paused"
    NOT_FINITE = "not_finite"
    ERROR = "error"
    OUT_OF_MEMORY = "out_of_memory"
    JOB_CANCELLED = "job_cancelled"
    SECONDS_UP = "seconds_up"
    TARGET_REACHED = "target_reached"
    NO_IMPROVEMENT = "no_improvement"  # of the job
    JOB_FAILED = "job_failed"


class IllegalTransition(ValueError):
    """Says from where to where, and what would have been legal."""


def check_job_transition(before: JobState, after: JobState) -> None:
    """Refuse a transition that the table does not hold.

    Raises: IllegalTransition.
    """
    allowed = JOB_TRANSITIONS[before]
    if after not in allowed:
        names = ", ".join(sorted(allowed)) or "nothing: it has ended"
        raise IllegalTransition(f"a job that is {before} cannot become {after}; it can become {names}")


def check_trial_transition(before: TrialState, after: TrialState) -> None:
    """Refuse a transition that the table does not hold.

    Raises: IllegalTransition.
    """
    allowed = TRIAL_TRANSITIONS[before]
    if after not in allowed:
        names = ", ".join(sorted(allowed)) or "nothing: it has ended"
        raise IllegalTransition(f"a trial that is {before} cannot become {after}; it can become {names}")
