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
    tokens: str = Field(
        "", description="comma-separated bearer tokens, plain or as `swath token` hashes them; empty: loopback only"
    )
    service_token: SecretStr = Field(SecretStr(""), description="token that flows use; empty: the first plain one")
    max_body_mb: int = Field(
        256, ge=1, description="largest request body; above 1 MB a file lies on disk, not in memory"
    )
    max_decoded_mb: int = Field(
        1024,
        ge=1,
        description="largest decoded raster of a request; memory is bounded by this times two, for two at a time",
    )
    max_waiting: int = Field(
        16, ge=1, description="requests admitted at once, more get 429; disk for uploads: this times SWATH_MAX_BODY_MB"
    )
    body_rate: float = Field(16 * 1024, gt=0, description="bytes/s that a body must reach, else 408")
    body_grace_s: float = Field(10.0, gt=0, description="seconds before the rate of a body counts")
    body_total_s: float = Field(600.0, gt=0, description="seconds within which a body must be whole, else 408")
    max_job_body_mb: int = Field(4096, ge=1, description="largest body of POST /jobs; it goes to disk as it comes")
    max_job_uploads: int = Field(4, ge=1, description="bodies of POST /jobs taken at once; more are answered 429")
    job_body_total_s: float = Field(3600.0, gt=0, description="seconds within which the body of a job must be whole")
    slots_mb: int = Field(8192, ge=1, description="memory for versions in service, those beside them included")
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
