"""The command line of the service: `python -m service up`, and its parts."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from service.importing import importing
from service.settings import Settings, export_ray_environment, read_settings

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Regatta races thousands of MLPs at once.",
)

Host = Annotated[str | None, typer.Option(help="Address that the API listens on.")]
Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Port that the API listens on; 0 chooses one.")]
DataDir = Annotated[Path | None, typer.Option(help="Where uploads, the embedded database and logs live.")]
DatabaseUrl = Annotated[str | None, typer.Option(help="SQLAlchemy URL; SQLite in the data directory without it.")]
RayAddress = Annotated[str | None, typer.Option(help="host:port of a Ray head; one is started without it.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Number of pack actors; fits the machine without it.")]
Tied = Annotated[bool, typer.Option(hidden=True, help="End when standard input ends.")]


def _set_up(tied: bool = False, **given: Any) -> Settings:
    """Read the settings, with what the command line says on top, and set up logs."""
    from service.logs import set_up_logs
    from service.supervisor import tie_to_parent

    known = {name: value for name, value in given.items() if value is not None}
    settings = read_settings().model_copy(update=known)
    set_up_logs(settings)
    if tied:
        tie_to_parent()
    return settings


@app.command()
def up(
    host: Host = None,
    port: Port = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    ray_address: RayAddress = None,
    workers: Workers = None,
) -> None:
    """Everything in one command: API, runner, Ray, database. Ctrl-C ends all of it."""
    from service.ray_cluster import RayUnreachable, free_port
    from service.supervisor import Supervisor

    settings = _set_up(
        host=host, port=port, data_dir=data_dir, database_url=database_url, ray_address=ray_address, workers=workers
    )
    if settings.port == 0:
        settings = settings.model_copy(update={"port": free_port()})
    _need_free(settings)
    address = f"http://{settings.host}:{settings.port}"
    typer.echo(f"Regatta is starting; data in {settings.data_dir.resolve()}")
    try:
        Supervisor(settings).run(lambda: typer.echo(f"Regatta is ready: {address}"))
    except RayUnreachable as error:
        typer.echo(f"cannot start: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo("Regatta has stopped")


@app.command()
def api(
    host: Host = None, port: Port = None, data_dir: DataDir = None, database_url: DatabaseUrl = None, tied: Tied = False
) -> None:
    """The API and the dashboard. Needs a migrated database; runs no job."""
    with importing():
        import uvicorn

        from service.app import create_app

    settings = _set_up(tied, host=host, port=port, data_dir=data_dir, database_url=database_url)
    uvicorn.run(
        create_app(settings), host=settings.host, port=settings.port, log_config=None, timeout_graceful_shutdown=3
    )


@app.command()
def runner(
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    ray_address: RayAddress = None,
    workers: Workers = None,
    tied: Tied = False,
) -> None:
    """The runner: owns the pack actors, claims jobs and runs them. One per Ray cluster."""
    settings = _set_up(tied, data_dir=data_dir, database_url=database_url, ray_address=ray_address, workers=workers)
    export_ray_environment(settings)
    with importing():
        from service import ray_cluster
        from service.runner import Runner

    head = None if settings.ray_address else ray_cluster.start_head(settings)
    worker = Runner(settings, settings.ray_address or (head.address if head else ""))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())
    try:
        worker.run()
    except ray_cluster.RayUnreachable as error:
        typer.echo(f"cannot start: {error}", err=True)
        raise typer.Exit(1) from None
    finally:
        if head is not None:
            head.stop(settings)


@app.command(hidden=True)
def driver(ray_address: Annotated[str, typer.Option()]) -> None:
    """A runner's child; runs jobs that it reads from standard input."""
    settings = _set_up()
    export_ray_environment(settings)
    with importing():
        from service.driver import main

    main(settings, ray_address)


@app.command()
def migrate(data_dir: DataDir = None, database_url: DatabaseUrl = None) -> None:
    """Bring the database to the schema of this version."""
    from service import database

    settings = _set_up(data_dir=data_dir, database_url=database_url)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database.migrate(settings.resolved_database_url)
    typer.echo("the database is at the newest schema")


@app.command()
def doctor(
    port: Port = None, data_dir: DataDir = None, database_url: DatabaseUrl = None, ray_address: RayAddress = None
) -> None:
    """Look at the machine and the configuration; exit code 1 when something would keep the service from working."""
    settings = _set_up(port=port, data_dir=data_dir, database_url=database_url, ray_address=ray_address)
    from service.doctor import examine

    findings = examine(settings)
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.holds else 'FAIL'}  {finding.name}: {finding.detail}")
    raise typer.Exit(0 if all(finding.holds for finding in findings) else 1)


def _need_free(settings: Settings) -> None:
    from service.ray_cluster import is_listening

    if is_listening(f"{settings.host}:{settings.port}", 0.5):
        typer.echo(
            f"port {settings.port} on {settings.host} is taken: stop what listens there or give --port", err=True
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    sys.exit(app())
