"""The searches of one run: the one that it begins with, and after every edit of its space another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from workers import edits
from workers.lane_manager import JointSettings
from workers.ledger import Ledger
from workers.resolved import ResolvedJob
from workers.sink import JournalFact, Record, Sink
from workers.succession import Leg, Succession


class Asked(Protocol):
    """Where a run hears of edits."""

    def edits(self) -> Sequence[Mapping[str, Any]]:
        """Answer each edit of the space that a user has asked for once, in order: payloads of `workers.edits`."""


class Searches:
    """Builds them. `run` has a record, a sink and a control; `job` is the job as it is searched first."""

    def __init__(self, job: ResolvedJob, settings: JointSettings, ledger: Ledger, run: Any) -> None:
        self._job, self._settings, self._ledger = job, settings, ledger
        self._record: Record = run.record
        self._sink: Sink = run.sink
        self._asked: Asked = run.control
        self._edits: list[Mapping[str, Any]] = []
        self.succession = Succession(self._leg(job))

    def take_edits(self, round_number: int) -> None:
        """Let the edits of a round take effect: those of its record, and where that goes no further, new ones.

        A record may hold trials that began after its last round: new edits wait until they have begun again.
        """
        known, n_begun = edits.recall_edits(self._record.journal, round_number), len(self._ledger.lives.by_number)
        is_new = round_number >= self._record.n_rounds and n_begun >= len(self._record.parameters)
        asked = list(self._asked.edits()) if is_new else []
        for payload in asked:
            self._sink.journal(JournalFact(round_number, edits.KIND, payload))
            self._sink.note(edits.KIND, edits.tell_edit(payload, n_begun), n_begun)
        if known or asked:
            self._edits += [*known, *asked]
            self.succession.follow_with(self._next_leg)

    def _next_leg(self) -> Leg | None:
        """Give the search that follows the newest edit; None where all trials have begun."""
        begun = list(self._ledger.lives.by_number.values())
        if len(begun) == self._job.trials:
            return None
        return self._leg(edits.rest_of(self._job, self._edits, begun, self._ledger.ended, self._settings.merit))

    def _leg(self, job: ResolvedJob) -> Leg:
        request = job.search_request(self._settings.epoch_seconds)
        most_live = job.parallelism if job.algorithm.learns else None
        return Leg(job.algorithm.search(request), request.domains, job.trials, job.decode, most_live)
