"""The docs tell the truth: every plug-in, route, setting and make target appears, and the README's blocks run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.artifact import Predictor
from models.bundled import BUNDLED, bundled_table, bundled_target
from models.scores import DEFAULTS, SCORES
from search.discovery import ALGORITHMS, FORMATS, SCHEDULERS
from search.plugins import admit
from service.__main__ import app as commands
from service.app import create_app
from service.problems import PROBLEMS
from service.settings import Settings
from tests.e2e.running import Running, start_service
from tests.service.packages import build_package
from workers.presets import PRESETS
from workers.spec import read_spec, resolve
from workers.trainers import TRAINERS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"(?:<!-- run: (?P<how>\w+) -->\n)?```(?P<language>bash|python)\n(?P<text>.*?)```", re.DOTALL)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


class Block(NamedTuple):
    """A block of code in the README; `how` is the word of the comment above it."""

    how: str | None
    language: str
    text: str


def readme_blocks(how: str) -> list[Block]:
    return [block for block in all_blocks() if block.how == how]


def all_blocks() -> list[Block]:
    return [Block(*found.group("how", "language", "text")) for found in BLOCK.finditer(read("README.md"))]


def read(path: str) -> str:
    return (ROOT / path).read_text()


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):(?!=)", read("Makefile"), re.MULTILINE))


def test_every_algorithm_and_scheduler_is_described_with_its_settings() -> None:
    page = read("docs/search.md")
    for plug_in in [*ALGORITHMS.values(), *SCHEDULERS.values()]:
        line = next((line for line in page.splitlines() if line.startswith(f"| `{plug_in.name()}` |")), "")
        settings = set(re.findall(r"`(\w+)`", line.split("|")[2])) if line else None
        assert settings == set(plug_in.model_fields) - {"kind"}, f"{plug_in.name()} in docs/search.md"


def test_the_table_of_pairs_says_what_is_admitted() -> None:
    lines = [line.strip("| ").split(" | ") for line in read("docs/search.md").partition("## Pairs")[2].splitlines()]
    header = next(cells for cells in lines if set(cells) == set(SCHEDULERS))
    told = {cells[0]: cells[1:] for cells in lines if cells[0] in ALGORITHMS}
    for name, algorithm in ALGORITHMS.items():
        fits = [
            "yes" if admit(algorithm, scheduler) is None else "no" for scheduler in map(SCHEDULERS.__getitem__, header)
        ]
        assert told[name] == fits


def test_every_hyperparameter_preset_and_bundled_set_is_named() -> None:
    page = read("docs/search.md")
    assert [name for trainer in TRAINERS.values() for name in trainer.names if f"`{name}`" not in page] == []
    assert [name for name in PRESETS if f"`{name}`" not in page] == []
    assert [name for name in BUNDLED if f"`{name}`" not in read("docs/api.md")] == []


def test_every_metric_is_listed_with_its_tasks_direction_and_needs() -> None:
    rows = [line.strip("| ").split(" | ") for line in read("docs/metrics.md").splitlines() if line.startswith("| `")]
    told = {name: cells[1:] for cells in rows for name in re.findall(r"`(\w+)`", cells[0])}
    default = {name: cells[0] for cells in rows for name in re.findall(r"`(\w+)` \*", cells[0])}
    letters = {"binary": "B", "multiclass": "M", "multilabel": "L"}
    assert set(told) == {score.name for score in SCORES}
    for score in SCORES:
        better = "higher" if score.maximize else "lower"
        tasks = " ".join(letters[task] for task in score.tasks if task in letters)
        assert told[score.name][: 3 if tasks else 1] == ([tasks, better, score.needs] if tasks else [better])
        if any(score.name in names for names in DEFAULTS.values()):
            marked = re.search(rf"`{score.name}` \* \(([BML ]+)\)", default[score.name])
            of = [letters[task] for task, names in DEFAULTS.items() if task in letters and score.name in names]
            assert (marked[1] if marked else tasks) == " ".join(of), score.name
    assert set(default) == {name for names in DEFAULTS.values() for name in names}


def test_every_format_that_imports_is_listed_and_no_other() -> None:
    assert re.findall(r"^\| `(\w+)` \|", read("docs/imports.md"), re.MULTILINE) == list(FORMATS)


def test_every_route_is_listed_and_no_other() -> None:
    paths = create_app().openapi()["paths"]
    routes = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert set(re.findall(r"^\| `((?:GET|POST|PATCH|PUT|DELETE) [^`]+)`", read("docs/api.md"), re.MULTILINE)) == routes


def test_every_problem_is_listed_with_its_status() -> None:
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (\d{3}) \|", read("docs/api.md"), re.MULTILINE))
    assert told == {code: str(problem.status) for code, problem in PROBLEMS.items()}


def test_every_setting_is_listed_and_no_other() -> None:
    told = re.findall(r"^\| `REGATTA_(\w+)` \|", read("docs/settings.md"), re.MULTILINE)
    assert sorted(told) == sorted(name.upper() for name in Settings.model_fields)


def test_every_command_and_make_target_is_listed() -> None:
    page = read("docs/operations.md")
    assert [target for target in make_targets() if f"`make {target}`" not in page] == []
    names = [
        command.name or command.callback.__name__ for command in commands.registered_commands if not command.hidden
    ]
    assert [name for name in names if f"| `{name}` |" not in page] == []


def test_make_help_names_every_target() -> None:
    command = ["make", "--no-print-directory", "help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {line.split()[1] for line in done.stdout.splitlines()} == make_targets()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    assert [target for target in LINK.findall(read(page)) if not (folder / target).exists()] == []


def test_decisions_are_short_and_say_why() -> None:
    records = sorted((DOCS / "decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text()
        assert len(text.splitlines()) <= 50, record.name
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Measurement", "Consequences")), (
            record.name
        )


def test_every_block_of_the_readme_says_how_it_is_run() -> None:
    assert {block.how for block in all_blocks()} == {"make", "service", "package"}


def test_the_make_commands_of_the_readme_exist() -> None:
    for block in readme_blocks("make"):
        for line in block.text.splitlines():
            subprocess.run(["make", "--dry-run", *line.partition("#")[0].split()[1:]], cwd=ROOT, check=True)


def test_the_readme_predicts_with_numpy_what_the_service_predicts(tmp_path: Path) -> None:
    job = resolve(read_spec({"dataset": "iris"}), bundled_table("iris").schema, [bundled_target("iris")])
    package = build_package(job, seed=5)
    answer = Predictor.from_package(package).card["example"]["answer"]
    (tmp_path / "model.zip").write_bytes(package)
    (block,) = readme_blocks("package")
    printed = run_python(block.text, tmp_path)
    assert printed.split()[0] == str(answer["predictions"][0]["label"])
    shares = [float(number) for number in re.findall(r"\d\.\d*(?:e-\d+)?", printed)]
    assert shares == pytest.approx(answer["predictions"][0]["probabilities"], abs=1e-4)


def run_python(text: str, folder: Path) -> str:
    """Run a block where our packages cannot be imported."""
    done = subprocess.run([sys.executable, "-I", "-c", text], cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start_service(tmp_path_factory.mktemp("docs") / "data")
    yield running
    running.stop()


@pytest.mark.slow
def test_the_readme_runs_a_job_by_curl_and_the_model_by_numpy(service: Running, tmp_path: Path) -> None:
    (block,) = readme_blocks("service")
    script = block.text.replace("http://127.0.0.1:8000", service.url)
    bash = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert '"label"' in done.stdout
    (block,) = readme_blocks("package")
    example = Predictor.from_package((tmp_path / "model.zip").read_bytes()).card["example"]["answer"]["predictions"][0]
    assert run_python(block.text, tmp_path).split()[0] == str(example["label"])


@pytest.mark.slow
def test_the_demo_runs_to_its_end() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    demo = subprocess.run(
        [sys.executable, "examples/demo.py"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for said in ("dashboard: http://", "leaderboard", "predicted:", "the service has stopped"):
        assert said in demo.stdout


def test_the_figures_of_the_readme_are_those_of_the_results() -> None:
    digits = read_figures("digits")
    recorded = read_figures("overhead")["recorded"]["sqlite"]
    beside = [recorded[f"random+{kind}"]["2000"]["ms_per_trial"]["median"] for kind in ("fifo", "asha")]
    readme = (ROOT / "README.md").read_text()
    assert f"| {digits['ms_per_trial']['median']:.0f} ms per trial" in readme
    assert f"| {digits['seconds_to_first_report']['median']:.1f} s |" in readme
    assert f"| {' / '.join(f'{figure:.1f}' for figure in beside)} ms |" in readme
    systems = read_figures("peers")["systems"]
    for name, system in systems.items():
        for size, of in system["by_trials"].items():
            if size != "64":
                assert f" {of['ms_per_trial']['median']:.{1 if name == 'regatta' else 0}f} ms" in readme, name
                for ratio in (ratio for n, ratio in of.get("times_ours", {}).items() if n != "64"):
                    assert f"({ratio:.{0 if size == '24' else 1}f} times)" in readme, name
    chapter = read_figures("chapter")
    faster = chapter["times_faster"]["scikit-learn float32"]["ms_per_trial"]
    assert f"| {faster:.0f} times faster, test MSE {chapter['regatta']['test_mse']:.2f} |" in readme


def test_the_scores_of_the_readme_are_those_of_the_results() -> None:
    figures, readme = read_figures("accuracy"), (ROOT / "README.md").read_text()
    for name in ("concrete", "energy", "wine"):
        winner, ensemble = (figures[name][key]["mean"] for key in ("test", "ensemble_test"))
        assert f"| {name}, test RMSE, five published splits | {winner:.3f} | {ensemble:.3f} |" in readme
    of_california = figures["california"]
    assert f"chapter's split | {of_california['test']:.3f} | {of_california['ensemble_test']:.3f} |" in readme
    for name in ("digits", "breast_cancer"):
        assert f"with a refit | {figures[name]['test']['mean']:.3f} |" in readme


def test_the_searches_of_the_readme_are_those_of_the_results() -> None:
    tables, readme = read_figures("search_quality")["tables"], (ROOT / "README.md").read_text()
    both = [tables[name] for name in ("protein", "parkinsons")]
    for kind in ("gp", "evolution", "optuna", "hyperopt"):
        first, second = (table["algorithms"][kind]["parallelism 1"]["mean"] for table in both)
        assert re.search(rf"\| `{kind}`(, the default without rungs)? \| {first:.4f} \| {second:.4f} \|", readme), kind
    for library in ("Optuna", "Hyperopt"):
        means = [[of["mean"] for name, of in table["libraries"].items() if name.startswith(library)] for table in both]
        assert f"{library}'s TPE by itself | {min(means[0]):.4f} | {min(means[1]):.4f} |" in readme
    for label, trials in (("its exact expectation", "100"), ("with 200 trials", "200")):
        first, second = (table["random expected"][trials] for table in both)
        assert f"{label} | {first:.4f} | {second:.4f} |" in readme


def test_the_epochs_to_a_target_of_the_readme_are_those_of_the_results() -> None:
    tasks, readme = read_figures("epochs_to_target")["tasks"], (ROOT / "README.md").read_text()
    rows = {"asha": "`asha`", "asha, hyperopt": "`asha` with `hyperopt`", "pbt": "`pbt`"}
    rows |= {"hyperband": "`hyperband`", "hyperband, bohb": "`hyperband` with `bohb`"}
    for kind, row in rows.items():
        shares = [tasks[name][kind]["share_of_whole"] for name in ("digits", "california")]
        said = ["not reached" if share is None else f"{share:.2f}" for share in shares]
        assert f"| {row} | {said[0]} | {said[1]} |" in readme, kind


def read_figures(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())["figures"]
    return figures
