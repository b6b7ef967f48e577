"""The runner: owns the pack actors, claims jobs, hands each to a driver of its own, and keeps a warm one to spare.

Every job may use every pack actor; the actors share their time out.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from search.trial import IllegalTransition, JobReason, JobState
from service import ray_cluster
from service.database import Database
from service.importing import importing
from service.leases import Claim, Leases
from service.settings import Settings, child_environment
from workers.errors import LeaseLost, StorageFull

POLL_SECONDS, DOZING_POLL_SECONDS = 0.02, 0.1
DOZE_SECONDS = 5.0
"""When nothing has happened for so long, the runner looks for jobs less often: an idle service should cost nothing."""
OUTAGE_SECONDS = 1.0
IDLE_SECONDS = 60.0
"""So long a driver beyond the spare one stays, for jobs that come in bursts: a start takes seconds of a core."""
HIRING_SECONDS = 30.0
SPARE_CALLS = 4
"""Calls that an actor takes besides one per job: of drivers that have died, and of the runner."""
log = structlog.get_logger("runner")


@dataclass
class DriverProcess:
    """A driver child: warm once it has said so, at work while it holds a claim."""

    process: subprocess.Popen[bytes]
    ready: bool = False
    claim: Claim | None = None
    idle_since: float = 0.0

    def assign(self, claim: Claim, seats: Sequence[str]) -> None:
        """Hand over a job."""
        self.claim = claim
        work = {"job_id": claim.job_id, "lease_epoch": claim.lease_epoch, "seats": list(seats)}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(work).encode() + b"\n")
        self.process.stdin.flush()


def count_wanted(n_busy: int, jobs_at_once: int) -> int:
    """Say how many drivers there should be: one to spare, two when nobody works, never more than jobs may run."""
    return min(jobs_at_once, max(2, n_busy + 1))


class Runner:
    """One per Ray cluster. `stop` ends it at the next turn; jobs at work go back to the queue."""

    def __init__(self, settings: Settings, address: str) -> None:
        self.name = f"{socket.gethostname()}-{os.getpid()}"
        self._settings, self._address = settings, address
        self._database = Database(settings.resolved_database_url)
        self._leases = Leases(self._database, settings.lease_seconds)
        self._drivers: list[DriverProcess] = []
        self._actors: dict[str, Any] = {}
        self._selector = selectors.DefaultSelector()
        self._stopping = threading.Event()
        self._next_beat = self._next_spawn = self._last_stir = 0.0

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        """Serve until stopped."""
        self._drivers.append(self._spawn())  # it comes up beside the pack actors
        try:
            self._actors = self._hire()
            while not self._stopping.is_set():
                try:
                    self._turn()
                except SQLAlchemyError as error:
                    log.warning("the database is away", error=str(error).splitlines()[0])
                    self._stopping.wait(OUTAGE_SECONDS)
        finally:
            self._end()

    def _hire(self) -> dict[str, Any]:
        """Connect to Ray and have the pack actors, warm and empty."""
        with importing():
            import ray

            from workers.ray_seat import hire, plan_berths

        ray_cluster.connect(
            self._address, ship_code=self._settings.ship_code and self._settings.ray_address is not None
        )
        berths = plan_berths(self._settings.workers, self._settings.gpu_share)
        calls = self._settings.jobs_at_once + SPARE_CALLS
        actors = {f"pack-{index}": hire(f"pack-{index}", berth, calls) for index, berth in enumerate(berths)}
        awaited = [actor.vacate.remote() for actor in actors.values()]
        while awaited and not self._stopping.is_set():
            ready, awaited = ray.wait(awaited, num_returns=len(awaited), timeout=HIRING_SECONDS)
            ray.get(ready)
            log.info("pack actors", ready=len(actors) - len(awaited), awaited=len(awaited))
        return actors

    def _turn(self) -> None:
        self._keep_drivers()
        self._listen()
        self._beat()
        self._claim_jobs()

    def _keep_drivers(self) -> None:
        """Bury the dead, start one at a time where some are missing, let idle ones go that are too many."""
        for driver in [driver for driver in self._drivers if driver.process.poll() is not None]:
            self._bury(driver)
        now, n_busy = time.monotonic(), sum(driver.claim is not None for driver in self._drivers)
        surplus = len(self._drivers) - count_wanted(n_busy, self._settings.jobs_at_once)
        if surplus < 0 and now >= self._next_spawn and all(driver.ready for driver in self._drivers):
            self._drivers.append(self._spawn())
        for driver in [driver for driver in self._drivers if driver.claim is None][: max(surplus, 0)]:
            if driver.ready and now - driver.idle_since > IDLE_SECONDS:
                self._end_driver(driver)

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
        self._end_driver(driver)
        if driver.claim is None:
            self._next_spawn = time.monotonic() + OUTAGE_SECONDS  # it died idle, perhaps at its start: do not spin
            return
        code = driver.process.returncode
        log.warning("a driver has died", job=driver.claim.job_id, code=code)
        self._abandon(driver.claim, f"its driver ended with code {code}")

    def _end_driver(self, driver: DriverProcess) -> None:
        """End a driver that has no job, or is dead."""
        self._drivers.remove(driver)
        assert driver.process.stdout is not None
        self._selector.unregister(driver.process.stdout)
        driver.process.kill()
        driver.process.wait()

    def _abandon(self, claim: Claim, detail: str) -> None:
        """Close the packs of a dead driver and give its job back."""
        from workers.pack_host import Lease

        for actor in self._actors.values():
            actor.close.remote(Lease(claim.job_id, claim.lease_epoch))
        self._requeue(claim, detail)

    def _requeue(self, claim: Claim, detail: str) -> None:
        try:
            self._leases.release(claim, JobState.QUEUED, JobReason.LEASE_EXPIRED, detail)
        except (LeaseLost, IllegalTransition) as error:
            log.info("the job was not ours to give back", job=claim.job_id, detail=str(error))
        except (SQLAlchemyError, StorageFull) as error:
            log.warning("the job waits for its lease to run out", job=claim.job_id, detail=str(error).splitlines()[0])

    def _listen(self) -> None:
        is_dozing = time.monotonic() - self._last_stir > DOZE_SECONDS
        for key, _ in self._selector.select(DOZING_POLL_SECONDS if is_dozing else POLL_SECONDS):
            line = key.fileobj.readline()  # type: ignore[union-attr]
            if line.strip():
                self._hear(key.data, json.loads(line))

    def _hear(self, driver: DriverProcess, fact: dict[str, Any]) -> None:
        driver.ready, self._last_stir = True, time.monotonic()
        if "job_id" in fact:
            driver.claim = None
        driver.idle_since = time.monotonic()

    def _beat(self) -> None:
        if time.monotonic() >= self._next_beat and any(driver.ready for driver in self._drivers):
            self._leases.beat(self.name, {"actors": len(self._actors), "drivers": len(self._drivers)})
            self._next_beat = time.monotonic() + self._settings.beat_seconds / 2

    def _claim_jobs(self) -> None:
        for driver in self._drivers:
            if driver.ready and driver.claim is None and driver.process.poll() is None:
                claim = self._leases.claim_next(self.name)
                if claim is None:
                    return
                driver.assign(claim, list(self._actors))
                self._last_stir = time.monotonic()
                log.info("job handed to a driver", job=claim.job_id, driver=driver.process.pid)

    def _end(self) -> None:
        """End the drivers; their jobs go back to the queue and are gone on with by the next runner."""
        for driver in list(self._drivers):
            self._end_driver(driver)
            if driver.claim is not None:
                self._abandon(driver.claim, "its runner was stopped")
        try:
            self._leases.retire(self.name)
        except SQLAlchemyError as error:
            log.warning("the database is away", error=str(error).splitlines()[0])
        self._database.close()
