"""Metrics of the service for Prometheus: requests as they come, jobs and runners as the database has them."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from search.trial import JobState
from service.database import Database
from service.leases import list_runners
from service.queries.jobs import count_by_state, sum_progress

CONTENT_TYPE = CONTENT_TYPE_LATEST
_PROCESS = CollectorRegistry()
REQUESTS = Counter("regatta_requests_total", "Requests by route and status.", ["route", "status"], registry=_PROCESS)
LATENCY = Histogram("regatta_request_seconds", "Time until the answer starts.", ["route"], registry=_PROCESS)


def render_metrics(database: Database, silent_after_seconds: float) -> bytes:
    """Write all metrics in Prometheus' text format."""
    stored = CollectorRegistry()
    stored.register(_Stored(database, silent_after_seconds))
    return generate_latest(stored) + generate_latest(_PROCESS)


class _Stored(Collector):
    def __init__(self, database: Database, silent_after_seconds: float) -> None:
        self._database = database
        self._silent_after_seconds = silent_after_seconds

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()  # or registering would ask the database

    def collect(self) -> Iterable[GaugeMetricFamily]:
        with self._database.reading() as session:
            counts = count_by_state(session)
            n_done, n_epochs = sum_progress(session)
            runners = list_runners(session, self._silent_after_seconds)
        jobs = GaugeMetricFamily("regatta_jobs", "Jobs by state.", labels=["state"])
        for state in JobState:
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily("regatta_trials_done", "Trials that have ended, over all jobs.", value=n_done)
        yield GaugeMetricFamily("regatta_epochs", "Epochs trained, over all jobs.", value=n_epochs)
        yield GaugeMetricFamily("regatta_runners", "Runners that are alive.", value=len(runners))
