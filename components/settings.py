"""Where things are and how much is allowed: environment variables `SWATH_*` over `.swath/stack.env` over defaults.

Read by `flows/` and `serving/` only.
"""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

STACK_ENV = Path(".swath") / "stack.env"


class Settings(BaseSettings):
    """All settings of one Swath installation."""

    model_config = SettingsConfigDict(env_prefix="SWATH_", extra="ignore", frozen=True)

    project: Path = Field(description="the checkout with git and DVC that runs start from")
    store_endpoint: str = Field("127.0.0.1:8333", description="host:port of the S3 server")
    store_access_key: str = "swath"
    store_secret_key: SecretStr = SecretStr("")
    store_secure: bool = False
    store_bucket: str = Field("swath", min_length=3, description="bucket of the registry")
    dvc_bucket: str = Field("swath-dvc", min_length=3, description="bucket of the DVC remote")
    prefect_api_url: str = "http://127.0.0.1:4200/api"
    service_url: str = "http://127.0.0.1:3000"
    reports_url: str = Field("http://127.0.0.1:3001", description="static server of pictures and Data Docs")
    runs: str = Field("", description="comma-separated runs that this service process serves; empty: all")
    tokens: str = Field("", description="comma-separated bearer tokens; empty: none needed, loopback only")
    max_body_mb: int = Field(256, ge=1, description="largest request body")
    max_decoded_mb: int = Field(1024, ge=1, description="largest decoded raster of a request")
    max_waiting: int = Field(16, ge=1, description="requests admitted at once; more are answered 429")
    max_sync_mpx: int = Field(64, ge=1, description="largest raster answered at once, in megapixels; above: POST /jobs")
    jobs_url: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL of the job table; empty: SQLite in .swath")
    jobs_attempts: int = Field(3, ge=1, description="times a job is tried before it has failed")
    jobs_keep_days: float = Field(7.0, gt=0, description="days that an ended job and its result are kept")
    jobs_idle_s: float = Field(60.0, ge=0, description="seconds without work after which the job worker ends")
    jobs_lease_s: float = Field(30.0, gt=2, description="seconds without a sign of life after which a worker is lost")
    jobs_wall_s: float = Field(6 * 3600.0, gt=0, description="longest time that one job may take")
    jobs_waiting: int = Field(1000, ge=1, description="jobs that may wait; more are answered 429")
    jobs_max_mb: int = Field(16 * 1024, ge=1, description="largest file or object that is an input of a job")
    jobs_max_mpx: int = Field(10_000, ge=1, description="largest raster of a job, in megapixels")
    input_buckets: str = Field(
        "", description="comma-separated buckets whose objects may be inputs of jobs; empty: none"
    )
    poll_s: float = Field(1.0, gt=0, description="seconds between looks at the promotion pointer")

    @property
    def home(self) -> Path:
        """The folder of all state that is not in git: `.swath/` of the project."""
        return self.project / ".swath"


def project_folder() -> Path:
    """The project: `SWATH_PROJECT`, or else the folder that holds this source code."""
    named = os.environ.get("SWATH_PROJECT")
    return Path(named).resolve() if named else Path(__file__).resolve().parents[1]


def load_settings(project: Path | None = None) -> Settings:
    """The settings in force for a project, those of its running stack included."""
    folder = project or project_folder()
    return Settings(_env_file=folder / STACK_ENV, project=folder)
