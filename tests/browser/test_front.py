"""Several objectives and limits in a real browser: the chart of the front, and who leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from service.submission import submit_job
from tests.browser.conftest import Service
from tests.browser.test_new_job import body
from tests.service.test_api_aims import BODY, SIZE, run

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]
TRACES = """Object.fromEntries(document.querySelector('.front-chart').data.map(
    (trace) => [trace.name, trace.x.length]))"""


def test_the_front_is_drawn_among_all_trials(open_page: OpenPage, service: Service) -> None:
    job = run(service.database, objective=["mean_squared_error", "n_parameters"], limits=[SIZE])
    with httpx.Client(base_url=service.origin) as api:
        trials = api.get(f"/v1/jobs/{job}/trials").json()["items"]
    counts: dict[str, Any] = {
        "breaks limits": sum(trial["feasible"] is False for trial in trials),
        "dominated": sum(trial["feasible"] is True and not trial["front"] for trial in trials),
        "front": sum(trial["front"] for trial in trials),
    }
    assert all(counts.values()), counts
    page = open_page(f"/#/jobs/{job}")
    panel = page.locator(".front-panel")
    expect(panel).to_contain_text(f"{counts['front']} of 16 trials")
    panel.scroll_into_view_if_needed()
    expect(panel.locator(".scatterlayer .trace path").first).to_be_attached()
    assert page.evaluate(TRACES) == counts
    expect(page.locator(".trials-panel tbody tr.leads")).to_contain_text(str(best_of(service, job)))


def test_objectives_and_limits_are_chosen_in_the_form(open_page: OpenPage) -> None:
    page = open_page("/#/new?dataset=iris")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    objective = page.locator("[data-path=objective]")
    further = page.get_by_label("Further objective", exact=True)
    expect(further.locator("option[value=log_loss]")).to_have_count(0)  # what automatic is
    for name in ("n_parameters", "accuracy", "multiply_adds"):
        further.select_option(name)
    expect(further).to_be_disabled()
    assert body(page)["objective"] == ["log_loss", "n_parameters", "accuracy", "multiply_adds"]
    page.get_by_label("Objective", exact=True).select_option("accuracy")
    twice = page.locator("[data-path='objective.2'] .field-problem")
    expect(twice).to_contain_text("'accuracy' is named twice")
    objective.get_by_role("button", name="Remove accuracy").click()
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    assert body(page)["objective"] == ["accuracy", "n_parameters", "multiply_adds"]
    expect(further.locator("option[value=accuracy]")).to_have_count(0)

    limits = page.get_by_label("Limits", exact=True)
    for name in ("n_parameters", "log_loss"):
        limits.select_option(name)
    expect(page.locator("[data-path='limits.1'] .field-problem")).to_contain_text("have to be given")
    page.get_by_label("log loss: at most").fill("0.5")
    page.get_by_label("n parameters: at most").fill("5000")
    page.get_by_label("n parameters: at least").fill("9000")
    expect(page.locator("[data-path='limits.0'] .field-problem")).to_contain_text("nothing is at least 9000")
    page.get_by_label("n parameters: at least").fill("0")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    size = {"metric": "n_parameters", "at_most": 5000, "at_least": 0}
    assert body(page)["limits"] == [size, {"metric": "log_loss", "at_most": 0.5}]
    page.locator("[data-path=limits]").get_by_role("button", name="Remove n parameters").click()
    assert body(page)["limits"] == [{"metric": "log_loss", "at_most": 0.5}]


def test_a_clone_is_after_the_same(open_page: OpenPage, service: Service) -> None:
    """Also where it is trained outside and its values are its own."""
    aims: dict[str, Any] = {
        "objective": ["r2", "multiply_adds"],
        "limits": [SIZE | {"at_least": 3.5}, {"metric": "r2", "at_least": -1}],
    }
    parent = submit_job(service.database, BODY | aims, None)[0].id
    page = open_page(f"/#/new?from={parent}")
    expect(page.locator("[data-path='objective.1']")).to_contain_text("multiply adds")
    expect(page.get_by_label("n parameters: at least")).to_have_value("3.5")
    expect(page.locator(".fold", has_text="Anything else").locator("summary")).not_to_contain_text("set")
    assert {name: body(page)[name] for name in aims} == aims
    own: dict[str, Any] = {
        "objective": [{"name": "loss", "maximize": False}, {"name": "speed", "maximize": True}],
        "limits": [{"metric": "bytes", "at_most": 1000}],
    }
    outside = {"trainer": "external", "space": {"x": {"type": "float", "low": 0, "high": 1}}}
    page = open_page(f"/#/new?from={submit_job(service.database, outside | own, None)[0].id}")
    expect(page.get_by_label("Limits", exact=True).and_(page.locator("textarea"))).to_be_visible()
    expect(page.get_by_label("Further objective", exact=True)).to_be_hidden()
    expect(page.locator(".fold", has_text="Anything else").locator("summary")).not_to_contain_text("set")
    assert {name: body(page)[name] for name in own} == own


def best_of(service: Service, job: str) -> int:
    return int(httpx.get(f"{service.origin}/v1/jobs/{job}").json()["best"]["trial"])


def test_who_breaks_a_limit_does_not_lead_and_one_objective_has_no_chart(open_page: OpenPage, service: Service) -> None:
    job = run(service.database, limits=[{"metric": "r2", "at_most": 0.5}])
    page = open_page(f"/#/jobs/{job}")
    leads = page.locator(".trials-panel tbody tr.leads")
    expect(leads).to_have_count(1)
    expect(leads.locator("td, th").first).to_contain_text(str(best_of(service, job)))
    expect(page.locator(".front-panel")).to_be_hidden()
