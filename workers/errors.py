"""Ends of a job that are not the end of its search, each with the reason code that the job then shows."""

from __future__ import annotations

from search.trial import JobReason


class JobError(Exception):
    """The job cannot go on; `reason` is stored with it."""

    reason: JobReason = JobReason.INTERNAL_ERROR


class SchedulerStuck(JobError):
    reason = JobReason.SCHEDULER_STUCK


class ReplayMismatch(JobError):
    reason = JobReason.REPLAY_MISMATCH


class StorageFull(JobError):
    reason = JobReason.STORAGE_FULL


class WorkerVersion(JobError):
    reason = JobReason.WORKER_VERSION


class WorkersLost(Exception):
    """No pack actor is left. The job waits in the queue for others; nothing of it is wrong."""


class NothingTold(Exception):
    """Nobody tells this external job anything, and others wait for a driver: it goes on when somebody does."""


class LeaseLost(Exception):
    """Another driver owns the job now: stop writing, change nothing."""
