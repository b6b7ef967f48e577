"""One job in a real browser: charts, table, best model, and what changes while one looks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from models.lanes import LaneError, LaneReport
from search.trial import TrialReason, TrialState
from service.queries.jobs import get_job
from service.recorder import Recorder
from tests.browser import seed
from tests.browser.conftest import Service
from tests.service.facts import claim
from tests.service.test_api_lineage import POPULATION, run
from tests.workers.tellers import told_job
from workers.body_parts import RangeTest
from workers.range_test import describe_outcome
from workers.sink import SegmentFact, TrialFact
from workers.spec import preview

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]
DRAWN = ".scatterlayer .trace path"


def test_a_finished_job_shows_its_race_its_trials_and_its_best_model(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database, name="diabetes")
    seed.start_race(service.database).finish()
    page = open_page(f"/#/jobs/{job}")
    expect(page.locator(".state-line")).to_contain_text("succeeded")
    expect(page.locator(".state-line")).to_contain_text("all trials are done")
    for chart in ("race", "history", "parallel"):
        page.locator(f".{chart}-chart").scroll_into_view_if_needed()
        expect(page.locator(f".{chart}-chart {DRAWN}").first).to_be_attached()
    rows = page.locator(".trials-panel tbody tr")
    expect(rows).to_have_count(64)
    expect(rows.first).to_have_class(re.compile("leads"))
    expect(rows.first).to_contain_text("2818")
    best = page.locator(".best-panel")
    expect(best.locator(".metrics")).to_contain_text("mean squared error")
    expect(best.get_by_role("link", name=re.compile("Download package"))).to_have_attribute(
        "href", re.compile(r"^/v1/models/m_\w+/download\?format=package$")
    )


def test_a_job_that_is_trained_outside_shows_its_best_parameters_and_no_model(
    open_page: OpenPage, service: Service
) -> None:
    job = told_job(fixed={"folds": 5})
    resolved = job.model_dump(mode="json")
    held = claim(service.database, spec={"trainer": "external"}, resolved_spec=resolved, plan=preview(job), n_trials=2)
    with Recorder(service.database, held) as recorder:
        for number, loss in enumerate((0.5, 0.25)):
            point = {"learning rate": 0.1 * (number + 1), "a/b": number, "grid_search": "y"}
            recorder.segment(SegmentFact(number, 0, 0, None, 0, 0, point))
            recorder.trial(TrialFact(number, TrialState.RUNNING, TrialReason.ADMITTED, point))
            recorder.reports(number + 1, {number: 0}, [LaneReport(number, 1, 1, float("nan"), (loss,))])
            recorder.round_ended(number + 1)
    page = open_page(f"/#/jobs/{held.job_id}")
    best = page.locator(".best-panel")
    expect(best).to_contain_text("Best parameters")
    expect(best.locator("p").first).to_have_text("Trial 1, the leader: loss 0.25")
    expect(best.locator("tbody tr")).to_have_text(["learning rate0.2", "a/b1", "grid_searchy", "folds5"])
    expect(best.get_by_role("link", name=re.compile("Download"))).to_have_count(0)
    expect(page.locator(".trials-panel tbody tr")).to_have_count(2)
    page.locator(".history-chart").scroll_into_view_if_needed()
    expect(page.locator(f".history-chart {DRAWN}").first).to_be_attached()


def test_the_winner_is_shown_with_how_sure_its_score_is_and_the_ensemble_beside_it(
    open_page: OpenPage, service: Service
) -> None:
    job = seed.submit(service.database)
    seed.start_race(service.database).finish(verdict=True)
    best = open_page(f"/#/jobs/{job}").locator(".best-panel")
    expect(best.locator(".confidence")).to_have_text("mean squared error 2818, 95 % 2500–3100, after selection 2900")
    ensemble = best.locator(".ensemble")
    expect(ensemble).to_contain_text("Ensemble of 2 networks")
    expect(ensemble).to_contain_text("trial 3 75 %, trial 5 25 %")
    expect(ensemble.locator(".metrics")).to_contain_text("mean squared error")
    expect(ensemble.get_by_role("link", name=re.compile("Download package"))).to_be_visible()
    expect(best.locator("p").first).to_contain_text("the leader")


def test_the_best_model_predicts_a_row_of_the_form(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    seed.start_race(service.database).finish()
    page = open_page(f"/#/jobs/{job}")
    page.get_by_label("bmi").fill("30")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".prediction")).to_have_text(re.compile(r"^\d+(\.\d+)?$"))
    page.get_by_label("bmi").fill("heavy")
    page.get_by_role("button", name="Predict").click()
    expect(page.locator(".prediction")).to_contain_text("bmi")


def test_a_failed_trial_shows_class_message_and_traceback(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    seed.start_race(service.database).finish()
    page = open_page(f"/#/jobs/{job}")
    page.get_by_role("button", name=re.compile("^failed")).click()
    rows = page.locator(".trials-panel tbody tr")
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="error").click()
    error = page.locator(".error-row")
    expect(error).to_contain_text("ValueError: units of 3 layers need as many widths")
    expect(error.locator("pre")).to_contain_text("Traceback (most recent call last)")


def test_the_table_sorts_by_any_column_and_back(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    seed.start_race(service.database).finish()
    page = open_page(f"/#/jobs/{job}")
    head = page.locator("th", has_text="learning_rate")
    rates = page.locator(".trials-panel tbody tr td:nth-child(6)")
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "ascending")
    ascending = [float(text) for text in rates.all_inner_texts()]
    assert ascending == sorted(ascending)
    head.get_by_role("button").click()
    expect(head).to_have_attribute("aria-sort", "descending")
    assert [float(text) for text in rates.all_inner_texts()] == sorted(ascending, reverse=True)


def test_facts_recorded_while_the_page_is_open_appear_in_it(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    race = seed.start_race(service.database)
    race.step()
    page = open_page(f"/#/jobs/{job}")
    rows = page.locator(".trials-panel tbody tr")
    expect(rows).to_have_count(24)
    page.evaluate("document.querySelector('.trials-panel tbody tr').dataset.kept = 'yes'")
    for _ in range(3):
        race.step()
    expect(page.locator(".stat", has_text="Epochs trained").locator(".value")).to_have_text(str(_epochs(service, job)))
    expect(rows.nth(24)).to_be_visible()
    expect(page.locator("[data-kept]")).to_have_count(1)  # the table is changed, not built anew
    race.finish()
    expect(page.locator(".state-line")).to_contain_text("succeeded")
    expect(page.locator(".best-panel .metrics")).to_be_visible()


def test_a_stream_that_ends_is_taken_up_where_it_ended(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    race = seed.start_race(service.database)
    race.step()
    page = open_page(f"/#/jobs/{job}")
    expect(page.locator(".trials-panel tbody tr")).to_have_count(24)
    race.step()
    for _ in range(2):  # the service closes a stream after two seconds here
        page.wait_for_event("request", lambda request: request.resource_type == "eventsource")
    race.finish()
    expect(page.locator(".progress-text")).to_have_text("64 / 64")


def test_a_thousand_trials_render_two_hundred_rows_until_asked(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database, budget={"trials": 1000, "epochs_per_trial": 30})
    race = seed.start_race(service.database, parallelism=1000)
    race.step()
    page = open_page(f"/#/jobs/{job}")
    rows = page.locator(".trials-panel tbody tr")
    expect(rows).to_have_count(200)
    page.get_by_role("button", name="Show 200 more of 1000").click()
    expect(rows).to_have_count(400)


def test_buttons_fit_the_state_and_reach_the_service(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    page = open_page(f"/#/jobs/{job}")
    expect(page.get_by_role("button", name="Resume")).to_be_hidden()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator(".state-line")).to_contain_text("paused by you")
    page.get_by_role("button", name="Resume").click()
    expect(page.locator(".state-line .chip")).to_have_text("queued")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state-line")).to_contain_text("cancelled by you")
    expect(page.get_by_role("button", name="Cancel")).to_be_hidden()


def test_a_range_test_is_drawn_with_what_it_suggests_as_soon_as_it_has_ended(
    open_page: OpenPage, service: Service
) -> None:
    job = seed.submit(service.database, range_test={"adopt": True})
    race = seed.start_race(service.database)
    page = open_page(f"/#/jobs/{job}")
    panel = page.locator(".range-panel")
    expect(panel).to_contain_text("comes before the first trial")
    rates = np.geomspace(1e-5, 10, 500)
    losses = np.where(rates < 0.2, 0.5 + np.exp(-np.arange(500) / 80), np.inf)
    race.test_range(describe_outcome(RangeTest(adopt=True), rates, losses, None))
    expect(panel).to_contain_text(
        re.compile(r"Suggested learning rate: 0\.019\d*\. The search goes by 0\.0019\d* to 0\.0\d+")
    )
    panel.scroll_into_view_if_needed()
    expect(panel.locator(DRAWN)).to_have_count(2)
    expect(panel.locator(".shapelayer path")).to_have_count(3)  # turn, suggestion, interval
    expect(panel.locator(".annotation-text").first).to_contain_text("turn 0.19")


def test_a_job_without_a_range_test_shows_no_panel_of_one(open_page: OpenPage, service: Service) -> None:
    job = seed.submit(service.database)
    seed.start_race(service.database).step()
    page = open_page(f"/#/jobs/{job}")
    expect(page.locator(".trials-panel tbody tr")).to_have_count(24)
    expect(page.locator(".range-panel")).to_be_hidden()


def test_a_population_shows_who_copied_whom_and_gives_the_schedule_of_its_leader(
    open_page: OpenPage, service: Service
) -> None:
    with httpx.Client(base_url=service.origin) as api:
        job = run(api, service.database, POPULATION)
        copies = api.get(f"/v1/jobs/{job}/lineage").json()["items"]
    page = open_page(f"/#/jobs/{job}")
    panel = page.locator(".lineage-panel")
    expect(panel).to_contain_text(f"{len(copies)} copies")
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".scatterlayer .trace .point")).to_have_count(len(copies))
    with page.expect_download() as download:
        panel.get_by_role("link").click()
    schedule = json.loads(download.value.path().read_text())
    assert schedule["replay"]["schedule"]


def test_hostile_names_stay_text(open_page: OpenPage, service: Service) -> None:
    hostile = "<img src=/owned onerror=\"document.title='owned'\">"
    job = seed.submit(service.database, name=hostile)
    race = seed.start_race(service.database)
    race.step()
    error = LaneError("Oops" + hostile, hostile, hostile)
    race.recorder.trial(TrialFact(0, TrialState.FAILED, TrialReason.ERROR, {hostile: hostile}, None, error))
    race.recorder.note(hostile, hostile, 0)
    race.recorder.round_ended(race.round)
    race.recorder.flush()
    page = open_page(f"/#/jobs/{job}")
    expect(page.get_by_role("heading", level=1)).to_have_text(hostile)
    expect(page.locator(".notes")).to_contain_text(hostile)
    page.get_by_role("button", name="error", exact=True).click()
    expect(page.locator(".error-row pre")).to_have_text(hostile)
    page.locator(".spec summary", has_text="Resolved spec").click()
    for chart in ("race", "parallel"):
        page.locator(f".{chart}-chart").scroll_into_view_if_needed()
        expect(page.locator(f".{chart}-chart {DRAWN}").first).to_be_attached()
    assert page.locator("img").count() == 0
    assert page.title() == f"{hostile} · Regatta"


def _epochs(service: Service, job: str) -> int:
    with service.database.reading() as session:
        found = get_job(session, job)
        assert found is not None
        return found.n_epochs
