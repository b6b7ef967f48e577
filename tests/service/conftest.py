"""A real API over a real socket, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.database import Database
from service.leases import Claim
from service.recorder import Recorder
from service.settings import Settings
from tests.service.facts import claim
from tests.service.server import serve


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of one test's service."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=database_url,
        upload_max_bytes=2_000_000,
        body_max_bytes=200_000,
        event_poll_seconds=0.02,
        parse_max_seconds=30,
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[httpx.Client]:
    """A client of a service that runs in a thread."""
    with serve(create_app(settings)) as client:
        yield client


@pytest.fixture
def held(database: Database) -> Claim:
    """A claimed job."""
    return claim(database)


@pytest.fixture
def recorder(database: Database, held: Claim) -> Recorder:
    """A recorder that writes every round at once."""
    return Recorder(database, held, least_gap_seconds=0.0)
