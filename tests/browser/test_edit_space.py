"""Another space for a job, asked for on its page: in the editor of the form, taken by a real driver."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from service.driver import Commands
from service.submission import submit_job
from tests.browser.conftest import Service
from tests.service.outside import body as outside
from tests.service.test_api_extend import BODY, drive

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OpenPage = Callable[..., Page]


class Held:
    """A driver's own commands, which it comes to look at for the n-th time only when it may."""

    def __init__(self, look: int) -> None:
        self._look, self._n_looks = look, 0
        self.commands: Commands | None = None
        self.waits, self.may = threading.Event(), threading.Event()

    def edits(self) -> list[dict[str, Any]]:
        self._n_looks += 1
        if self._n_looks == self._look:
            self.waits.set()
            assert self.may.wait(120), "nobody lets the driver go on"
        assert self.commands is not None
        return self.commands.edits()

    def poll(self) -> str | None:
        assert self.commands is not None
        return self.commands.poll()


@contextmanager
def driven(service: Service, job: str, held: Held) -> Iterator[None]:
    """Drive a job up to where it is held; at the end to its own."""
    thread = threading.Thread(target=drive, args=(service.database, job, held))
    thread.start()
    try:
        assert held.waits.wait(120), "the driver does not come so far"
        yield
    finally:
        held.may.set()
        thread.join(120)


def test_the_space_of_a_running_job_is_narrowed_on_its_page_and_its_next_trials_lie_in_it(
    open_page: OpenPage, service: Service
) -> None:
    job = submitted(service, budget={"trials": 14, "epochs_per_trial": 4}, algorithm={"kind": "random"})
    held = Held(look=4)
    with driven(service, job, held):
        page = open_page(f"/#/jobs/{job}")
        expect(page.locator(".state-line .chip")).to_have_text("running")
        expect(page.locator(".edits-panel")).to_be_hidden()
        panel = opened(page)
        expect(panel.locator(".row-name")).to_have_text(["learning rate"])
        expect(panel).to_contain_text("of 14 trials that have not begun")
        low, high = (panel.get_by_label(f"learning_rate: {end}", exact=True) for end in ("low", "high"))
        expect(low).to_have_value("0.001")
        expect(high).to_have_value("0.1")
        low.fill("0.5")
        low.press("Enter")
        problem = panel.locator(".space-row > .field-problem")
        expect(problem).to_contain_text("low must be below high")
        expect(low).to_have_attribute("aria-invalid", "true")
        expect(low).to_be_focused()
        assert shown(service, job)["edits"] == []
        low.fill("0.05")
        expect(problem).to_be_hidden()
        high.fill("0.06")
        panel.get_by_role("button", name="Apply to new trials").click()
        expect(panel).to_be_hidden()
        edits = page.locator(".edits-panel li")
        expect(edits).to_contain_text("At the end of the round")
        (asked,) = shown(service, job)["edits"]
        assert (asked["space"], asked["round"]) == ({"learning_rate": {"low": 0.05, "high": 0.06}}, None)
        held.may.set()
        expect(edits.locator("strong")).to_contain_text("From trial")
        expect(edits.locator("dd")).to_have_text("low 0.05, high 0.06")
    first = int(edits.locator("strong").inner_text().split()[2])
    with httpx.Client(base_url=service.origin) as api:
        trials = api.get(f"/v1/jobs/{job}/trials", params={"order": "number", "limit": 100}).json()["items"]
    rates = [trial["parameters"]["learning_rate"] for trial in trials]
    assert 0 < first < len(rates) == 14
    assert all(0.05 <= rate <= 0.06 for rate in rates[first:])
    assert not all(0.05 <= rate <= 0.06 for rate in rates[:first])
    expect(page.locator(".state-line .chip")).to_have_text("succeeded")
    expect(button(page)).to_be_hidden()


def test_an_edit_says_what_was_changed_and_nothing_else(open_page: OpenPage, service: Service) -> None:
    space = {
        "learning_rate": {"type": "float", "low": 1e-3, "high": 0.1, "log": True, "default": 0.01},
        "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "momentum": {"type": "float", "mean": 0.5, "sigma": 0.1, "when": {"optimizer": {"eq": "sgd"}}},
    }
    job = submitted(service, preset="default", fixed={"units": 4}, space=space)
    page = open_page(f"/#/jobs/{job}")
    panel = opened(page)
    names = panel.locator(".row-name").all_inner_texts()
    assert names == [name.replace("_", " ") for name in shown(service, job)["resolved_spec"]["space"]]
    send = panel.get_by_role("button", name="Apply to new trials")
    expect(send).to_be_disabled()
    panel.get_by_label("learning_rate: how it varies").select_option("choice")
    panel.get_by_label("learning_rate: values, comma between").fill("0.01, 0.02")
    panel.get_by_label("dropout: high").fill("0.2")
    panel.get_by_text("Constraints").first.click()
    panel.get_by_label("Constraints", exact=True).fill("dropout + learning_rate <= 0.2")
    expect(panel).to_contain_text("Changes dropout, learning rate, constraints.")
    send.click()
    expect(panel).to_be_hidden()
    (asked,) = shown(service, job)["edits"]
    gone = {"low": None, "high": None, "log": None, "default": None}
    assert asked["space"]["learning_rate"] == {"type": "choice", "values": [0.01, 0.02], **gone}
    assert asked["space"]["dropout"] == {"type": "float", "low": 0, "high": 0.2}
    assert asked["space"].keys() == {"learning_rate", "dropout"}
    spec = shown(service, job)["spec"]
    assert spec["space"]["learning_rate"] == {"type": "choice", "values": [0.01, 0.02]}
    assert spec["space"]["momentum"] == space["momentum"]
    edits = page.locator(".edits-panel li")
    expect(edits.locator("strong")).to_have_text("When the job goes on")
    expect(edits.locator("dd")).to_have_text(["0 to 0.2", "0.01, 0.02", "dropout + learning_rate <= 0.2"])
    panel = opened(page)  # as it is now
    expect(panel.get_by_label("learning_rate: values, comma between")).to_have_value("0.01, 0.02")
    expect(panel.get_by_label("dropout: high")).to_have_value("0.2")
    panel.get_by_text("Constraints").first.click()
    panel.get_by_label("Constraints", exact=True).fill("")
    send.click()
    expect(edits).to_have_count(2)
    expect(edits.nth(1).locator("dd")).to_have_text("none")
    assert shown(service, job)["spec"]["constraints"] == []


def test_a_job_that_is_trained_outside_is_edited_by_its_own_names(open_page: OpenPage, service: Service) -> None:
    job = submit_job(service.database, outside(), None)[0].id
    page = open_page(f"/#/jobs/{job}")
    panel = opened(page)
    expect(panel.locator(".row-name")).to_have_text(["learning rate", "kernel", "degree"])
    panel.get_by_label("degree: high").fill("3")
    panel.get_by_label("kernel: values, comma between").fill("poly")
    panel.get_by_role("button", name="Apply to new trials").click()
    expect(panel.locator("[data-path='space.kernel'] > .field-problem")).to_contain_text("leaves nothing to choose")
    expect(panel.locator("[data-path='space.degree'] > .field-problem")).to_be_hidden()
    panel.get_by_label("kernel: values, comma between").fill("poly, rbf, linear")
    panel.get_by_role("button", name="Apply to new trials").click()
    expect(panel).to_be_hidden()
    (asked,) = shown(service, job)["edits"]
    assert asked["space"] == {"degree": {"high": 3}, "kernel": {"values": ["poly", "rbf", "linear"]}}
    expect(page.locator(".edits dd")).to_have_text(["poly, rbf, linear", "high 3"])


def test_the_panel_says_when_no_trial_is_left_to_draw(open_page: OpenPage, service: Service) -> None:
    job = submitted(service)
    page = open_page(f"/#/jobs/{job}")
    panel = opened(page)
    panel.get_by_label("learning_rate: high").fill("0.05")
    send = panel.get_by_role("button", name="Apply to new trials")
    expect(send).to_be_enabled()
    with httpx.Client(base_url=service.origin) as api:
        assert api.post(f"/v1/jobs/{job}/cancel").status_code == 200
    expect(panel).to_contain_text("The job has ended")
    expect(send).to_be_disabled()
    panel.get_by_role("button", name="Discard").click()
    expect(panel).to_be_hidden()
    expect(button(page)).to_be_hidden()


@pytest.mark.parametrize(
    "changes",
    [
        {"algorithm": {"kind": "grid"}, "space": {"units": {"type": "choice", "values": [2, 3]}}, "fixed": {}},
        {"algorithm": {"kind": "random"}, "scheduler": {"kind": "pbt"}, "parallelism": None},
        {
            "schedule": [{"epochs": 3, "parameters": {"learning_rate": 0.01}}],
            "space": None,
            "budget": {},
            "parallelism": None,
        },
        {"algorithm": {"kind": "evolution", "inherit_weights": True}, "scheduler": {"kind": "fifo"}},
    ],
)
def test_a_job_that_takes_no_edits_has_no_button_for_them(
    open_page: OpenPage, service: Service, changes: dict[str, Any]
) -> None:
    job = submitted(service, **changes)
    page = open_page(f"/#/jobs/{job}")
    expect(page.get_by_role("button", name="Extend")).to_be_visible()
    expect(button(page)).to_be_hidden()


def submitted(service: Service, **changes: Any) -> str:
    return submit_job(service.database, BODY | changes, None)[0].id


def button(page: Page) -> Locator:
    return page.get_by_role("button", name="Edit space")


def opened(page: Page) -> Locator:
    """The panel with its fields."""
    button(page).click()
    panel = page.get_by_role("form", name="Edit space")
    expect(panel.locator(".space-row").first).to_be_visible()
    return panel


def shown(service: Service, job: str) -> Any:
    """The job as the API tells it."""
    with httpx.Client(base_url=service.origin) as api:
        return api.get(f"/v1/jobs/{job}").json()
