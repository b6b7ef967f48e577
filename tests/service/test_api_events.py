"""A job's events over HTTP: every fact once and in order, live, replayed and as a list."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx

from search.trial import JobReason, JobState
from service.database import Database
from service.leases import Leases
from service.recorder import Recorder
from tests.service.facts import claim, report, submit
from tests.service.packages import finish_job


def read_stream(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """Parse server-sent events as the standard says: fields until an empty line; comments begin with a colon."""
    fields: dict[str, str] = {}
    for line in answer.iter_lines():
        if not line:
            if "data" in fields:
                yield {"id": int(fields["id"]), "type": fields["event"], "data": json.loads(fields["data"])}
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value


def listed(api: httpx.Client, job_id: str, **params: Any) -> list[dict[str, Any]]:
    """The events as a list."""
    headers = {"accept": "application/json"}
    return list(api.get(f"/v1/jobs/{job_id}/events", params=params, headers=headers).json()["items"])


def streamed(api: httpx.Client, job_id: str, **headers: str) -> list[dict[str, Any]]:
    """The events of a stream that ends by itself."""
    with api.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        return list(read_stream(answer))


def test_the_stream_of_a_finished_job_is_the_list_and_ends(api: httpx.Client, database: Database) -> None:
    job_id = finish_job(database).id
    events = streamed(api, job_id)
    assert events == listed(api, job_id)
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["data"]["state"] == "succeeded"


def test_a_stream_goes_on_behind_the_last_event_that_was_received(api: httpx.Client, database: Database) -> None:
    job_id = finish_job(database).id
    events = listed(api, job_id)
    assert streamed(api, job_id, **{"Last-Event-ID": "4"}) == events[4:]
    assert listed(api, job_id, after=4) == events[4:]
    last = {"Last-Event-ID": str(len(events))}
    assert api.get(f"/v1/jobs/{job_id}/events", headers=last).status_code == 204


def test_the_list_comes_in_pages(api: httpx.Client, database: Database) -> None:
    job_id = finish_job(database).id
    events = listed(api, job_id)
    path, headers = f"/v1/jobs/{job_id}/events", {"accept": "application/json"}
    first = api.get(path, params={"limit": 3}, headers=headers).json()
    assert first["items"] == events[:3]
    rest = api.get(path, params={"after": first["next_cursor"]}, headers=headers).json()
    assert rest == {"items": events[3:], "next_cursor": None}


def test_a_watcher_sees_rounds_as_they_are_stored_and_the_end(api: httpx.Client, database: Database) -> None:
    held = claim(database)
    recorder = Recorder(database, held, least_gap_seconds=0.0)
    seen: list[dict[str, Any]] = []
    has_seen = {number: threading.Event() for number in (1, 2)}

    def watch() -> None:
        with api.stream("GET", f"/v1/jobs/{held.job_id}/events") as answer:
            for event in read_stream(answer):
                seen.append(event)
                if event["type"] == "reports":
                    has_seen[event["data"]["round"]].set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    for number in (1, 2):
        recorder.reports(number, {}, [report(0, number, 0.5)])
        recorder.round_ended(number)
        assert has_seen[number].wait(20), "a round was not streamed before the next one"
    Leases(database, 15).release(held, JobState.SUCCEEDED, JobReason.TRIALS_DONE)
    watcher.join(20)
    assert not watcher.is_alive()
    assert [event["id"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["data"]["reason"] == "trials_done"


def test_many_watchers_do_not_use_up_the_database(api: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    ended: list[str] = []
    started = threading.Barrier(61)

    def watch() -> None:
        with httpx.stream("GET", f"{api.base_url}/v1/jobs/{job_id}/events", timeout=60) as answer:
            events = read_stream(answer)
            next(events)
            started.wait(60)
            ended.extend(event["data"]["state"] for event in events)

    threads = [threading.Thread(target=watch) for _ in range(60)]
    for thread in threads:
        thread.start()
    started.wait(60)
    assert api.get(f"/v1/jobs/{job_id}").status_code == 200
    assert api.post(f"/v1/jobs/{job_id}/cancel").status_code == 200
    for thread in threads:
        thread.join(60)
    assert ended == ["cancelled"] * 60
