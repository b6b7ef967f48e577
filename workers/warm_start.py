"""What a job begins with: given points, the best points of earlier jobs, and their results. No ray, no SQL.

All is taken when the job is submitted and kept in its journal, so that an earlier job may go on, or be deleted.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.conditions import same_value
from search.earlier import fit_point
from search.objective import Objective
from search.problems import join_path
from search.trial import TrialState
from workers.body import JobSpec
from workers.body_parts import GivenPoint, WarmStart
from workers.refusals import Refusals
from workers.resolved import EarlierTrial, ResolvedJob
from workers.sink import JournalFact
from workers.trainers import TRAINERS

KIND = "warm_start"
"""Of the journal's fact, round 0."""
MOST_EARLIER = 1000
"""Results that are told at most; the best of them."""
SOUND = frozenset({TrialState.COMPLETED, TrialState.STOPPED})
_SPACE = "invalid-space"
_REQUEST = "invalid-request"
_MATTER = ("dataset", "targets", "task", "objective", "trainer")
"""What two jobs must have in common for their results to compare."""

_POINTS_ONLY = "set warm_start.results to false to begin at its best points only"
_INHERITED = "trials of {} inherited weights: their values say what their ancestors learned, too"


@dataclass(frozen=True)
class AncestorTrial:
    """What is taken of a trial: its newest parameters, its objective at its best epoch, the age of its weights, and how
    far it breaks its job's limits."""

    number: int
    state: TrialState
    parameters: Mapping[str, Any]
    objective: float | None
    epochs: int
    violation: float | None = None


@dataclass(frozen=True)
class Ancestor:
    """An earlier job: its resolved spec as JSON, perhaps of an older version, and its trials by number."""

    id: str
    spec: Mapping[str, Any]
    trials: Sequence[AncestorTrial]


def begin_warm(job: ResolvedJob, spec: JobSpec, ancestors: Sequence[Ancestor], refusals: Refusals) -> ResolvedJob:
    """Give the job the points to try first and the results to begin with, which its spec asks for."""
    if spec.warm_start is None and not spec.points:
        return job
    points, earlier = _read_points(job, spec.points, refusals)
    notes: list[str] = []
    if spec.warm_start is not None:
        taken = _take(job, spec.warm_start, ancestors, refusals)
        room = max(min(spec.warm_start.best, job.trials - len(points)), 0)
        points += [point for point in taken.points if point not in points][:room]
        earlier += taken.earlier
        notes = taken.notes
    if earlier and not job.algorithm.learns:
        notes.append(f"{job.algorithm.kind} does not learn: {len(earlier)} results from before the job are not used")
        earlier = []
    return job.model_copy(update={"points": points, "earlier": earlier, "notes": notes})


def describe_earlier(job: ResolvedJob) -> dict[str, Any]:
    """Give the payload of the journal's fact."""
    return {"earlier": [known.model_dump(mode="json") for known in job.earlier]}


def recall_earlier(job: ResolvedJob, journal: Iterable[JournalFact]) -> ResolvedJob:
    """Give back to a job what its journal holds for it."""
    for fact in journal:
        if fact.kind == KIND:
            earlier = [EarlierTrial.model_validate(known) for known in fact.payload["earlier"]]
            return job.model_copy(update={"earlier": earlier})
    return job


def keep_best(earlier: list[EarlierTrial], objective: Objective) -> list[EarlierTrial]:
    """Keep the best of them, as many as are told at most, in the order in which they stand."""
    order = sorted(range(len(earlier)), key=lambda place: (objective.rank(earlier[place].objective), place))
    return [earlier[place] for place in sorted(order[:MOST_EARLIER])]


def _read_points(
    job: ResolvedJob, given: Sequence[GivenPoint], refusals: Refusals
) -> tuple[list[dict[str, Any]], list[EarlierTrial]]:
    points: list[dict[str, Any]] = []
    earlier = []
    for place, wanted in enumerate(given):
        path = f"points.{place}.parameters"
        point, outside = fit_point(job.space, wanted.parameters, job.fixed)
        for name, message in outside.items():
            refusals.add(_SPACE, join_path(path, name), message)
        for name, value in wanted.parameters.items():
            if name not in point:
                _refuse_name(job, join_path(path, name), name, value, refusals)
        if wanted.objective is not None:
            earlier.append(EarlierTrial(parameters=point, objective=wanted.objective, epochs=job.epochs))
        elif point not in points:
            points.append(point)
    if len(points) > job.trials:
        refusals.add(_REQUEST, "points", f"{len(points)} different points are given, the job has {job.trials} trials")
    return points, earlier


def _refuse_name(job: ResolvedJob, path: str, name: str, value: Any, refusals: Refusals) -> None:
    if name in job.space.parameters:
        refusals.add(_SPACE, path, f"{name} is not active at this point: leave it out")
    elif name not in job.fixed:
        refusals.add(_SPACE, path, f"{name} is none of the space; allowed: {', '.join(job.space.parameters)}")
    elif not same_value(job.fixed[name], value):
        refusals.add(_SPACE, path, f"{name} is fixed at {job.fixed[name]!r} in this job")


@dataclass
class _Taken:
    points: list[dict[str, Any]]
    earlier: list[EarlierTrial]
    notes: list[str]


def _take(job: ResolvedJob, wanted: WarmStart, ancestors: Sequence[Ancestor], refusals: Refusals) -> _Taken:
    """Take what fits from all ancestors; refuse those whose results do not compare, and a warm start from nothing."""
    taken = _Taken([], [], [])
    ranked: list[tuple[float, int, dict[str, Any]]] = []
    for place, ancestor in enumerate(ancestors):
        if wanted.results:
            problems = [_other(job, ancestor, name) for name in _MATTER if not _agrees(job, ancestor.spec, name)]
            if ancestor.spec.get("algorithm", {}).get("inherit_weights"):
                problems.append(f"{_INHERITED.format(ancestor.id)}; {_POINTS_ONLY}")
            for problem in problems:
                refusals.add(_REQUEST, f"warm_start.jobs.{place}", problem)
            if problems:
                continue
        found, dropped = _fitting(job, ancestor)
        told = _tellable(job, ancestor, found) if wanted.results else []
        taken.earlier += told
        ranked += _rank(found, ancestor, by_value=wanted.results)
        taken.notes.append(_tell(ancestor, len(told), len(found), dropped))
    taken.points = _distinct(point for *_, point in sorted(ranked, key=lambda item: item[:2]))
    if len(taken.earlier) > MOST_EARLIER:
        taken.notes.append(f"of {len(taken.earlier)} results the {MOST_EARLIER} best are told")
        taken.earlier = keep_best(taken.earlier, job.objective)
    if not refusals and not taken.points and not taken.earlier:
        message = "none of these jobs has a trial with a result that fits this job's space; leave warm_start out"
        refusals.add(_REQUEST, "warm_start.jobs", f"{message} ({'; '.join(taken.notes)})")
    return taken


def _agrees(job: ResolvedJob, spec: Mapping[str, Any], name: str) -> bool:
    mine = job.model_dump(mode="json", include={name})[name]
    return bool(mine == spec.get(name))


def _other(job: ResolvedJob, ancestor: Ancestor, name: str) -> str:
    mine, theirs = job.model_dump(mode="json", include={name})[name], ancestor.spec.get(name)
    if name == "objective":
        mine, theirs = mine["name"], (theirs or {}).get("name")
    return f"{ancestor.id} has the {name} {theirs!r}, this job {mine!r}: its results do not compare; {_POINTS_ONLY}"


_Found = list[tuple[AncestorTrial, dict[str, Any]]]


def _fitting(job: ResolvedJob, ancestor: Ancestor) -> tuple[_Found, Counter[str]]:
    """List the trials with a result, or a failure to learn from, whose points lie in the job's space."""
    found: _Found = []
    dropped: Counter[str] = Counter()
    for trial in ancestor.trials:
        is_sound = trial.state in SOUND and trial.objective is not None
        if not is_sound and trial.state != TrialState.DIVERGED:
            continue
        values = {**ancestor.spec.get("fixed", {}), **trial.parameters}
        point, outside = fit_point(job.space, values, job.fixed)
        missing = [name for name in point if name not in values]
        if outside or missing:
            dropped[next(iter([*outside, *missing]))] += 1
        else:
            found.append((trial, point))
    return found, dropped


def _tellable(job: ResolvedJob, ancestor: Ancestor, found: _Found) -> list[EarlierTrial]:
    """List results of networks that this job could train itself: all that it fixes was the same.

    A trial that diverged is told as the worst of the others, as Tune is told of it in a job.
    """
    horizon = TRAINERS[job.trainer].horizon  # it follows from the length of a trial: no other network
    constant = {name: value for name, value in job.fixed.items() if name != horizon}
    alike = [
        (trial, point)
        for trial, point in found
        if all(
            same_value(constant[name], value)
            for name, value in {**ancestor.spec.get("fixed", {}), **trial.parameters}.items()
            if name in constant
        )
    ]
    finite = [trial.objective for trial, _ in alike if trial.state in SOUND and trial.objective is not None]
    if not finite:
        return []
    worst = max(finite, key=job.objective.rank)
    return [
        EarlierTrial(
            parameters=point,
            objective=trial.objective if trial.state in SOUND and trial.objective is not None else worst,
            epochs=max(trial.epochs, 1),
            job=ancestor.id,
            trial=trial.number,
        )
        for trial, point in alike
    ]


def _rank(found: _Found, ancestor: Ancestor, by_value: bool) -> list[tuple[float, int, dict[str, Any]]]:
    """Give keys that sort the best points first: by value where values of all jobs compare, else by rank in its job."""
    sign = -1.0 if (ancestor.spec.get("objective") or {}).get("maximize") else 1.0
    keyed = [
        (sign * trial.objective, trial.number, point)
        for trial, point in found
        if trial.state in SOUND and trial.objective is not None and not trial.violation
    ]
    ordered = sorted(keyed, key=lambda item: item[:2])
    return ordered if by_value else [(float(rank), *item[1:]) for rank, item in enumerate(ordered)]


def _distinct(points: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({json.dumps(point, sort_keys=True): point for point in points}.values())


def _tell(ancestor: Ancestor, n_told: int, n_found: int, dropped: Counter[str]) -> str:
    text = f"{n_told} results of {ancestor.id} are told"
    if n_found > n_told:
        text += f", {n_found - n_told} are not: what this job fixes was different, or nothing is to be told"
    if dropped:
        names = ", ".join(f"{name} ({n})" for name, n in sorted(dropped.items()))
        text += f"; points outside of this job's space were dropped: {names}"
    return text
