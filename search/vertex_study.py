"""What a study of Vertex AI or Vizier is after, and when it ends. The rest of it is `search/imports/vertex.py`.

Sources: REST reference of Vertex AI v1 (MetricSpec, SafetyMetricConfig, StudyStoppingConfig), which makes a metric with
a safetyConfig no objective and gives the NoProgress rules an effect with one objective only; `safety.py` of the
open-source Vizier, where a value at the threshold is safe.
"""

from __future__ import annotations

from typing import Any

from search.aims import MOST_OBJECTIVES
from search.budget import MOST_TRIALS
from search.draft import Draft, is_name
from search.foreign import Place, shorten

GOALS = {"GOAL_TYPE_UNSPECIFIED": None, "MAXIMIZE": True, "MINIMIZE": False}
_GOAL_NUMBERS = dict(enumerate(GOALS))


def read_metrics(metrics: Place, draft: Draft) -> None:
    """Make a metric an objective, or a limit where it has a safetyConfig."""
    objectives: list[dict[str, Any]] = []
    limits: list[dict[str, Any]] = []
    for metric in metrics.items():
        name, safety = metric.need("metricId"), metric.get("safetyConfig")
        maximize = metric.get("goal").as_word(_GOAL_NUMBERS).choose(GOALS)
        metric.close()
        if maximize is None:
            metric.get("goal").note("no goal is given: MAXIMIZE, as there")
        if not is_name(name):
            continue
        if name.value in [one["name"] for one in objectives] + [one["metric"] for one in limits]:
            name.refuse("another metric has this name: rename one")
        elif safety.is_there:
            limits.append({"metric": name.value} | _read_bound(safety, "at_most" if maximize is False else "at_least"))
        elif len(objectives) == MOST_OBJECTIVES:
            metric.refuse(
                f"a job has {MOST_OBJECTIVES} objectives at most: take this one out, or give it a safetyConfig, which"
                " makes it a limit; a job may name it in metrics, to be told beside them"
            )
        else:
            objectives.append({"name": name.value, "maximize": maximize is not False})
    if metrics.value == []:
        metrics.refuse("name the metric that is optimised")
    elif limits and not objectives:
        metrics.refuse("a metric with safetyConfig is a limit: name one without it, which is optimised")
    if len(objectives) > 1:
        metrics.note(
            "of several objectives the first decides which step of a trial counts, and algorithm and scheduler hear one"
            " number: how often a trial is dominated by others"
        )
    draft.job["objective"] = objectives[0] if len(objectives) == 1 else objectives
    draft.job["limits"] = limits


def _read_bound(safety: Place, side: str) -> dict[str, float]:
    threshold, fraction = safety.get("safetyThreshold"), safety.get("desiredMinSafeTrialsFraction")
    safety.close()
    if not threshold.is_there:
        safety.note("no threshold is given: 0, as there")
    share = fraction.number()
    if share is not None and not 0 <= share <= 1:
        fraction.refuse(f"a number from 0 to 1 is expected, got {shorten(fraction.value)}")
    elif share:
        fraction.note("this has no counterpart: the search turns away from points that break a limit, as far as it can")
    return {side: threshold.number() or 0}


def read_end(config: Place, draft: Draft) -> None:
    """Read when the whole study ends. The metrics have been read."""
    if not config.is_there:
        return
    most = config.get("maxNumTrials").whole(1, MOST_TRIALS)
    draft.set_budget(trials=min(filter(None, (most, draft.budget.get("trials"))), default=None))
    unknown = ["minNumTrials", "minimumRuntimeConstraint"]
    if isinstance(draft.job["objective"], list):
        effect = "this has an effect with one objective only, there as here: left out"
        config.set_aside(("maxNumTrialsNoProgress", "maxDurationNoProgress"), effect)
    else:
        draft.set_budget(patience_trials=config.get("maxNumTrialsNoProgress").whole(1, MOST_TRIALS))
        unknown.append("maxDurationNoProgress")
    limit = config.get("maximumRuntimeConstraint")
    if limit.is_there:
        length = limit.get("maxDuration")
        seconds = Place((length.text() or "").removesuffix("s") or None, length.path, draft.report).number()
        draft.set_budget(seconds=seconds)
        if limit.get("endTime").is_there:
            limit.get("endTime").refuse("a job ends after a time, not at one: give maxDuration")
        limit.close()
    for field in unknown:
        if config.get(field).is_there:
            config.get(field).refuse("there is no such limit here: take it out, or give maxNumTrialsNoProgress")
    config.set_aside(("shouldStopAsap",), "trials under way stop when the search ends")
    config.close()
