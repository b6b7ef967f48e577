"""What a job may be made of, each with its JSON schema and one line: the form of the dashboard is drawn from it."""

from __future__ import annotations

from typing import Any, get_args

from models.bundled import BUNDLED, bundled_target
from models.hyper import ActivationName
from models.hyper_training import OptimizerName
from models.lanes import Task
from models.loss_table import LOSSES
from models.scores import DEFAULTS, FACTS, scores_for
from search.discovery import ALGORITHMS, FORMATS, SCHEDULERS
from search.plugins import Algorithm, Scheduler, admit
from search.space import Space
from workers.body import JobSpec
from workers.external import ABOUT as EXTERNAL
from workers.external import SAYS
from workers.presets import PRESETS
from workers.trainers import TRAINERS
from workers.trainers.base import Trainer


def catalog() -> dict[str, Any]:
    """List everything that a job spec may name."""
    return {
        "job": JobSpec.model_json_schema(),
        "space": Space.model_json_schema(),
        "algorithms": [_describe_algorithm(algorithm) for algorithm in ALGORITHMS.values()],
        "schedulers": [_describe_scheduler(scheduler) for scheduler in SCHEDULERS.values()],
        "imports": [{"kind": name, "about": form.about(), "example": form.example} for name, form in FORMATS.items()],
        "trainers": [
            *(_describe_trainer(trainer) for trainer in TRAINERS.values()),
            {"kind": "external", "about": EXTERNAL, "tasks": [], "says": sorted(SAYS)},
        ],
        "hyperparameters": [_describe_hyperparameter(TRAINERS["mlp"], name) for name in TRAINERS["mlp"].names],
        "activations": list(get_args(ActivationName)),
        "optimizers": list(get_args(OptimizerName)),
        "losses": [
            {"name": name, "about": loss.about, "tasks": list(loss.forms), "probabilities": loss.gives_probabilities}
            for name, loss in LOSSES.items()
        ],
        "metrics": {task: _describe_metrics(task) for task in get_args(Task)},
        "facts": [{"name": name, "maximize": False, "about": about} for name, about in FACTS.items()],
        "presets": [
            {
                "name": p.name,
                "about": p.about,
                "trainer": p.trainer,
                "fixed": p.fixed,
                "space": p.space.model_dump(mode="json"),
            }
            for p in PRESETS.values()
        ],
        "datasets": [{"name": name, "target": bundled_target(name)} for name in BUNDLED],
    }


def _describe_algorithm(algorithm: type[Algorithm]) -> dict[str, Any]:
    refused = {name: reason for name, scheduler in SCHEDULERS.items() if (reason := admit(algorithm, scheduler))}
    return {
        "kind": algorithm.name(),
        "about": algorithm.about(),
        "learns": algorithm.learns,
        "finite": algorithm.finite,
        "refused_with": refused,
        "schema": algorithm.model_json_schema(),
    }


def _describe_scheduler(scheduler: type[Scheduler]) -> dict[str, Any]:
    return {
        "kind": scheduler.name(),
        "about": scheduler.about(),
        "changes_parameters": scheduler.changes_parameters,
        "needs_all_trials": scheduler.needs_all_trials,
        "schema": scheduler.model_json_schema(),
    }


def _describe_trainer(trainer: Trainer) -> dict[str, Any]:
    about = (type(trainer).__doc__ or "").splitlines()[0]
    return {
        "kind": trainer.kind,
        "about": about,
        "tasks": list(trainer.tasks),
        "default_preset": trainer.default_preset,
        "hyperparameters": [_describe_hyperparameter(trainer, name) for name in trainer.names],
    }


def _describe_hyperparameter(trainer: Trainer, name: str) -> dict[str, Any]:
    schema = trainer.hyperparameters.model_json_schema()["properties"][name]
    return {
        "name": name,
        "about": schema.get("description", ""),
        "default": trainer.defaults[name],
        "mutable": name in trainer.mutable,
        "needs": {other: condition.root for other, condition in trainer.needs(name).items()},
        "per_layer": name in trainer.per_layer,
        "schema": {key: value for key, value in schema.items() if key not in ("mutable", "needs", "encodes")},
    }


def _describe_metrics(task: Task) -> list[dict[str, Any]]:
    return [
        {
            "name": score.name,
            "maximize": score.maximize,
            "about": score.about,
            "needs": score.needs,
            "by_default": score.name in DEFAULTS[task],
        }
        for score in scores_for(task)
    ]
