"""The few HTTP calls that the examples share: submit, follow, fetch. Plain httpx, nothing of the server's own code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx

ENDED = ("succeeded", "failed", "cancelled")


class Event(NamedTuple):
    """One server-sent event: its number, its type and its data."""

    number: int
    type: str
    data: dict[str, Any]


class ServiceClient:
    """A service at an address."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=self.url, timeout=60)

    def get(self, path: str, **params: Any) -> Any:
        """Read JSON. Raises: SystemExit with the problem that the service names."""
        return _read(self._http.get(path, params=params)).json()

    def post(self, path: str, body: Any) -> Any:
        """Send JSON. Raises: SystemExit with the problem that the service names."""
        return _read(self._http.post(path, json=body)).json()

    def upload(self, path: str, name: str) -> dict[str, Any]:
        """Upload a table; the answer describes its columns."""
        with open(path, "rb") as file:
            answer = self._http.post("/v1/datasets", files={"file": file}, data={"name": name})
        uploaded: dict[str, Any] = _read(answer).json()
        return uploaded

    def download(self, model_id: str) -> bytes:
        """Fetch a model's package: a zip of its card and its weights."""
        return _read(self._http.get(f"/v1/models/{model_id}/download", params={"format": "package"})).content

    def is_ready(self) -> bool:
        """Ask whether jobs can be taken and run."""
        try:
            return self._http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def follow(self, job_id: str) -> Iterator[Event]:
        """Follow a job's events to its end, and go on where a stream breaks off."""
        last = 0
        while True:
            headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last)}
            try:
                with self._http.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as answer:
                    for event in _parse(answer.iter_lines()):
                        yield event
                        last = event.number
            except httpx.RemoteProtocolError:
                pass
            if self.get(f"/v1/jobs/{job_id}")["state"] in ENDED:
                return


def _parse(lines: Iterator[str]) -> Iterator[Event]:
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield Event(int(fields["id"]), fields["event"], json.loads(fields["data"]))
            fields = {}


def _read(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    problem = answer.json()
    said = [f"{error['path']}: {error['message']}" for error in problem.get("errors", [])]
    raise SystemExit("\n".join([f"{problem['title']}: {problem['detail']}", *said]))
