"""From rows to wire types: names of metrics, moments, what is derived. No SQL, no HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models.schema import ColumnSchema
from search.aims import Aims
from service.editing import takes_edits
from service.numbers import finite, from_exact
from service.queries.jobs import describe_best, describe_progress
from service.schemas import (
    DatasetDetail,
    DatasetView,
    EditView,
    JobView,
    ModelDetail,
    ModelView,
    PartView,
    ReportView,
    SegmentView,
    TrialDetail,
    TrialView,
)
from service.standing import is_feasible, spread_of
from service.tables import Dataset, Job, Model, Report, Segment, Trial

MODEL_FORMATS = ["package", "safetensors"]
_JOB_COLUMNS = (
    *("id", "name", "state", "reason", "detail", "labels"),
    *("parent", "spec", "resolved_spec", "plan", "numeric_class"),
)
_JOB_MOMENTS = ("created_at", "updated_at", "started_at", "ended_at")
_MODEL_COLUMNS = ("id", "trial", "origin", "epoch", "objective", "metrics", "test_metrics", "n_bytes", "sha256")


def view_job(job: Job, best_model: str | None, edits: Sequence[Mapping[str, Any]] = ()) -> JobView:
    """Show a job."""
    columns = {name: getattr(job, name) for name in (*_JOB_COLUMNS, *_JOB_MOMENTS)}
    return JobView(
        **columns,
        dataset=job.spec.get("dataset"),
        rungs=job.plan.get("rungs") or [],
        takes_edits=takes_edits(job.resolved_spec),
        edits=[EditView.model_validate(edit) for edit in edits],
        progress=describe_progress(job),  # type: ignore[arg-type]  # Pydantic reads the dict
        best=describe_best(job, best_model),  # type: ignore[arg-type]  # as above
    )


def metric_names(job: Job) -> list[str]:
    """Names of a job's metrics in the order of its reports' values; the first is the objective, and what early stopping
    watches on rows of its own comes last."""
    spec = job.resolved_spec
    names = list(spec.get("metrics") or [])
    if (spec.get("split") or {}).get("stopping"):
        watched = (spec.get("early_stopping") or {}).get("metric") or names[0]
        names.append(f"{watched} on stopping rows")
    return names


def read_aims(job: Job) -> Aims:
    """Read what a job is after."""
    return Aims.of_spec(job.resolved_spec, job.maximize)


def view_trial(trial: Trial, job: Job) -> TrialView:
    """Show a trial."""
    derived = ("metrics", "spread", "feasible", "broken")
    columns = {name: getattr(trial, name) for name in TrialView.model_fields if name not in derived}
    broken = read_aims(job).broken(from_exact(trial.metrics)) if trial.violation else {}
    return TrialView(
        **columns,
        metrics=_name_metrics(metric_names(job), trial.metrics),
        spread=spread_of(trial.parts),
        feasible=is_feasible(trial.violation),
        broken={metric: finite(excess) for metric, excess in broken.items()},
    )


def view_trial_detail(trial: Trial, job: Job, segments: Sequence[Segment]) -> TrialDetail:
    """Show a trial with its segments and its folds."""
    names, parts = metric_names(job), trial.parts or []
    n_folds = max(len(parts) // (job.resolved_spec.get("repeats") or 1), 1)
    folds = [
        PartView(fold=number % n_folds, repeat=number // n_folds, metrics=_name_metrics(names, values))
        for number, values in enumerate(parts)
    ]
    return TrialDetail(
        **dict(view_trial(trial, job)),
        segments=[SegmentView.model_validate(segment) for segment in segments],
        folds=folds,
        spreads={name: spread_of(parts, place) for place, name in enumerate(names)} if parts else {},
    )


def view_report(report: Report, metrics: Sequence[str]) -> ReportView:
    """Show a report."""
    columns = {name: getattr(report, name) for name in ReportView.model_fields if name != "metrics"}
    return ReportView(**columns, metrics=_name_metrics(metrics, report.values[1:]))


def view_model(model: Model) -> ModelView:
    """Show a model without its card."""
    return ModelView(**_model_columns(model))


def view_model_detail(model: Model) -> ModelDetail:
    """Show a model with its card."""
    return ModelDetail(**_model_columns(model), card=model.card)


def view_dataset(dataset: Dataset) -> DatasetView:
    """Show an upload without its columns."""
    return DatasetView(**_dataset_columns(dataset))


def view_dataset_detail(dataset: Dataset) -> DatasetDetail:
    """Show an upload with its columns."""
    columns = [ColumnSchema.model_validate(column) for column in dataset.columns]
    return DatasetDetail(**_dataset_columns(dataset), columns=columns)


def _name_metrics(names: Sequence[str], values: Sequence[Any]) -> dict[str, float | None]:
    return {name: finite(value) for name, value in zip(names, from_exact(values), strict=False)}


def _model_columns(model: Model) -> Mapping[str, Any]:
    columns = {name: getattr(model, name) for name in _MODEL_COLUMNS}
    members = [member["facts"] | {"share": member["share"]} for member in model.card.get("members", [])]
    told = {"confidence": model.card.get("facts", {}).get("confidence"), "members": members or None}
    return columns | told | {"job": model.job_id, "formats": MODEL_FORMATS, "created_at": model.created_at}


def _dataset_columns(dataset: Dataset) -> Mapping[str, Any]:
    columns = {name: getattr(dataset, name) for name in ("id", "name", "format", "n_bytes", "sha256", "created_at")}
    return columns | {"bundled": False, "rows": dataset.n_rows, "n_columns": len(dataset.columns), "target": None}
