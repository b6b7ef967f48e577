"""`python -m tests.service.outside_driver`: a runner and its driver in one process that can be killed, without Ray."""

from __future__ import annotations

import time

from service.database import Database
from service.driver import Assignment, Driver
from service.leases import Leases
from service.settings import export_ray_environment, read_settings


def main() -> None:
    """Run whatever job is queued, or left behind by another one that has died."""
    settings = read_settings()
    export_ray_environment(settings)
    leases = Leases(Database(settings.resolved_database_url), settings.lease_seconds)
    driver = Driver(settings)
    while True:
        claim = leases.claim_next("process")
        if claim is None:
            time.sleep(0.02)
        else:
            driver.drive(Assignment(claim.job_id, claim.lease_epoch, []))


if __name__ == "__main__":
    main()
