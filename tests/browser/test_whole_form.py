"""The form says all that a job may say: every field, every law; and is filled from a job that is cloned."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from search.discovery import FORMATS
from search.documents import import_document
from service.queries.jobs import find_best_model, get_job
from service.submission import submit_job
from service.tables import Job, Trial
from tests.browser.conftest import Service
from tests.service.test_api_extend import BODY, drive
from workers.body import JobSpec

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]
ELSEWHERE = {"parent"}
"""Fields that nobody types: a clone has its parent by itself."""


def test_every_field_of_a_job_has_a_place_in_the_form(open_page: OpenPage) -> None:
    page = open_page("/#/new?dataset=iris")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    paths = page.locator("[data-path]").evaluate_all("nodes => nodes.map((node) => node.dataset.path.split('.')[0])")
    page.get_by_label("optimizer: how it varies").select_option("fixed")
    assert page.locator("[data-path='fixed.optimizer']").count() == 1
    assert {*paths, "fixed"} >= set(JobSpec.model_fields) - ELSEWHERE
    assert set(JobSpec.model_fields) >= ELSEWHERE


def test_laws_weights_constraints_and_points_of_the_form_are_those_of_the_job(
    open_page: OpenPage, service: Service
) -> None:
    page = open_page("/#/new?dataset=diabetes")
    how(page, "learning_rate", "float")
    page.get_by_label("learning_rate: law").select_option("reverse log")
    how(page, "activation", "choice")
    page.get_by_label("activation: values, comma between", exact=True).fill("relu, tanh")
    page.get_by_label("activation: weights", exact=True).fill("2, 1")
    how(page, "units", "int")
    how(page, "dropout", "float")
    page.get_by_label("dropout: law").select_option("normal")
    page.get_by_label("dropout: sigma").fill("0.2")
    row = page.locator("[data-path='space.dropout']")
    row.get_by_text("more").click()
    row.get_by_label("dropout: when").fill('{"hidden_layers": {"ge": ')
    expect(page.locator("[data-path='space.dropout.when'] .field-problem")).to_contain_text("This is no JSON")
    row.get_by_label("dropout: when").fill('{"hidden_layers": {"ge": 2}}')
    page.get_by_text("Constraints").first.click()
    constraints = page.get_by_label("Constraints", exact=True)
    constraints.fill("units <= 200\nwidth <= 3")
    expect(page.locator("[data-path=constraints] .field-problem")).to_contain_text("width")
    constraints.fill('units <= 200\n{"sum": {"units": 1, "hidden_layers": 10}, "le": 220}')
    page.get_by_text("First trials").click()
    page.get_by_label("Points", exact=True).fill('[{"parameters": {"units": 17}}, {"parameters": {"units": 23}}]')
    page.get_by_label("Trials", exact=True).fill("4")
    page.get_by_label("Epochs per trial").fill("1")
    job = start(page, service)
    space = job.spec["space"]
    assert space["learning_rate"] == {"type": "float", "log": "reverse", "low": 0.0003, "high": 0.03}
    assert space["activation"] == {"type": "choice", "values": ["relu", "tanh"], "weights": [2, 1]}
    law = {name: space["dropout"][name] for name in ("mean", "sigma", "low", "high", "when")}
    assert law == {"mean": 0.2, "sigma": 0.2, "low": 0, "high": 0.4, "when": {"hidden_layers": {"ge": 2}}}
    assert job.spec["constraints"] == ["units <= 200", {"sum": {"units": 1, "hidden_layers": 10}, "le": 220}]
    drive(service.database, job.id)
    with service.database.reading() as session:
        tried = [session.get_one(Trial, (job.id, number)).parameters["units"] for number in range(2)]
    assert tried == [17, 23]


def test_a_clone_is_made_in_the_form_with_an_edit_and_its_parent(open_page: OpenPage, service: Service) -> None:
    says: dict[str, Any] = BODY | {
        "name": "first",
        "labels": {"team": "a"},
        "columns": {"exclude": ["age"], "kinds": {"sex": "categorical"}},
        "split": {"test": None, "validation": {"kind": "kfold", "folds": 4, "group": None}, "seed": 3},
        "fixed": {"units": [8, 4], "hidden_layers": 2, "optimizer": "sgd"},
        "space": {
            "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": "reverse", "default": 0.05},
            "momentum": {"type": "float", "mean": 0.5, "sigma": 0.1, "when": {"optimizer": "sgd"}},
            "batch_size": {"type": "int", "low": 16, "high": 64, "step": 16},
            "activation": {"type": "choice", "values": ["relu", "tanh"], "weights": [2, 1]},
            "l1": {"type": "int", "low": 0, "high": 1},
        },
        "constraints": ["learning_rate + momentum <= 1"],
        "metrics": ["median_absolute_error"],
        "algorithm": {"kind": "gp", "n_initial_points": 2},
        "early_stopping": None,
        "ensemble": {"size": 5},
        "points": [{"parameters": {"learning_rate": 0.02}}],
        "dedupe": False,
    }
    parent = submit_job(service.database, says, None)[0].id
    page = open_page(f"/#/jobs/{parent}")
    page.get_by_role("link", name="Clone").click()
    expect(page.get_by_label("Name", exact=True)).to_have_value("first")
    expect(page.locator(".fold", has_text="Anything else").locator("summary")).not_to_contain_text("set")
    page.get_by_label("learning_rate: high").fill("0.2")
    clone = start(page, service)
    expect(page.locator(".crumbs .parent")).to_have_text(parent)
    assert clone.parent == parent
    space = says["space"] | {"learning_rate": says["space"]["learning_rate"] | {"high": 0.2}}
    expected = submit_job(service.database, says | {"space": space, "parent": parent}, None)[0]
    assert clone.resolved_spec == expected.resolved_spec


def test_what_the_form_has_no_field_for_is_cloned_too(open_page: OpenPage, service: Service) -> None:
    space = {
        "learning_rate": {"type": "float", "log": True, "mean": -3, "sigma": 1},  # without ends
        "gradient_clip": {"type": "int", "low": 1, "high": 9},
    }
    said = BODY | {"space": space}
    parents = [submit_job(service.database, said, None)[0].id]
    outside = {"x": {"type": "float", "low": 0, "high": 1}}
    body = {"trainer": "external", "name": "mine", "space": outside, "objective": {"name": "loss", "maximize": False}}
    parents.append(submit_job(service.database, body, None)[0].id)
    for parent in parents:
        page = open_page(f"/#/new?from={parent}")
        clone = start(page, service)
        with service.database.reading() as session:
            assert clone.resolved_spec == session.get_one(Job, parent).resolved_spec


def test_a_document_of_another_tuner_is_pasted_and_becomes_a_job(open_page: OpenPage, service: Service) -> None:
    page = open_page("/#/new")
    page.get_by_text("Import from another tuner").click()
    document = page.get_by_label("Document", exact=True)
    document.fill("parameters: [")
    page.get_by_role("button", name="Import").click()
    expect(page.locator("[data-path='import.document'] .field-problem")).to_contain_text("YAML")
    example = FORMATS["katib"].example
    document.fill(json.dumps(example))
    page.get_by_role("button", name="Import").click()
    expect(page.locator(".fold .notes")).to_contain_text("spec.earlyStopping")
    expect(page.get_by_label("Trainer", exact=True)).to_have_value("external")
    expect(page.get_by_label("Dataset", exact=True)).to_be_hidden()
    page.get_by_label("Epochs per trial").fill("12")
    job = start(page, service)
    said = import_document(example).job
    assert job.spec == said | {"budget": said["budget"] | {"epochs_per_trial": 12}}


def test_more_trials_are_asked_for_on_the_page_of_a_job(open_page: OpenPage, service: Service) -> None:
    job = submit_job(service.database, BODY, None)[0].id
    drive(service.database, job)
    page = open_page(f"/#/jobs/{job}")
    button = page.get_by_role("button", name="Extend")
    button.press("Enter")
    trials = page.get_by_label("Trials in all")
    expect(trials).to_be_focused()
    expect(trials).to_have_value("10")
    trials.fill("5")
    trials.press("Enter")
    expect(page.locator(".extend .field-problem")).to_contain_text("the job has 5 already")
    trials.fill("7")
    page.get_by_role("button", name="Add trials").click()
    expect(trials).to_be_hidden()
    expect(page.locator(".state-line .chip")).to_have_text("queued")
    drive(service.database, job)
    expect(page.locator(".progress-text").first).to_have_text("7 / 7")
    expect(page.locator(".trials-panel tbody tr")).to_have_count(7)
    download = page.get_by_role("link", name="Download package").first
    with service.database.reading() as session:
        best = find_best_model(session, session.get_one(Job, job))
    assert best is not None
    expect(download).to_have_attribute("href", re.compile(best))
    page.reload()
    expect(download).to_have_attribute("href", re.compile(best))


def how(page: Page, name: str, mode: str) -> None:
    """Let a hyperparameter vary."""
    page.get_by_label(f"{name}: how it varies", exact=True).select_option(mode)


def start(page: Page, service: Service) -> Job:
    """Submit the form; answer the job, which says what the form showed."""
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    shown = json.loads(page.get_by_label("JSON body").inner_text())
    page.get_by_role("button", name="Start the race").click()
    expect(page).to_have_url(re.compile(r"#/jobs/j_\w+$"))
    with service.database.reading() as session:
        job = get_job(session, page.url.rsplit("/", 1)[1])
    assert job is not None
    assert job.spec == shown
    return job
