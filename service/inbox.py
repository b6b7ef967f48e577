"""Where a driver hears what programs outside have told: the table `told`, looked at again and again while it waits."""

from __future__ import annotations

import time
from collections.abc import Collection

from sqlalchemy.exc import SQLAlchemyError

from models.lanes import LaneError
from service.database import Database, classify_fault
from service.leases import Claim
from service.queries.told import News, list_told, look
from service.recorder import Recorder
from service.told_tables import Told
from workers.errors import LeaseLost, NothingTold
from workers.told import Tell

SHORTEST_SECONDS, LONGEST_SECONDS = 0.002, 0.1
SHARE = 0.05
"""Between two looks lies this share of the time waited so far: answers are late by little, an idle job is quiet."""
LEAST_GAP_SECONDS = 0.02
MOST_AT_ONCE = 200
PATIENCE_SECONDS = 5.0
"""So long it waits while another job waits for a driver."""


class Inbox:
    """Gives one report after the other, in the order in which they were told; a `workers.told.Tells`.

    Everything decided so far is stored before it waits: who has told waits for the decision.
    """

    def __init__(self, database: Database, claim: Claim, recorder: Recorder) -> None:
        self._database, self._claim, self._recorder = database, claim, recorder
        self._waiting: list[Told] = []
        self._stored = 0.0

    def next(self, trials: Collection[int], until: float | None) -> Tell | None:
        """See `Tells.next`.

        Raises: LeaseLost, StorageFull, NothingTold.
        """
        begun = time.monotonic()
        if begun - self._stored < LEAST_GAP_SECONDS and (told := self._take(trials)):
            return told
        while True:
            self._recorder.flush()
            self._stored = time.monotonic()
            news = self._look()
            if news is not None and news.is_asked:
                return None
            if told := self._take(trials):
                return told
            moment = time.monotonic()
            if news is not None and news.is_needed and moment - begun > PATIENCE_SECONDS:
                raise NothingTold("its driver has gone to other jobs until it is told something")
            if until is not None and moment >= until:
                return None
            time.sleep(min(max(SHARE * (moment - begun), SHORTEST_SECONDS), LONGEST_SECONDS))

    def _take(self, trials: Collection[int]) -> Tell | None:
        """Take the first report of one of these trials."""
        for place, row in enumerate(self._waiting):
            if row.trial in trials:
                del self._waiting[place]
                self._recorder.heard(row.id)
                return Tell(
                    row.trial, row.step, row.values, row.is_final, LaneError(**row.error) if row.error else None
                )
        return None

    def _look(self) -> News | None:
        """Look at what was told meanwhile, and what else there is; None while the database is away.

        Raises: LeaseLost.
        """
        try:
            with self._database.reading() as session:
                news = look(session, self._claim.job_id, self._claim.lease_epoch)
                self._waiting = list(list_told(session, self._claim.job_id, MOST_AT_ONCE)) if news.is_told else []
        except SQLAlchemyError as error:
            if classify_fault(error) != "away":
                raise
            return None
        if not news.is_ours:
            raise LeaseLost(f"job {self._claim.job_id} is no longer ours")
        return news
