"""Probes, pages and the shape of the API itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from service.app import create_app
from service.database import Database
from service.leases import Leases
from service.problems import PROBLEMS
from service.settings import Settings
from tests.service.facts import submit
from tests.service.server import serve
from tests.service.test_api_jobs import code_of


def test_the_service_is_alive_at_once_and_ready_when_a_runner_is(api: httpx.Client, database: Database) -> None:
    assert api.get("/healthz").json() == {"status": "ok"}
    waiting = api.get("/readyz")
    assert waiting.status_code == 503
    assert waiting.json()["checks"] == {"database": True, "migrations": True, "runner": False}
    assert "runner" in waiting.json()["missing"][0]
    Leases(database, 15).beat("r1")
    assert api.get("/readyz").status_code == 200


def test_migrations_that_have_not_run_are_named(api: httpx.Client, database: Database) -> None:
    with database.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    assert api.get("/readyz").json()["checks"] == {"database": True, "migrations": False, "runner": False}


def test_a_database_that_is_away_is_a_503_that_says_when_to_come_back(
    settings: Settings, tmp_path: Path, sqlite_template: Path
) -> None:
    path = tmp_path / "locked.db"
    path.write_bytes(sqlite_template.read_bytes())
    app = create_app(settings.model_copy(update={"database_url": f"sqlite:///{path}"}))
    engine = app.state.context.database.engine
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 1"))
    other = Database(f"sqlite:///{path}")
    with serve(app) as client, other.writing() as session:
        session.execute(text("SELECT 1"))
        answer = client.post("/v1/jobs", json={"dataset": "iris"})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/v1/jobs").json()["items"] == []
    other.close()


def test_a_mistake_of_the_service_is_a_problem_without_its_details(settings: Settings) -> None:
    app = create_app(settings)

    @event.listens_for(app.state.context.database.engine, "before_cursor_execute")
    def fail(*_: object) -> None:
        raise OperationalError("SELECT secret", None, Exception("broken"))

    with serve(app) as client:
        answer = client.get("/v1/jobs")
    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal")
    assert "secret" not in answer.text


def test_metrics_count_jobs_and_requests_by_route(api: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    api.get(f"/v1/jobs/{job_id}")
    shown = api.get("/metrics").text
    assert 'regatta_jobs{state="queued"} 1.0' in shown
    assert 'route="/v1/jobs/{job_id}"' in shown
    assert job_id not in shown


def test_every_problem_type_has_a_page(api: httpx.Client) -> None:
    index = api.get("/problems").text
    for code, problem in PROBLEMS.items():
        page = api.get(f"/problems/{code}")
        assert page.status_code == 200
        assert problem.title in page.text
        assert f"/problems/{code}" in index


def test_the_dashboard_and_its_parts_come_from_the_service_itself(api: httpx.Client) -> None:
    assert "<title>Regatta</title>" in api.get("/").text
    module = api.get("/static/js/app.js")
    assert module.headers["content-type"].startswith("text/javascript")
    assert module.headers["cache-control"] == "no-cache"
    plotly = api.get("/static/plotly.min.js")
    assert plotly.status_code == 200
    assert b"plotly.js" in plotly.content[:500]
    assert code_of(api.get("/static/../settings.py")) == "not-found"


def test_the_catalog_lists_what_a_job_may_be_made_of(api: httpx.Client) -> None:
    catalog = api.get("/v1/catalog").json()
    assert {"random", "grid", "hyperopt"} <= {algorithm["kind"] for algorithm in catalog["algorithms"]}
    assert {"fifo", "asha", "hyperband", "pbt"} <= {scheduler["kind"] for scheduler in catalog["schedulers"]}


def test_the_schema_describes_the_job_spec_and_every_route(api: httpx.Client) -> None:
    schema = api.get("/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    assert "dataset" in schema["components"]["schemas"]["JobSpec"]["properties"]
    body = schema["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"] == {"$ref": "#/components/schemas/JobSpec"}
    assert set(body["examples"]) == {"smallest", "random", "hyperband", "external"}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            assert operation.get("description"), f"{method} {path} says nothing"


def test_the_api_imports_neither_ray_nor_torch(tmp_path: Path) -> None:
    code = """
import asyncio
import sys
import httpx
from service.app import create_app
from service.database import migrate
from service.settings import Settings
settings = Settings(data_dir=sys.argv[1])
migrate(settings.resolved_database_url)
async def ask():
    transport = httpx.ASGITransport(create_app(settings))
    async with httpx.AsyncClient(transport=transport, base_url="http://regatta") as client:
        assert (await client.post("/v1/jobs", json={"dataset": "iris"})).status_code == 201
        assert (await client.get("/v1/catalog")).status_code == 200
asyncio.run(ask())
heavy = {"ray", "torch", "hyperopt"} & set(sys.modules)
assert not heavy, heavy
"""
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["data_dir", "database_url", "lease_seconds"])
def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"REGATTA_{name.upper()}", "7")
    assert str(getattr(Settings(), name)) in ("7", "7.0")
