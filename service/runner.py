"""The runner: owns the pack actors, claims jobs, hands each to a driver of its own, and keeps a warm one ready."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from search.trial import IllegalTransition, JobReason, JobState
from service import ray_cluster
from service.database import Database
from service.leases import Claim, Leases
from service.settings import Settings, child_environment
from workers.errors import LeaseLost, StorageFull

POLL_SECONDS = 0.1
OUTAGE_SECONDS = 1.0
log = structlog.get_logger("runner")


@dataclass
class DriverProcess:
    """A driver child: warm once it has said so, at work while it holds a claim."""

    process: subprocess.Popen[bytes]
    ready: bool = False
    claim: Claim | None = None
    seats: list[str] = field(default_factory=list)

    def assign(self, claim: Claim, seats: list[str]) -> None:
        """Hand over a job."""
        self.claim, self.seats = claim, seats
        work = {"job_id": claim.job_id, "lease_epoch": claim.lease_epoch, "seats": seats}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(work).encode() + b"\n")
        self.process.stdin.flush()


class Runner:
    """One per Ray cluster. `stop` ends it at the next turn; jobs at work go back to the queue."""

    def __init__(self, settings: Settings, address: str) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._settings, self._address = settings, address
        self._database = Database(settings.resolved_database_url)
        self._leases = Leases(self._database, settings.lease_seconds)
        self._drivers: list[DriverProcess] = []
        self._seats: list[str] = []
        self._free: list[str] = []
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._next_beat = 0.0

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped."""
        self._seats = self._hire()
        self._free = list(self._seats)
        try:
            while not self._stopping.is_set():
                try:
                    self._turn()
                except SQLAlchemyError as error:
                    log.warning("the database is away", error=str(error).splitlines()[0])
                    self._stopping.wait(OUTAGE_SECONDS)
        finally:
            self._end()

    def _hire(self) -> list[str]:
        """Connect to Ray and have the pack actors, warm."""
        import ray

        from workers.ray_seat import hire, plan_berths

        ray_cluster.connect(
            self._address, ship_code=self._settings.ship_code and self._settings.ray_address is not None
        )
        berths = plan_berths(self._settings.workers, self._settings.gpu_share)
        actors = {f"pack-{index}": hire(f"pack-{index}", berth) for index, berth in enumerate(berths)}
        ray.get([actor.ping.remote() for actor in actors.values()])
        log.info("pack actors are ready", actors=len(actors))
        return list(actors)

    def _turn(self) -> None:
        self._keep_drivers()
        self._listen()
        self._beat()
        self._claim_jobs()

    def _keep_drivers(self) -> None:
        for driver in [driver for driver in self._drivers if driver.process.poll() is not None]:
            self._bury(driver)
        while len(self._drivers) < self._settings.jobs_at_once:
            self._drivers.append(self._spawn())

    def _spawn(self) -> DriverProcess:
        command = [sys.executable, "-m", "service", "driver", "--ray-address", self._address]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=child_environment(self._settings)
        )
        driver = DriverProcess(process)
        assert process.stdout is not None
        self._selector.register(process.stdout, selectors.EVENT_READ, driver)
        return driver

    def _bury(self, driver: DriverProcess) -> None:
        """A driver has died: its job goes back to the queue at once, without waiting for its lease to run out."""
        self._drivers.remove(driver)
        assert driver.process.stdout is not None
        self._selector.unregister(driver.process.stdout)
        if driver.claim is None:
            self._stopping.wait(OUTAGE_SECONDS)  # it died idle, perhaps at its start: do not spin
            return
        log.warning("a driver has died", job=driver.claim.job_id, code=driver.process.returncode)
        detail = f"its driver ended with code {driver.process.returncode}"
        self._free += driver.seats
        self._requeue(driver.claim, detail)

    def _requeue(self, claim: Claim, detail: str) -> None:
        try:
            self._leases.release(claim, JobState.QUEUED, JobReason.LEASE_EXPIRED, detail)
        except (LeaseLost, IllegalTransition) as error:
            log.info("the job was not ours to give back", job=claim.job_id, detail=str(error))
        except (SQLAlchemyError, StorageFull) as error:
            log.warning("the job waits for its lease to run out", job=claim.job_id, detail=str(error).splitlines()[0])

    def _listen(self) -> None:
        for key, _ in self._selector.select(POLL_SECONDS):
            line = key.fileobj.readline()  # type: ignore[union-attr]
            if line.strip():
                self._hear(key.data, json.loads(line))

    def _hear(self, driver: DriverProcess, fact: dict[str, Any]) -> None:
        driver.ready = True
        if "job_id" in fact:
            self._free += driver.seats
            driver.claim, driver.seats = None, []

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat and any(driver.ready for driver in self._drivers):
            self._leases.beat(self.name, {"actors": len(self._seats), "free": len(self._free)})
            self._next_beat = time.monotonic() + self._settings.beat_seconds / 2

    def _claim_jobs(self) -> None:
        for driver in self._drivers:
            if driver.ready and driver.claim is None and self._free and driver.process.poll() is None:
                claim = self._leases.claim_next(self.name)
                if claim is None:
                    return
                share = max(1, len(self._seats) // self._settings.jobs_at_once)
                seats, self._free = self._free[:share], self._free[share:]
                driver.assign(claim, seats)

    def _end(self) -> None:
        """End the drivers; their jobs go back to the queue and are gone on with by the next runner."""
        for driver in self._drivers:
            driver.process.kill()
            driver.process.wait()
            if driver.claim is not None:
                self._requeue(driver.claim, "its runner was stopped")
        try:
            self._leases.retire(self.name)
        except SQLAlchemyError as error:
            log.warning("the database is away", error=str(error).splitlines()[0])
        self._database.close()
