"""The form for a new job, in a real browser: drawn from the catalog, checked by the service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from search.discovery import ALGORITHMS, SCHEDULERS
from service.queries.jobs import get_job
from tests.browser.conftest import Service
from workers.trainers import TRAINERS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]


def test_the_form_offers_all_that_the_catalog_lists(open_page: OpenPage) -> None:
    page = open_page("/#/new")
    algorithms = page.get_by_label("Algorithm", exact=True).locator("option")
    expect(algorithms).to_have_count(len(ALGORITHMS))
    assert set(algorithms.all_inner_texts()) == set(ALGORITHMS)
    assert set(page.get_by_label("Scheduler", exact=True).locator("option").all_inner_texts()) == set(SCHEDULERS)
    names = [name.replace("_", " ") for name in TRAINERS["mlp"].names]
    assert page.locator(".row-name").all_inner_texts() == names
    page.get_by_label("Scheduler", exact=True).select_option("pbt")
    expect(page.get_by_label("perturbation interval")).to_have_value("5")


def test_a_filled_form_becomes_a_job(open_page: OpenPage, service: Service) -> None:
    page = open_page("/#/new?dataset=diabetes")
    expect(page.locator(".preview-result")).to_contain_text("progression")
    page.get_by_label("Name", exact=True).fill("from the form")
    page.get_by_label("optimizer: how it varies").select_option("fixed")
    page.get_by_label("optimizer: value", exact=True).select_option("sgd")
    page.get_by_label("learning_rate: how it varies").select_option("float")
    page.get_by_label("learning_rate: low").fill("0.001")
    page.get_by_label("learning_rate: high").fill("0.1")
    page.get_by_label("Algorithm", exact=True).select_option("random")
    page.get_by_label("Scheduler", exact=True).select_option("hyperband")
    page.get_by_label("Range test").select_option(label="search within it")
    page.get_by_label("Trials", exact=True).fill("9")
    page.get_by_label("Epochs per trial").fill("9")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    expect(page.locator(".preview-result")).to_contain_text("1.00e-5 to 10 in 500 steps, then the search within")
    shown = json.loads(page.get_by_label("JSON body").inner_text())
    page.get_by_role("button", name="Start the race").click()
    expect(page).to_have_url(re.compile(r"#/jobs/j_\w+$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("from the form")
    with service.database.reading() as session:
        job = get_job(session, page.url.rsplit("/", 1)[1])
        assert job is not None
        assert job.spec == shown
        assert job.resolved_spec["fixed"]["optimizer"] == "sgd"
        assert job.resolved_spec["space"]["learning_rate"]["high"] == 0.1
        assert job.resolved_spec["scheduler"]["kind"] == "hyperband"
        assert job.resolved_spec["range_test"]["adopt"] is True


def test_problems_stand_at_the_fields_that_they_name(open_page: OpenPage) -> None:
    page = open_page("/#/new")
    page.get_by_label("learning_rate: how it varies").select_option("float")
    page.get_by_label("learning_rate: low").fill("0.5")
    row = page.locator(".space-row", has_text="learning rate")
    expect(row.locator(".field-problem")).to_contain_text("low must be below high")
    expect(page.get_by_label("learning_rate: low")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Start the race").click()
    expect(page).to_have_url(re.compile("#/new$"))
    page.get_by_label("learning_rate: low").fill("0.0005")
    expect(row.locator(".field-problem")).to_be_hidden()
    page.get_by_label("Epochs per trial").fill("0")
    expect(page.locator(".field", has_text="Epochs per trial").locator(".field-problem")).to_be_visible()


def test_a_pair_that_cannot_work_is_refused_at_the_algorithm(open_page: OpenPage) -> None:
    page = open_page("/#/new")
    page.get_by_label("Algorithm", exact=True).select_option("hyperopt")
    page.get_by_label("Scheduler", exact=True).select_option("pbt")
    problem = page.locator("[data-path=algorithm] .field-problem")
    expect(problem).to_contain_text("pair it with random or grid")


def test_an_upload_is_chosen_at_once_and_its_names_stay_text(open_page: OpenPage, tmp_path: Path) -> None:
    hostile = "<img src=/owned onerror=alert(1)>"
    rows = "\n".join(f"{number},{number % 7},{number * 3 % 11}" for number in range(60))
    table = tmp_path / f"{hostile.replace('/', '_')}.csv"
    table.write_text(f'"{hostile}",b,price\n{rows}\n')
    page = open_page("/#/new")
    page.locator("input[type=file]").set_input_files(table)
    target = page.get_by_label("Target", exact=True)
    expect(target.locator("option")).to_have_text([hostile, "b", "price"])
    expect(target).to_have_values(["price"])
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    page.goto(page.url.split("#")[0] + "#/datasets")
    page.locator(".dataset summary").first.click()
    expect(page.locator(".dataset[open]")).to_contain_text(hostile)
    assert page.locator("img").count() == 0


def test_a_file_that_is_no_table_is_refused_in_place(open_page: OpenPage, tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n3\n")
    page = open_page("/#/datasets")
    page.locator("input[type=file]").set_input_files(broken)
    expect(page.locator(".upload-box .problem")).to_contain_text("line 3")


def test_a_column_that_marks_parts_becomes_the_split_and_not_the_target(open_page: OpenPage, tmp_path: Path) -> None:
    parts = ["train", "train", "train", "valid", "test"]
    rows = "\n".join(f"{number},{number * 3 % 11},{parts[number % 5]}" for number in range(60))
    table = tmp_path / "marked.csv"
    table.write_text(f"a,price,split\n{rows}\n")
    page = open_page("/#/new")
    page.locator("input[type=file]").set_input_files(table)
    expect(page.get_by_label("Target", exact=True)).to_have_values(["price"])
    expect(page.get_by_label("Test rows are")).to_have_values(['"test"'])
    expect(page.get_by_label("Validation rows are")).to_have_values(['"valid"'])
    expect(page.locator(".preview-result")).to_contain_text("36 / 12 / 12")
