"""The list of jobs, in a real browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser import seed
from tests.browser.conftest import Service

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]


def test_an_empty_service_says_how_to_start_a_job(open_page: OpenPage, service: Service) -> None:
    page = open_page("/")
    empty = page.locator(".empty")
    expect(empty.get_by_role("link", name="Fill in the form")).to_have_attribute("href", "#/new")
    expect(empty.locator("pre")).to_contain_text(f"curl -X POST {service.origin}/v1/jobs")


def test_jobs_are_listed_newest_first_with_state_progress_and_best(open_page: OpenPage, service: Service) -> None:
    seed.submit(service.database, name="done before")
    seed.start_race(service.database).finish()
    seed.submit(service.database, name="still waiting")
    page = open_page("/#/jobs")
    rows = page.locator(".job-row")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("still waiting")
    expect(rows.nth(0).locator(".chip")).to_have_text("queued")
    expect(rows.nth(1).locator(".chip")).to_have_text("succeeded")
    expect(rows.nth(1)).to_contain_text("64 / 64")
    expect(rows.nth(1).locator(".job-best")).to_have_text("2818")
    rows.nth(1).get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("done before")


def test_a_job_that_starts_elsewhere_appears_by_itself(open_page: OpenPage, service: Service) -> None:
    page = open_page("/#/jobs")
    expect(page.locator(".empty")).to_be_visible()
    seed.submit(service.database, name="from a terminal")
    expect(page.locator(".job-row")).to_contain_text("from a terminal")
