"""Leases: one driver per job, whatever happens to the others."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from sqlalchemy import update

from search.trial import IllegalTransition, JobReason, JobState
from service.database import Database
from service.leases import Leases, list_runners
from service.queries.events import list_events
from service.queries.jobs import add_command, get_job, list_commands, move_job
from service.tables import Job
from tests.service.facts import claim, submit
from workers.errors import LeaseLost


def expire(database: Database, job_id: str) -> None:
    """Let the lease end now, as the database's clock sees it."""
    with database.writing() as session:
        session.execute(update(Job).where(Job.id == job_id).values(lease_expires_at=0.0))


def test_jobs_are_claimed_in_the_order_of_their_submission(database: Database) -> None:
    submitted = [submit(database) for _ in range(3)]
    leases = Leases(database, 15)
    claimed = [leases.claim_next("r") for _ in range(4)]
    assert [c.job_id if c else None for c in claimed] == [*submitted, None]


def test_many_claimers_share_jobs_without_sharing_any_job(database_url: str) -> None:
    database = Database(database_url)
    submitted = [submit(database) for _ in range(24)]
    start, claimed, failures = threading.Barrier(6), Counter[str](), list[BaseException]()

    def work(runner: str) -> None:
        own = Database(database_url)
        leases = Leases(own, 15)
        start.wait()
        try:
            while (found := leases.claim_next(runner)) is not None:
                claimed[found.job_id] += 1
        except BaseException as error:  # a thread's failure has to reach the test
            failures.append(error)
        own.close()

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    leases = Leases(database, 15)
    while (left := leases.claim_next("last")) is not None:  # a claimer may leave while others hold the last rows
        claimed[left.job_id] += 1
    database.close()
    assert not failures
    assert claimed == Counter(submitted)


def test_a_job_whose_driver_is_alive_is_not_claimed_again(database: Database) -> None:
    first = claim(database)
    leases = Leases(database, 15)
    leases.renew(first)
    assert leases.claim_next("r2") is None


def test_a_job_whose_lease_expired_is_claimed_with_a_higher_epoch_and_says_why(database: Database) -> None:
    first = claim(database)
    expire(database, first.job_id)
    second = Leases(database, 15).claim_next("r2")
    assert second is not None
    assert (second.job_id, second.lease_epoch) == (first.job_id, first.lease_epoch + 1)
    with database.reading() as session:
        told = [(event.data["state"], event.data["reason"]) for event in list_events(session, first.job_id, 0, 100)]
    assert told == [
        ("queued", "submitted"),
        ("running", "claimed"),
        ("queued", "lease_expired"),
        ("running", "claimed"),
    ]


def test_a_driver_frozen_past_its_lease_can_neither_renew_nor_release(database: Database) -> None:
    first = claim(database)
    expire(database, first.job_id)
    leases = Leases(database, 15)
    assert leases.claim_next("r2") is not None
    with pytest.raises(LeaseLost):
        leases.renew(first)
    with pytest.raises(LeaseLost):
        leases.release(first, JobState.SUCCEEDED, JobReason.TRIALS_DONE)


def test_an_expired_lease_that_nobody_took_can_be_renewed(database: Database) -> None:
    first = claim(database)
    expire(database, first.job_id)
    leases = Leases(database, 15)
    leases.renew(first)
    assert leases.claim_next("r2") is None


def test_a_released_job_has_its_state_and_no_lease(database: Database) -> None:
    held = claim(database)
    Leases(database, 15).release(held, JobState.FAILED, JobReason.NO_COMPLETED_TRIAL, "all 4 trials diverged")
    with database.reading() as session:
        job = get_job(session, held.job_id)
    assert job is not None
    assert (job.state, job.reason, job.detail) == ("failed", "no_completed_trial", "all 4 trials diverged")
    assert job.lease_owner is None
    assert job.ended_at is not None


def test_a_release_into_a_state_that_cannot_follow_is_refused(database: Database) -> None:
    held = claim(database)
    with pytest.raises(IllegalTransition):
        Leases(database, 15).release(held, JobState.RUNNING, JobReason.CLAIMED)


def test_a_cancel_survives_the_death_of_the_driver_but_a_pause_does_not_survive_the_pause(database: Database) -> None:
    held = claim(database)
    with database.writing() as session:
        add_command(session, held.job_id, "pause")
        add_command(session, held.job_id, "pause")
    expire(database, held.job_id)
    leases = Leases(database, 15)
    again = leases.claim_next("r2")
    assert again is not None
    with database.reading() as session:
        assert [command.kind for command in list_commands(session, held.job_id)] == ["pause"]
    leases.release(again, JobState.PAUSED, JobReason.USER_PAUSED)
    with database.reading() as session:
        assert list_commands(session, held.job_id) == []


def test_runners_are_alive_while_they_beat(database: Database) -> None:
    leases = Leases(database, 15)
    leases.beat("r1", {"workers": 2})
    leases.beat("r1")
    leases.beat("r2")
    leases.retire("r2")
    with database.reading() as session:
        assert [(runner.id, runner.facts) for runner in list_runners(session, 15)] == [("r1", {"workers": 2})]
        assert list_runners(session, -60) == []


def test_a_paused_job_that_is_resumed_goes_back_into_the_queue(database: Database) -> None:
    job_id = submit(database)
    with database.writing() as session:
        job = get_job(session, job_id, lock=True)
        assert job is not None
        move_job(session, job, JobState.PAUSED, JobReason.USER_PAUSED)
    leases = Leases(database, 15)
    assert leases.claim_next("r1") is None
    with database.writing() as session:
        job = get_job(session, job_id, lock=True)
        assert job is not None
        move_job(session, job, JobState.QUEUED, JobReason.USER_RESUMED)
    assert leases.claim_next("r1") is not None
