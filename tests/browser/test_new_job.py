"""The form for a new job, in a real browser: drawn from the catalog, checked by the service."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from models.scores import DEFAULTS, scores_for
from search.discovery import ALGORITHMS, SCHEDULERS
from service.queries.jobs import get_job
from tests.browser.conftest import Service
from workers.trainers import TRAINERS

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]


def test_the_form_offers_all_that_the_catalog_lists(open_page: OpenPage) -> None:
    page = open_page("/#/new")
    algorithms = page.get_by_label("Algorithm", exact=True).locator("option")
    expect(algorithms).to_have_count(1 + len(ALGORITHMS))
    assert set(algorithms.all_inner_texts()) == {"automatic", *ALGORITHMS}
    schedulers = page.get_by_label("Scheduler", exact=True).locator("option").all_inner_texts()
    assert set(schedulers) == {"automatic", *SCHEDULERS}
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
    page.get_by_label("Range test", exact=True).check()
    page.get_by_label("Adopt", exact=True).check()
    page.get_by_label("Trials", exact=True).fill("9")
    page.get_by_label("Epochs per trial").fill("9")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    expect(page.locator(".preview-result")).to_contain_text("1.00e-5 to 10 in 500 steps, then the search within")
    shown = body(page)
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
    problem = row.locator("> .field-problem")
    expect(problem).to_contain_text("low must be below high")
    expect(page.get_by_label("learning_rate: low")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Start the race").click()
    expect(page).to_have_url(re.compile("#/new$"))
    page.get_by_label("learning_rate: low").fill("0.0005")
    expect(problem).to_be_hidden()
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
    for part, values in (("Test rows", ['"test"']), ("Validation rows", ['"valid"'])):
        expect(page.get_by_label(part, exact=True)).to_have_value("column")
        expect(settings(page, part).get_by_label("Column")).to_have_value("split")
        expect(settings(page, part).get_by_label("Values")).to_have_values(values)
    expect(page.locator(".preview-result")).to_contain_text("36 / 12 / 12")
    page.get_by_label("Dataset", exact=True).select_option("iris")
    for part, kind in (("Test rows", "fraction"), ("Validation rows", "holdout")):
        expect(page.get_by_label(part, exact=True)).to_have_value(kind)
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    assert "split" not in body(page)


@pytest.fixture
def visits(tmp_path: Path) -> Path:
    """A table with a date, groups and numbered folds."""
    rows = [f"{n % 7},2024-{n % 12 + 1:02}-{n % 27 + 1:02},c{n % 9},{n % 4},{n * 7 % 31}" for n in range(120)]
    table = tmp_path / "visits.csv"
    table.write_text("\n".join(["dose,day,customer,part_no,price", *rows, ""]))
    return table


@pytest.mark.parametrize(
    ("kind", "filled", "validation", "told"),
    [
        ("holdout", {"Fraction": "0.25"}, {"fraction": 0.25}, "72 / 24 / 24"),
        ("kfold", {"Folds": "4", "Repeats": "2"}, {"folds": 4, "repeats": 2}, "8 for each trial"),
        ("kfold", {"Group": "customer"}, {"group": "customer"}, "3 for each trial"),
        ("folds", {"Column": "part_no"}, {"column": "part_no"}, "4 for each trial"),
        ("time", {"Column": "day", "Fraction": "0.5"}, {"column": "day", "fraction": 0.5}, "48 / 48 / 24"),
        ("time", {"Column": "day", "Folds": "3"}, {"column": "day", "folds": 3}, "3 for each trial"),
    ],
)
def test_each_kind_of_split_is_filled_in(
    open_page: OpenPage, visits: Path, kind: str, filled: dict[str, str], validation: dict[str, Any], told: str
) -> None:
    page = open_page("/#/new")
    page.locator("input[type=file]").set_input_files(visits)
    expect(page.get_by_label("Target", exact=True)).to_have_values(["price"])
    page.get_by_label("Validation rows", exact=True).select_option(kind)
    for label, value in filled.items():
        control = settings(page, "Validation rows").get_by_label(label)
        if label in ("Column", "Group"):
            control.select_option(value)
        else:
            control.fill(value)
    expect(page.locator(".preview-result")).to_contain_text(told)
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    assert body(page)["split"] == {"validation": {"kind": kind, **validation}}


def test_other_parts_of_the_split_may_be_none_and_have_a_seed(open_page: OpenPage) -> None:
    page = open_page("/#/new?dataset=iris")
    page.get_by_label("Test rows", exact=True).select_option(label="none")
    page.get_by_text("Stopping rows, seed of the split").click()
    page.get_by_label("Stopping rows", exact=True).select_option("fraction")
    settings(page, "Stopping rows").get_by_label("Fraction").fill("0.25")
    page.locator("[data-path='split.seed'] input").fill("7")
    expect(page.locator(".preview-result")).to_contain_text("train / stop / validate / test rows")
    expect(page.locator(".preview-result")).to_contain_text("90 / 30 / 30 / 0")
    expect(page.locator(".fold", has_text="Stopping rows").locator("summary")).to_contain_text("2 set")
    stopping = {"kind": "fraction", "fraction": 0.25}
    assert body(page)["split"] == {"test": None, "stopping": stopping, "seed": 7}


def test_folds_repeats_refit_and_metrics_become_a_job(open_page: OpenPage, service: Service) -> None:
    page = open_page("/#/new?dataset=iris")
    page.get_by_label("Validation rows", exact=True).select_option("kfold")
    page.locator("[data-path=repeats] input").fill("2")
    page.get_by_label("Refit", exact=True).select_option(label="yes")
    page.get_by_label("Objective", exact=True).select_option("accuracy")
    page.get_by_text("Further metrics").first.click()
    page.get_by_label("f1 macro", exact=True).check()
    page.get_by_label("roc auc ovr", exact=True).check()
    page.get_by_label("Min delta", exact=True).fill("0.001")
    page.locator("[data-path='early_stopping.metric'] select").select_option("log_loss")
    page.get_by_label("Trials", exact=True).fill("4")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    expect(page.locator(".preview-result")).to_contain_text("24, 6 for each trial")
    page.get_by_role("button", name="Start the race").click()
    expect(page).to_have_url(re.compile(r"#/jobs/j_\w+$"))
    with service.database.reading() as session:
        job = get_job(session, page.url.rsplit("/", 1)[1])
        assert job is not None
        assert job.spec["metrics"] == ["f1_macro", "roc_auc_ovr"]
        resolved = job.resolved_spec
        assert (resolved["folds"], resolved["repeats"], resolved["refit"]) == (3, 2, True)
        assert resolved["objective"]["name"] == "accuracy"
        assert resolved["early_stopping"] == {"patience": 10, "min_delta": 0.001, "metric": "log_loss"}


def test_what_is_on_by_default_can_be_switched_off_and_set(open_page: OpenPage) -> None:
    page = open_page("/#/new?dataset=iris")
    page.get_by_label("Early stopping", exact=True).uncheck()
    expect(page.get_by_label("Patience", exact=True)).to_be_hidden()
    page.get_by_label("Size", exact=True).fill("5")
    page.get_by_label("Contenders", exact=True).fill("8")
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    shown = body(page)
    assert shown["early_stopping"] is None
    assert shown["ensemble"] == {"size": 5}
    assert shown["contenders"] == 8
    page.get_by_label("Ensemble", exact=True).uncheck()
    assert body(page)["ensemble"] is None
    page.get_by_label("Ensemble", exact=True).check()
    page.get_by_label("Size", exact=True).fill("")
    page.get_by_label("Early stopping", exact=True).check()
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    assert not {"early_stopping", "ensemble"} & set(body(page))


def test_metrics_are_those_of_the_task_and_a_chosen_one_that_no_longer_fits_is_refused_in_place(
    open_page: OpenPage,
) -> None:
    page = open_page("/#/new?dataset=iris")
    boxes = page.locator("[data-path=metrics] .checks label")
    expected = [score for score in scores_for("multiclass") if score.name not in DEFAULTS["multiclass"]]
    expect(boxes).to_have_text([score.name.replace("_", " ") for score in expected])
    offered = page.get_by_label("Objective", exact=True).locator("option")
    expect(offered).to_have_count(1 + len(scores_for("multiclass")))
    page.get_by_text("Further metrics").first.click()
    page.get_by_label("f1 macro", exact=True).check()
    page.get_by_text("Further metrics").first.click()
    page.get_by_label("Dataset", exact=True).select_option("diabetes")
    problem = page.locator("[data-path=metrics] > .field-problem")
    expect(problem).to_contain_text("no metric of regression")
    expect(problem).to_be_visible()  # the fold has opened
    page.get_by_label("f1 macro", exact=True).uncheck()
    expect(page.locator(".preview")).to_have_attribute("data-valid", "true")
    expect(boxes).to_have_count(sum(score.name not in DEFAULTS["regression"] for score in scores_for("regression")))


def test_a_problem_of_a_setting_stands_at_that_setting_alone(open_page: OpenPage) -> None:
    page = open_page("/#/new?dataset=iris")
    page.get_by_label("Validation rows", exact=True).select_option("kfold")
    page.get_by_label("Folds", exact=True).fill("101")
    problem = page.locator("[data-path='split.validation.folds'] .field-problem")
    expect(problem).to_contain_text("less than or equal to 100")
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    page.get_by_label("Folds", exact=True).fill("5")
    page.get_by_label("Validation rows", exact=True).select_option("time")
    expect(page.locator("[data-path='split.validation.column'] .field-problem")).to_contain_text("required")
    page.get_by_label("Validation rows", exact=True).select_option("holdout")
    page.get_by_text("Parallelism, points that come again").click()
    page.get_by_label("Parallelism", exact=True).fill("0")
    expect(page.locator("[data-path=parallelism] .field-problem")).to_contain_text("greater than or equal to 1")
    page.get_by_label("Parallelism", exact=True).fill("")
    page.get_by_label("Start", exact=True).fill("11")
    expect(page.locator("[data-path='ensemble.start'] .field-problem")).to_contain_text("at most size, 10")


def settings(page: Page, part: str) -> Locator:
    """The fields below a select of kinds."""
    return page.get_by_role("group", name=f"{part} settings")


def body(page: Page) -> Any:
    """The body as the form shows it."""
    return json.loads(page.get_by_label("JSON body").inner_text())
