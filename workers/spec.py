"""From a job as asked for to a job with every choice made, or a refusal that names the fields. No ray, no torch.

The body is `workers/body.py`, the result `workers/resolved.py`; what may be said about a running job is not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from models.schema import TableSchema, is_folded
from search.budget import Budget
from search.discovery import ALGORITHMS, SCHEDULERS
from search.objective import Objective
from search.plugins import Algorithm, Scheduler, admit, resolve_parallelism
from search.problems import FieldProblem
from search.space import Space
from workers.body import MOST_LANES_PER_TRIAL, JobSpec
from workers.external import NO_TABLE, bare_spec, choose_values
from workers.metric_choices import choose_metrics, fit_to_aims
from workers.range_test import range_problems
from workers.refusals import Refusals, SpecError, read_spec, validation_problems
from workers.resolved import ResolvedJob
from workers.schedule_choices import as_one_trial, at_stretch, choose_scheduled, merge_alike
from workers.space_choices import SpaceChoices, choose_space
from workers.table_choices import TableChoices, choose_from_table, choose_task
from workers.trainers import TRAINERS
from workers.warm_start import Ancestor, begin_warm

__all__ = [
    "FieldProblem",
    "JobSpec",
    "ResolvedJob",
    "SpecError",
    "choose_task",
    "preview",
    "read_spec",
    "resolve",
    "validation_problems",
]

REQUEST = "invalid-request"
LEAST_FAILURES = 10
"""Failed trials that a job bears unless it says otherwise."""


@dataclass(frozen=True)
class _Race:
    """Who proposes, who goes on, and how many at once."""

    algorithm: Algorithm
    scheduler: Scheduler
    trials: int
    parallelism: int


def resolve(
    spec: JobSpec,
    schema: TableSchema,
    default_target: Sequence[str] | None = None,
    ancestors: Sequence[Ancestor] = (),
) -> ResolvedJob:
    """Make every choice that a job leaves open. `default_target` is what a bundled set predicts, `ancestors` are the
    jobs of its warm start.

    Raises: SpecError with all problems that could be found at once.
    """
    refuse_not_yet(spec)
    if spec.trainer == "external":
        return _resolve_external(spec)
    refusals = Refusals()
    if spec.schedule is not None:
        spec = as_one_trial(spec, refusals)
    table = choose_from_table(spec, schema, default_target, refusals)
    trainer = TRAINERS[spec.trainer]
    space = (choose_space if spec.schedule is None else choose_scheduled)(spec, trainer, refusals)
    bare = trainer.without_probabilities(space.space, space.fixed) if space else []
    objectives, metrics = choose_metrics(spec, table, schema, bare, refusals)
    spec = fit_to_aims(spec, refusals)
    if space is not None and table.task is not None:
        targets = [column for name in table.targets if (column := schema.column(name))]
        found = trainer.task_problems(table.task, targets, space.space, space.fixed)
        refusals.extend("invalid-space", [at_stretch(problem, spec) for problem in found])
    race = _choose_race(spec, space, refusals)
    if table.folds * spec.repeats > MOST_LANES_PER_TRIAL:
        message = f"{spec.repeats} repeats of {table.folds} folds; at most {MOST_LANES_PER_TRIAL} lanes make a trial"
        refusals.add(REQUEST, "repeats", message)
    copying = race and next((part for part in (race.scheduler, race.algorithm) if _copies(part)), None)
    if spec.dedupe and copying:
        message = f"{copying.kind} copies trials on purpose, also of one point; allowed: null or false"
        refusals.add(REQUEST, "dedupe", message)
    if spec.budget.min_improvement and spec.budget.patience_trials is None:
        message = "says what counts for patience_trials, which is not given: give both or none"
        refusals.add(REQUEST, "budget.min_improvement", message)
    if spec.range_test is not None and space is not None:
        refusals.extend(REQUEST, range_problems(spec.range_test, space.space, trainer))
    if spec.retries:
        message = (
            f"{spec.retries} is given; a trial of the trainer {spec.trainer} is a function of its point and its seed:"
            " tried again it would fail again (lost workers are always made up for); allowed: 0"
        )
        refusals.add(REQUEST, "retries", message)
    _check_ensemble(spec, refusals)
    refusals.raise_any()
    if space is None or not objectives or race is None:
        raise AssertionError("a choice is missing without a refusal")
    job = _assemble(spec, table, objectives, metrics, space, race)
    job = begin_warm(job, spec, ancestors, refusals)
    refusals.raise_any()
    return job


def _resolve_external(spec: JobSpec) -> ResolvedJob:
    """Make the choices of a job whose trials are trained by a program of the user's.

    Raises: SpecError.
    """
    refusals = Refusals()
    space, objectives, metrics = choose_values(spec, refusals)
    spec = fit_to_aims(spec, refusals)
    race = _choose_race(spec, space, refusals)
    refusals.raise_any()
    if space is None or not objectives or race is None:
        raise AssertionError("a choice is missing without a refusal")
    return _assemble(bare_spec(spec), NO_TABLE, objectives, metrics, space, race)


def refuse_not_yet(spec: JobSpec) -> None:
    """Refuse what the format knows but nothing here can do yet.

    Raises: SpecError with the code not-yet.
    """
    if spec.trainer not in (*TRAINERS, "external"):
        raise SpecError([FieldProblem("trainer", f"not yet: trainer {spec.trainer}")], "not-yet")


def preview(job: ResolvedJob) -> dict[str, Any]:
    """Say what a job will do and what its budget buys. `epochs_bought` is an upper bound."""
    return {
        "task": job.task,
        "task_reason": job.task_reason,
        "targets": job.targets,
        "classes": job.classes,
        "features": [feature.model_dump() for feature in job.features],
        "rows": job.rows.model_dump(),
        "objective": job.objective.model_dump(),
        "further_objectives": [objective.model_dump() for objective in job.further_objectives],
        "limits": [limit.model_dump() for limit in job.limits],
        "metrics": job.metrics,
        "range_test": job.range_test.model_dump() if job.range_test else None,
        "algorithm": job.algorithm.kind,
        "scheduler": job.scheduler.kind,
        "trials": job.trials,
        "lanes": job.trials * job.lanes_per_trial,
        "lanes_per_trial": job.lanes_per_trial,
        "parallelism": job.parallelism,
        "epochs_per_trial": job.epochs,
        "rungs": job.decider.rungs(job.epochs),
        "epochs_bought": job.decider.epochs_bought(job.trials, job.epochs),
        "random_trials": _random_trials(job),
        "parameters": list(job.space.parameters),
        "constraints": [constraint.model_dump() for constraint in job.constraints],
        "default_point": job.feasible_space.default_point(),
        "points": job.points,
        "earlier": len(job.earlier),
        "notes": job.notes,
    }


def _random_trials(job: ResolvedJob) -> dict[str, int]:
    """Say which trials are a random search of their own: `count` of them from number `first` on."""
    n_given = len(job.search_request().initial_points)
    return {"first": n_given, "count": max(0, job.algorithm.n_random(job.trials) - n_given)}


def _choose_race(spec: JobSpec, space: SpaceChoices | None, refusals: Refusals) -> _Race | None:
    scheduler = spec.scheduler or SCHEDULERS["asha"]()
    algorithm = spec.algorithm or default_algorithm(scheduler, spec.budget.epochs_per_trial)
    reason = admit(algorithm, scheduler)
    if reason is not None:
        refusals.add("invalid-pair", "algorithm.kind", reason)
    if algorithm.inherits and not (spec.trainer in TRAINERS and TRAINERS[spec.trainer].inherits):
        message = f"trials of the trainer {spec.trainer} have no weights that others could inherit; allowed: false"
        refusals.add("invalid-pair", "algorithm.inherit_weights", message)
    if space is None:
        return None
    found = algorithm.problems(space.space, spec.budget.trials)
    if not found:
        trials = algorithm.n_trials(space.space, spec.budget.trials)
        race = _Race(algorithm, scheduler, trials, _parallelism(spec, algorithm, scheduler, trials))
        domains = space.space.domains()
        mutable = {name: domains[name] for name in space.mutable}
        found = scheduler.problems(mutable, trials, spec.budget.epochs_per_trial, race.parallelism)
    for problem in found:
        refusals.extend("invalid-space" if problem.path.startswith("space") else REQUEST, [problem])
    return None if found else race


def _refits(spec: JobSpec) -> bool:
    return is_folded(spec.split) if spec.refit is None else spec.refit


def _check_ensemble(spec: JobSpec, refusals: Refusals) -> None:
    if spec.ensemble is None:
        return
    if spec.contenders < 2:
        message = "1 is given; an ensemble needs at least 2 to choose from (or set ensemble to null)"
        refusals.add(REQUEST, "contenders", message)
    if spec.ensemble.start > spec.ensemble.size:
        message = f"{spec.ensemble.start} is given; allowed: at most size, {spec.ensemble.size}"
        refusals.add(REQUEST, "ensemble.start", message)


def default_algorithm(scheduler: Scheduler, epochs: int) -> Algorithm:
    """Choose for a job that names no algorithm.

    gp is the best of them where trials train to their end. Where a scheduler has rungs it would learn from the lowest,
    and after an epoch a small table tells nothing yet: hyperopt hears how each trial ended.
    """
    preferred = ALGORITHMS["hyperopt" if scheduler.rungs(epochs) else "gp"]()
    return preferred if admit(preferred, scheduler) is None else ALGORITHMS["random"]()


def _parallelism(spec: JobSpec, algorithm: Algorithm, scheduler: Scheduler, trials: int) -> int:
    return resolve_parallelism(algorithm, scheduler, trials, spec.budget.epochs_per_trial, spec.parallelism)


def _copies(part: Algorithm | Scheduler) -> bool:
    """Say whether trials of one point may differ, since each has weights of another trial."""
    return part.inherits if isinstance(part, Algorithm) else part.changes_parameters


def _dedupes(spec: JobSpec, space: Space, race: _Race) -> bool:
    """A point comes again only where no active parameter is continuous; then its first trial's reports are kept."""
    if spec.dedupe is False or _copies(race.scheduler) or _copies(race.algorithm):
        return False
    always = (parameter for parameter in space.parameters.values() if not parameter.when)
    return all(parameter.lattice() is not None for parameter in always)


def most_failures(wanted: int | None, trials: int) -> int:
    """Choose how many failed trials a job bears."""
    return max(LEAST_FAILURES, trials // 2) if wanted is None else wanted


def _assemble(
    spec: JobSpec,
    table: TableChoices,
    objectives: list[Objective],
    metrics: list[str],
    space: SpaceChoices,
    race: _Race,
) -> ResolvedJob:
    """Put the choices together; a task is chosen, or there were refusals."""
    if table.task is None and spec.trainer != "external":
        raise AssertionError("a task is missing without a refusal")
    budget: Budget = spec.budget.model_copy(update={"trials": race.trials})
    return ResolvedJob(
        name=spec.name,
        labels=spec.labels,
        dataset=spec.dataset,
        targets=table.targets,
        features=table.features,
        task=table.task,
        task_reason=table.task_reason,
        classes=table.classes,
        split=spec.split,
        rows=table.rows,
        trainer=spec.trainer,
        fixed=space.fixed,
        space=Space(space.space.parameters),
        constraints=spec.constraints,
        mutable=space.mutable,
        schedule=None if spec.schedule is None else merge_alike(spec.schedule),
        objective=objectives[0],
        further_objectives=objectives[1:],
        limits=spec.limits,
        metrics=metrics,
        algorithm=race.algorithm,
        scheduler=race.scheduler,
        range_test=spec.range_test,
        budget=budget,
        trials=race.trials,
        parallelism=race.parallelism,
        early_stopping=spec.early_stopping,
        start_from_default=spec.start_from_default,
        keep_models=spec.keep_models,
        contenders=spec.contenders,
        ensemble=spec.ensemble,
        seed=spec.seed,
        folds=table.folds,
        repeats=spec.repeats,
        refit=_refits(spec),
        dedupe=_dedupes(spec, space.space, race),
        retries=spec.retries,
        max_failed_trials=most_failures(spec.max_failed_trials, race.trials),
    )
