"""What ends a job by the results of its trials: a goal, failures, no improvement. Asked after every round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from search.trial import JobReason, JobState, TrialState
from workers.lives import TrialLife
from workers.resolved import ResolvedJob


@dataclass(frozen=True)
class JobEnd:
    """How a run ended. `PAUSED` and `QUEUED` runs can go on later."""

    state: JobState
    reason: JobReason
    detail: str = ""


@dataclass
class Stops:
    """A function of the trials, in the order in which they end; nothing of it is stored."""

    job: ResolvedJob
    leader: TrialLife | None = None
    n_failed: int = 0
    n_since_better: int = 0
    _n_judged: int = field(default=0, repr=False)

    def judge(self, ended: Sequence[TrialLife], heard: Sequence[TrialLife]) -> JobEnd | None:
        """Say whether the job is over; `ended` are all trials that have ended, `heard` those of the last round."""
        return self._goal_reached(heard) or self._judge_ended(ended, heard)

    def _goal_reached(self, heard: Sequence[TrialLife]) -> JobEnd | None:
        goal = self.job.budget.stop_at
        if goal is None:
            return None
        for life in heard:
            reached = life.best and not life.broken and self.job.objective.is_reached(life.best.value, goal)
            if life.best and reached and self.job.aims.keeps(life.best.metrics):
                detail = f"trial {life.number} reached {life.best.value:g}"
                return JobEnd(JobState.SUCCEEDED, JobReason.TARGET_REACHED, detail)
        return None

    def _judge_ended(self, ended: Sequence[TrialLife], heard: Sequence[TrialLife]) -> JobEnd | None:
        for life in ended[self._n_judged :]:
            self._n_judged += 1
            self._count(life)
            limit = self.job.max_failed_trials
            if limit is not None and self.n_failed > limit:
                return JobEnd(JobState.FAILED, JobReason.TOO_MANY_FAILED, self._tell_failures(life, limit))
        patience = self.job.budget.patience_trials
        if patience is None or self.n_since_better < patience or any(map(self._is_better, heard)):
            return None
        best = "no trial has a result"
        if self.leader is not None and self.leader.best is not None:
            best = f"the best is trial {self.leader.number} with {self.leader.best.value:g}"
        detail = f"{self.n_since_better} trials in a row ended without an improvement; {best}"
        return JobEnd(JobState.SUCCEEDED, JobReason.NO_IMPROVEMENT, detail)

    def _count(self, life: TrialLife) -> None:
        self.n_failed += life.state == TrialState.FAILED
        if self._is_better(life):
            self.leader, self.n_since_better = life, 0
        else:
            self.n_since_better += 1

    def _is_better(self, life: TrialLife) -> bool:
        """Whether it beats the best of those that have ended by more than counts."""
        if life.best is None or life.broken or not self.job.aims.keeps(life.best.metrics):
            return False
        if self.leader is None or self.leader.best is None:
            return True
        gain = self.leader.best.value - life.best.value
        return (-gain if self.job.objective.maximize else gain) > self.job.budget.min_improvement

    def _tell_failures(self, life: TrialLife, limit: int) -> str:
        what = f"{life.error.kind}: {life.error.message}" if life.error else "no message"
        return f"{self.n_failed} trials failed, {limit} are allowed; the last, trial {life.number}: {what}"
