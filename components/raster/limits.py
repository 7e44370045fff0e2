"""What a file from outside may ask for, and what the process that parses it may use. Plain values: no rasterio here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

MB = 1024**2
TIFF_ONLY = ("GTiff",)
PICTURES_TOO = ("GTiff", "PNG", "JPEG", "JP2OpenJPEG")  # what sources publish; uploads are GeoTIFF only


@dataclass(frozen=True)
class OpenLimits:
    """What a file may ask for. Defaults fit ten bands of 5000 x 5000 pixels.

    ``decoded_bytes`` counts the pixels as they come to lie in memory: four bytes at least, for values are float32.
    ``formats`` are GDAL's names of the drivers, chosen by the first bytes. ``settings`` says by which setting a
    field is raised, so that a refusal can name it.
    """

    file_bytes: int = 512 * MB
    decoded_bytes: int = 1024 * MB
    pixels: int = 8192 * 8192
    edge_px: int = 32768
    bands: int = 64
    block_bytes: int = 64 * MB
    blocks: int = 200_000
    # Deflate reaches 1032 to 1; what decodes to less than `free_bytes` may be as empty as it likes.
    ratio: float = 1100.0
    free_bytes: int = 16 * MB
    metadata_bytes: int = 256 * 1024
    formats: tuple[str, ...] = TIFF_ONLY
    settings: Mapping[str, str] = field(default_factory=dict)

    def remedy(self, limit: str, instead: str = "send a smaller window") -> str:
        """What to do about a limit that was met: ``instead``, or raising the setting where one is known."""
        return f"{instead}, or raise {self.settings[limit]}" if limit in self.settings else instead


@dataclass(frozen=True)
class ChildLimits:
    """What one decoder process may use.

    ``memory_bytes`` come on top of what Python and GDAL take when they start. ``cpu_s`` and ``wall_s`` are for one
    file (for one window of at most 128 MB where a file is laundered). After ``files`` files a process is replaced.
    ``start_s`` is how long a process may take to start, and a caller waits for a free one.
    """

    memory_bytes: int = 1024 * MB
    cpu_s: int = 30
    wall_s: float = 60.0
    files: int = 500
    open_files: int = 64
    start_s: float = 60.0
    settings: Mapping[str, str] = field(default_factory=dict)

    def raised_by(self, limit: str) -> str:
        """The setting that raises a limit, in brackets; empty where none is known."""
        return f" ({self.settings[limit]})" if limit in self.settings else ""
