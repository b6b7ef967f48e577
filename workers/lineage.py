"""Where a state of a trial comes from: the stretches that its weights have been trained through, whoever lived them,
and the job of one trial that goes through them again. No ray, no SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workers.resolved import ResolvedJob
from workers.sink import SegmentFact

KEPT = ("labels", "dataset", "target", "columns", "task", "split", "trainer", "metrics", "repeats", "refit")
"""What a job that replays another's trial takes from its body as it was sent."""


@dataclass(frozen=True)
class Passage:
    """Some epochs of a trial that a state was trained through: the whole of a segment, or what came before a copy."""

    segment: SegmentFact
    n_epochs: int

    @property
    def is_copy(self) -> bool:
        """It begins with another's weights, or of a replay its own."""
        return self.segment.source_trial is not None

    @property
    def first_epoch(self) -> int:
        """The age of the weights after the first of them."""
        return self.segment.source_epoch + 1

    @property
    def last_epoch(self) -> int:
        """The age of the weights after the last of them."""
        return self.segment.source_epoch + self.n_epochs


def trace(segments_of: Callable[[int], Sequence[SegmentFact]], trial: int, sequence: int) -> list[Passage]:
    """List, from fresh weights on, what led to the state of a trial right after its report number `sequence`.

    `segments_of` gives the segments of a trial, in order.
    """
    found: list[Passage] = []
    at: tuple[int, int] | None = (trial, sequence)
    while at is not None:
        trial, sequence = at
        segments = segments_of(trial)
        segment = next((fact for fact in reversed(segments) if fact.sequence < sequence), segments[0])
        if sequence > segment.sequence:
            found.insert(0, Passage(segment, sequence - segment.sequence))
        source = segment.source_trial
        at = None if source is None else (source, segment.source_sequence)
    return found


def replay_body(
    job: ResolvedJob,
    body: Mapping[str, Any],
    passages: Sequence[Passage],
    name: str,
    first_of: Callable[[int], int] = lambda trial: trial,
) -> dict[str, Any]:
    """Make the body of a job of one trial that is trained through these passages. `body` is the job's as sent.

    It ends where they end, so its last score is theirs: seed, data and hyperparameters are the same, and so are the
    random numbers, since each stretch names the trial that it draws them as; `first_of` names the first trial that has
    a trial's point, where such trials have the same random numbers (dedupe). One that inherits begins anew, as it did.
    """
    stretches = [
        {
            "trial": first_of(job.stream(passage.segment.trial, passage.segment.index)),
            "epochs": passage.n_epochs,
            "parameters": dict(passage.segment.parameters),
            **({"inherits": True} if passage.segment.inherits else {}),
        }
        for passage in passages
    ]
    named = {parameter.split(".")[0] for passage in passages for parameter in passage.segment.parameters}
    stopping = job.early_stopping
    n_epochs = sum(passage.n_epochs for passage in passages)
    return {
        **{field: body[field] for field in KEPT if field in body},
        "name": name,
        "fixed": {field: value for field, value in job.fixed.items() if field not in named},
        "schedule": stretches,
        "objective": job.objective.name,
        # Patience counted from a best epoch that another trial had: it would end the replay too early.
        "early_stopping": stopping and {**stopping.model_dump(), "patience": n_epochs},
        "seed": job.seed,
        "keep_models": 1,
    }
