"""Edits of a job's space while it runs: facts of the journal, and the job whose search proposes what is left. No ray.

What may be edited, and what an edit says of the new space, is `service/editing.py`'s to check when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from search.earlier import fit_point
from search.objective import Objective
from search.space import Point
from search.trial import TrialState
from workers.lives import TrialLife
from workers.merit import Merit
from workers.resolved import EarlierTrial, ResolvedJob
from workers.sink import JournalFact
from workers.warm_start import keep_best

KIND = "edit"
"""Of the journal's fact, with the round after which the space is another."""
SEARCHED = ("space", "constraints", "mutable")
"""Fields of a resolved job that an edit changes."""
_STREAM = 0xED17
"""Keeps the seeds of searches apart from those of lanes."""


def describe_edit(number: int, asked: Mapping[str, Any], job: ResolvedJob) -> dict[str, Any]:
    """Give the payload of the fact: its number from 1, what was asked for, and `job` as it then is."""
    return {"number": number, "asked": dict(asked), "resolved": job.model_dump(mode="json", include=set(SEARCHED))}


def recall_edits(journal: Iterable[JournalFact], round_number: int) -> list[Mapping[str, Any]]:
    """List the payloads of the edits of one round, in order."""
    return [fact.payload for fact in journal if (fact.round, fact.kind) == (round_number, KIND)]


def tell_edit(payload: Mapping[str, Any], n_begun: int) -> str:
    """Say it in a sentence."""
    changed = [*payload["asked"].get("space", {}), *(["constraints"] if "constraints" in payload["asked"] else [])]
    return f"edit {payload['number']}: from trial {n_begun} on, points come from another space ({', '.join(changed)})"


def edited(job: ResolvedJob, payloads: Sequence[Mapping[str, Any]]) -> ResolvedJob:
    """Give the job as these edits leave it. What none of them names stays as it is in `job`, whose range test may have
    moved bounds."""
    resolved = payloads[-1]["resolved"]
    named = {name for payload in payloads for name in payload["asked"].get("space", {})}
    changed = ResolvedJob.model_validate(job.model_dump(mode="json") | resolved)
    parameters = {
        name: parameter if name.split(".")[0] in named or name in named else job.space.parameters.get(name, parameter)
        for name, parameter in changed.space.parameters.items()
    }
    space = type(job.space)(parameters)
    return job.model_copy(update={name: getattr(changed, name) for name in SEARCHED} | {"space": space})


def rest_of(
    job: ResolvedJob,
    payloads: Sequence[Mapping[str, Any]],
    begun: Sequence[TrialLife],
    ended: Sequence[TrialLife],
    merit: Merit,
) -> ResolvedJob:
    """Give the job whose search proposes the trials that have not begun: over the edited space, with all that `ended`
    have come to, as `merit` judges it, from a seed of its own. Points to try first that are still to come and lie in
    the space stay."""
    changed = edited(job, payloads)
    tried = [dict(life.segments[0].fact.parameters) for life in begun]
    return changed.model_copy(
        update={
            "seed": search_seed(job.seed, len(payloads)),
            "trials": job.trials - len(begun),
            "algorithm": job.algorithm.settled(job.trials),
            "points": [point for point in job.points if point not in tried and _fitting(changed, point) == point],
            "start_from_default": job.start_from_default and not begun,
            "earlier": [*job.earlier, *_heard(changed, ended, merit)] if job.algorithm.learns else [],
        }
    )


def search_seed(job_seed: int, n_edits: int) -> int:
    """Derive the seed of the search that follows so many edits."""
    return int(np.random.SeedSequence([job_seed, _STREAM, n_edits]).generate_state(1, np.uint32)[0])


def _heard(job: ResolvedJob, ended: Sequence[TrialLife], merit: Merit) -> list[EarlierTrial]:
    """List what trials that have ended come to, at points of the job's space; one that diverged is told as the worst of
    the others, a failure is not told."""
    heard = Objective(name=job.objective.name, maximize=merit.maximize)
    known = [(life, point) for life in ended if (point := _fitting(job, life.parameters)) is not None]
    came_to = {
        life.number: merit.judge(life.number, life.age, life.values)
        for life, _ in known
        if life.values is not None and not life.broken
    }
    if not came_to:
        return []
    worst = max(came_to.values(), key=heard.rank)
    told = []
    for life, point in known:
        value = worst if life.state == TrialState.DIVERGED else came_to.get(life.number)
        if value is not None:
            told.append(EarlierTrial(parameters=point, objective=value, epochs=max(life.epoch, 1), trial=life.number))
    return keep_best(told, heard)


def _fitting(job: ResolvedJob, parameters: Mapping[str, Any]) -> Point | None:
    """Give the point of the job's space with these values, if it is one."""
    point, outside = fit_point(job.space, parameters, job.fixed)
    return point if not outside and point.keys() <= parameters.keys() else None
