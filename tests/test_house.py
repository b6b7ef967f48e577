"""The house: arrows between packages, what may be used where, sizes, and a start from any directory."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("search", "models", "workers", "service")
MOST_LINES = 300
SEARCH_MAY_IMPORT = {"search", "pydantic", "numpy"}
SQL = {"sqlalchemy", "alembic", "psycopg", "sqlite3"}
HTTP = {"fastapi", "starlette", "uvicorn", "httpx"}


class Import(NamedTuple):
    """One import: in which file, of what, and whether it runs when the file is imported."""

    file: str
    module: str
    at_import: bool

    @property
    def root(self) -> str:
        return self.module.partition(".")[0]


def sources(*packages: str) -> list[Path]:
    return sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))


def imports(*packages: str) -> list[Import]:
    found = []
    for path in sources(*packages):
        name = str(path.relative_to(ROOT))
        found += [Import(name, module, early) for module, early in _walk(ast.parse(path.read_text()), True)]
    return found


def _walk(node: ast.AST, at_import: bool) -> Iterator[tuple[str, bool]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from ((alias.name, at_import) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield child.module or "", at_import
        else:
            is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, at_import and not is_function and not _is_for_types(child))


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def files_that_import(roots: set[str], *packages: str) -> set[str]:
    return {found.file for found in imports(*packages) if found.root in roots}


def test_the_arrows_between_packages_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]


def test_search_needs_pydantic_and_numpy_only_until_a_plug_in_is_built() -> None:
    early = [found for found in imports("search") if found.at_import and found.root not in sys.stdlib_module_names]
    assert early, "nothing found: the walk is broken"
    assert [found for found in early if found.root not in SEARCH_MAY_IMPORT] == []


def test_models_train_without_ray() -> None:
    assert files_that_import({"ray", "hyperopt", "optuna"}, "models") == set()


def test_torch_is_the_matter_of_models() -> None:
    assert files_that_import({"torch"}, "search", "workers", "service") == {"workers/ray_seat.py"}


def test_only_the_joint_knows_the_controller_side_of_tune() -> None:
    inside = [
        found
        for found in imports(*PACKAGES)
        if re.match(r"ray\.(tune\.(execution|experiment)|train|air)", found.module)
    ]
    assert {found.file for found in inside} == {
        "workers/controller.py",
        "workers/lane_manager.py",
        "workers/succession.py",
    }


def test_sql_and_http_are_spoken_by_the_service_alone() -> None:
    assert files_that_import(SQL | HTTP, "search", "models", "workers") == set()


def test_settings_alone_read_the_environment() -> None:
    readers = {str(path.relative_to(ROOT)) for path in sources(*PACKAGES) if _reads_environment(path)}
    assert readers == {"service/settings.py"}


def _reads_environment(path: Path) -> bool:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names = {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    return bool({"environ", "getenv", "putenv"} & (attributes | names))


@pytest.mark.parametrize("module", ["workers.spec", "workers.resolved", "workers.catalog", "service.app"])
def test_a_spec_is_read_without_ray_and_without_torch(module: str) -> None:
    heavy = {"ray", "torch", "hyperopt", "optuna", "sklearn", "scipy"}
    program = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_no_file_grows_beyond_what_one_reads_at_a_sitting() -> None:
    long = {str(path.relative_to(ROOT)): n for path in _product_files() if (n := _count_lines(path)) > MOST_LINES}
    assert long == {}


def test_nothing_is_left_for_later_in_the_code() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [str(path) for path in _product_files() if marks.search(path.read_text())] == []


def _product_files() -> list[Path]:
    web = [path for pattern in ("*.js", "*.css", "*.html") for path in (ROOT / "service" / "web").rglob(pattern)]
    return [*sources(*PACKAGES, "examples", "benchmarks"), *web]


def _count_lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_no_address_of_a_package_index_and_no_path_of_a_machine_is_in_the_lock() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)] == []


def test_every_dependency_is_locked() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {_normal(re.split(r"[\[<>=~! ]", text)[0]) for text in wanted}
    lock = (ROOT / "requirements.lock").read_text()
    assert names - {_normal(line.split("==")[0]) for line in lock.splitlines() if "==" in line} == set()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_service_starts_from_another_directory(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert all(command in done.stdout for command in ("up", "api", "runner", "migrate", "doctor"))
