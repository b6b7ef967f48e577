"""Settings of the service, and the variables that Ray must find: the only reader of the environment."""

from __future__ import annotations

import os
import secrets
from functools import lru_cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every knob of the service. Each reads `REGATTA_<NAME>`; arguments of a command win over the environment."""

    model_config = SettingsConfigDict(env_prefix="REGATTA_", extra="ignore", frozen=True)

    data_dir: Path = Field(Path(".regatta"), description="Where uploads, the embedded database and logs live.")
    database_url: str | None = Field(None, description="SQLAlchemy URL; null is SQLite inside the data directory.")
    host: str = Field("127.0.0.1", description="Address that the API listens on.")
    port: int = Field(8000, ge=0, le=65_535, description="Port that the API listens on.")
    log_level: str = Field("info", description="debug, info, warning or error.")
    log_json: bool = Field(True, description="JSON lines; false writes them for a reader at a terminal.")
    log_file: Path | None = Field(None, description="Where logs go; null is standard error.")

    workers: int | None = Field(None, ge=1, le=4096, description="Number of pack actors; null fits the machine.")
    ray_address: str | None = Field(None, description="Address of a Ray head; null starts one underneath.")
    lease_seconds: float = Field(15.0, gt=0, description="How long a job stays with a silent driver.")
    beat_seconds: float = Field(5.0, gt=0, description="How often a driver renews its lease.")
    storage_patience_seconds: float = Field(120.0, gt=0, description="How long a driver waits for its database.")
    ship_code: bool = Field(True, description="Send the packages to the nodes of a Ray that was not started here.")
    ray_token_file: Path | None = Field(None, description="Ray's token; null is `ray-token` in the data directory.")
    gpu_share: float = Field(
        1.0, gt=0, le=1, description="Share of a GPU that one pack actor takes where Ray has GPUs."
    )
    jobs_at_once: int = Field(4, ge=1, le=64, description="Jobs that run side by side and share the pack actors' time.")

    upload_max_bytes: int = Field(256 * 2**20, ge=1, description="Largest upload, as sent.")
    body_max_bytes: int = Field(16 * 2**20, ge=1, description="Largest request body that is no upload.")
    inflated_max_bytes: int = Field(2**30, ge=1, description="Largest upload once its gzip is opened.")
    parse_max_seconds: float = Field(60.0, gt=0, description="Time limit of the child that parses an upload.")
    parse_max_bytes: int = Field(2**31, ge=1, description="Memory limit of the child that parses an upload.")
    predict_max_rows: int = Field(100_000, ge=1, description="Most rows of one prediction.")
    predictor_cache_size: int = Field(16, ge=1, description="Models that are kept ready to predict.")

    event_poll_seconds: float = Field(0.05, gt=0, description="How often a live stream looks for new events.")
    event_stream_seconds: float = Field(900.0, gt=0, description="Longest life of one live stream.")

    @property
    def resolved_database_url(self) -> str:
        """The database's URL, with the embedded default filled in."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'regatta.db').resolve()}"

    @property
    def datasets_dir(self) -> Path:
        """Where the bytes of uploads are kept, named by their SHA-256."""
        return self.data_dir / "datasets"


@lru_cache(maxsize=1)
def read_settings() -> Settings:
    """Read the settings from the environment, once per process."""
    return Settings()  # type: ignore[call-arg]


def export_ray_environment(settings: Settings) -> None:
    """Set what Ray and Tune read from the environment. Call it before anything imports ray.

    Ray listens beyond loopback whatever its flags say, so it answers nobody without the token.
    """
    os.environ |= {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(make_ray_token(settings).resolve()),
        "RAY_ENABLE_AUTO_CONNECT": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_MAX_PENDING_TRIALS_PG": "1",  # the controller sets its own; without this Tune asks the cluster
    }


def make_ray_token(settings: Settings) -> Path:
    """Find the file that holds Ray's token, or make it, readable by its owner only."""
    path = settings.ray_token_file or settings.data_dir / "ray-token"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
    return path


def child_environment(settings: Settings) -> dict[str, str]:
    """Make the environment of a part of the service: these settings, and where the packages lie."""
    root = str(Path(__file__).resolve().parent.parent)
    given = {f"REGATTA_{name.upper()}": value for name, value in settings.model_dump(mode="json").items()}
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    told = {name: str(value) for name, value in given.items() if value is not None}
    return {**os.environ, **told, "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
