"""The real API over a fresh SQLite database, and a real browser that watches what its pages request and log."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from service.app import create_app
from service.database import Database
from service.settings import Settings

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@dataclass
class Service:
    """A running API: its origin, and its database for those who play the driver."""

    origin: str
    database: Database


@dataclass
class Witness:
    """What a page did: requests to elsewhere, errors of its scripts and of its console."""

    origin: str
    strangers: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        """Listen to a page."""
        page.on("request", self._on_request)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        # The browser itself logs every refusal that a form shows, and a model that a better one has just replaced.
        refused = "status of 422" in message.text
        replaced = "status of 404" in message.text and "/v1/models/" in message.location["url"]
        if message.type == "error" and not (refused or replaced):
            self.errors.append(f"{message.text} {message.location['url']}")

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self.origin, "data:", "blob:")):
            self.strangers.append(request.url)


@pytest.fixture
def service(sqlite_template: Path, tmp_path: Path) -> Iterator[Service]:
    """The API on a free port, over its own database; ended at the end of the test."""
    shutil.copy(sqlite_template, tmp_path / "regatta.db")
    settings = Settings(data_dir=tmp_path, event_poll_seconds=0.05, event_stream_seconds=2)  # type: ignore[call-arg]
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(create_app(settings), log_level="warning", timeout_graceful_shutdown=1)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive(), "the API did not start"
            time.sleep(0.01)
        database = Database(settings.resolved_database_url)
        yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", database)
        database.close()
        server.should_exit = True
        thread.join(timeout=20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium."""
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("no Chromium: install the package chromium and put it on the PATH")
    with sync_playwright() as playwright:
        expect.set_options(timeout=45_000)
        running = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def witness(service: Service) -> Iterator[Witness]:
    """Fails the test at its end if a page asked elsewhere or logged an error."""
    seen = Witness(service.origin)
    yield seen
    assert not seen.strangers, "requests left the origin"
    assert not seen.errors, "errors in the browser"


@pytest.fixture
def open_page(browser: Browser, service: Service, witness: Witness) -> Iterator[Callable[..., Page]]:
    """Open a path of the dashboard in a page of its own, with the witness listening."""
    contexts = []

    def open_path(path: str, *, width: int = 1280, height: int = 900, scheme: str = "light") -> Page:
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        context.set_default_timeout(45_000)
        page = context.new_page()
        witness.watch(page)
        page.goto(service.origin + path)
        return page

    yield open_path
    for context in contexts:
        context.close()
