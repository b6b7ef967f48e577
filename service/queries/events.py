"""Events of a job: written in the transaction of the fact that they tell, read by number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from service.tables import Event, Job


class NewEvent(NamedTuple):
    """An event before it has its number."""

    type: str
    data: dict[str, Any]


def append_events(session: Session, job_id: str, events: Sequence[NewEvent]) -> None:
    """Number and store events.

    The counter is a column of the job: the row's lock orders writers, so that numbers become visible in order.
    """
    if not events:
        return
    counted = update(Job).where(Job.id == job_id).values(next_event=Job.next_event + len(events))
    after = session.scalars(counted.returning(Job.next_event), execution_options={"synchronize_session": False}).one()
    first = after - len(events)
    rows = [
        {"job_id": job_id, "id": first + place, "type": event.type, "data": event.data}
        for place, event in enumerate(events)
    ]
    session.execute(insert(Event), rows)


def list_events(session: Session, job_id: str, after: int, limit: int) -> Sequence[Event]:
    """List events with a number above `after`, in order."""
    query = select(Event).where(Event.job_id == job_id, Event.id > after).order_by(Event.id).limit(limit)
    return session.scalars(query).all()
