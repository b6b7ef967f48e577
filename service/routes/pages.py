"""Pages for people: the dashboard's files, Plotly's file from its Python package, and what each problem means."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from service.errors import not_found
from service.problems import PROBLEMS, render_index, render_page

router = APIRouter(include_in_schema=False)
WEB = Path(__file__).resolve().parent.parent / "web"


@router.get("/")
def dashboard() -> FileResponse:
    """Serve the dashboard."""
    return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})


@router.get("/static/plotly.min.js")
def plotly() -> FileResponse:
    """Serve the library that Plotly's Python package ships: nothing is fetched from elsewhere."""
    return FileResponse(_plotly_file(), headers={"Cache-Control": "public, max-age=86400"})


@router.get("/problems")
def problems() -> HTMLResponse:
    """List the types of problems."""
    return HTMLResponse(render_index())


@router.get("/problems/{code}")
def problem(code: str) -> HTMLResponse:
    """Explain a type of problem."""
    if code not in PROBLEMS:
        raise not_found("problem type", code)
    return HTMLResponse(render_page(code))


class _Modules(StaticFiles):
    """Files that a browser asks about every time: after an upgrade, old modules beside new ones would not fit."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "no-cache"
        return answer


def mount_static(app: FastAPI) -> None:
    """Serve the dashboard's files below /static."""
    app.mount("/static", _Modules(directory=WEB), name="static")


def _plotly_file() -> Path:
    """Find the file without importing plotly, which takes a while."""
    spec = find_spec("plotly")
    if spec is None or spec.origin is None:
        raise not_found("file", "plotly.min.js")
    return Path(spec.origin).parent / "package_data" / "plotly.min.js"
