"""Where things are and how much is allowed: environment variables `SWATH_*` over `.swath/stack.env` over defaults.

Read by `flows/` and `serving/` only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.raster.limits import MB, PICTURES_TOO, ChildLimits, OpenLimits

MILLION = 1_000_000
# Which setting raises which limit, for the messages of refusals.
UPLOAD_SETTINGS = {
    "file_bytes": "max_body_mb", "decoded_bytes": "max_decoded_mb", "pixels": "max_megapixels",
    "edge_px": "max_edge_px", "bands": "max_bands", "block_bytes": "max_block_mb", "blocks": "max_blocks",
    "ratio": "max_ratio", "metadata_bytes": "max_metadata_kb",
}  # fmt: skip
LARGE_SETTINGS = {
    "file_bytes": "max_large_mb", "decoded_bytes": "max_large_decoded_mb", "pixels": "max_large_megapixels",
    "edge_px": "max_large_edge_px", "blocks": "max_large_blocks",
}  # fmt: skip
CHILD_SETTINGS = {"memory_bytes": "decoder_memory_mb", "cpu_s": "decoder_cpu_s", "wall_s": "decoder_wall_s"}

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
    max_megapixels: int = Field(70, ge=1, description="most pixels of a band of an uploaded raster, in millions")
    max_edge_px: int = Field(32768, ge=1, description="most rows or columns of an uploaded raster")
    max_bands: int = Field(64, ge=1, description="most bands of an uploaded raster")
    max_block_mb: int = Field(64, ge=1, le=96, description="largest tile or strip of any raster from outside, decoded")
    max_blocks: int = Field(200_000, ge=1, description="most tiles or strips of an uploaded raster, bands together")
    max_ratio: float = Field(1100.0, gt=1, description="largest decoded size over file size, above 16 MB decoded")
    max_metadata_kb: int = Field(256, ge=1, le=2048, description="most names and tags of any raster from outside")
    max_large_mb: int = Field(16_384, ge=1, description="largest file of a job, which is read by windows")
    max_large_decoded_mb: int = Field(262_144, ge=1, description="largest decoded raster of a job")
    max_large_megapixels: int = Field(10_000, ge=1, description="most pixels of a band of a job's raster, in millions")
    max_large_edge_px: int = Field(200_000, ge=1, description="most rows or columns of a job's raster")
    max_large_blocks: int = Field(2_000_000, ge=1, description="most tiles or strips of a job's raster")
    decoders: int = Field(2, ge=1, description="processes that open uploaded rasters")
    decoder_memory_mb: int = Field(1024, ge=128, description="memory of such a process, beside Python and GDAL")
    decoder_cpu_s: int = Field(30, ge=1, description="processor seconds that one uploaded raster may take to open")
    decoder_wall_s: float = Field(60.0, gt=0, description="seconds that one uploaded raster may take to open")
    decoder_files: int = Field(500, ge=1, description="rasters after which such a process is replaced")
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
    max_sync_mpx: int = Field(
        64, ge=1, description="megapixels answered at once, of a raster or of all files of a series; above: POST /jobs"
    )
    max_dates: int = Field(128, ge=1, description="most dates of a time series that a request or a job brings")
    jobs_url: SecretStr = Field(SecretStr(""), description="SQLAlchemy URL of the job table; empty: SQLite in .swath")
    jobs_attempts: int = Field(3, ge=1, description="times a job is tried before it has failed")
    jobs_keep_days: float = Field(7.0, gt=0, description="days that an ended job and its result are kept")
    jobs_idle_s: float = Field(60.0, ge=0, description="seconds without work after which the job worker ends")
    jobs_lease_s: float = Field(30.0, gt=2, description="seconds without a sign of life after which a worker is lost")
    jobs_wall_s: float = Field(6 * 3600.0, gt=0, description="longest time that one job may take")
    jobs_waiting: int = Field(1000, ge=1, description="jobs that may wait; more are answered 429")
    label_studio_url: str = Field("", description="Label Studio that reviews go to; empty: that of `make label-studio`")
    label_studio_token: SecretStr = Field(SecretStr(""), description="token of an account there")
    input_buckets: str = Field(
        "", description="comma-separated buckets whose objects may be inputs of jobs; empty: none"
    )
    poll_s: float = Field(1.0, gt=0, description="seconds between looks at the promotion pointer")

    @property
    def home(self) -> Path:
        """The folder of all state that is not in git: `.swath/` of the project."""
        return self.project / ".swath"

    @property
    def upload_limits(self) -> OpenLimits:
        """What an uploaded raster may ask for."""
        return OpenLimits(
            file_bytes=self.max_body_mb * MB,
            decoded_bytes=self.max_decoded_mb * MB,
            pixels=self.max_megapixels * MILLION,
            edge_px=self.max_edge_px,
            bands=self.max_bands,
            block_bytes=self.max_block_mb * MB,
            blocks=self.max_blocks,
            ratio=self.max_ratio,
            metadata_bytes=self.max_metadata_kb * 1024,
            settings=_variables(UPLOAD_SETTINGS),
        )

    @property
    def large_limits(self) -> OpenLimits:
        """What a raster may ask for that is read by windows: the input of a job."""
        return replace(
            self.upload_limits,
            file_bytes=self.max_large_mb * MB,
            decoded_bytes=self.max_large_decoded_mb * MB,
            pixels=self.max_large_megapixels * MILLION,
            edge_px=self.max_large_edge_px,
            blocks=self.max_large_blocks,
            settings=_variables(UPLOAD_SETTINGS | LARGE_SETTINGS),
        )

    @property
    def ingest_limits(self) -> OpenLimits:
        """What a file of a source folder may ask for; a scene is held whole while it is ingested."""
        return replace(self.large_limits, formats=PICTURES_TOO)

    @property
    def child_limits(self) -> ChildLimits:
        """What a process that opens rasters from outside may use."""
        return ChildLimits(
            memory_bytes=self.decoder_memory_mb * MB,
            cpu_s=self.decoder_cpu_s,
            wall_s=self.decoder_wall_s,
            files=self.decoder_files,
            settings=_variables(CHILD_SETTINGS),
        )


def _variables(names: Mapping[str, str]) -> dict[str, str]:
    """The environment variable of each limit, from the name of its setting."""
    return {limit: f"SWATH_{setting.upper()}" for limit, setting in names.items()}


def project_folder() -> Path:
    """The project: `SWATH_PROJECT`, or else the folder that holds this source code."""
    named = os.environ.get("SWATH_PROJECT")
    return Path(named).resolve() if named else Path(__file__).resolve().parents[1]


def load_settings(project: Path | None = None) -> Settings:
    """The settings in force for a project, those of its running stack included."""
    folder = project or project_folder()
    return Settings(_env_file=folder / STACK_ENV, project=folder)
