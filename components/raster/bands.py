"""Band names: many aliases, one canonical name each."""

from __future__ import annotations

from collections.abc import Sequence

from components.errors import BandMismatch

# Sentinel-2 MSI, common names of the STAC electro-optical extension beside ESA's band numbers.
_SENTINEL2 = {
    "B01": ("coastal",),
    "B02": ("blue",),
    "B03": ("green",),
    "B04": ("red",),
    "B05": ("rededge071", "rededge1"),
    "B06": ("rededge075", "rededge2"),
    "B07": ("rededge078", "rededge3"),
    "B08": ("nir",),
    "B8A": ("nir08", "rededge4"),
    "B09": ("nir09",),
    "B10": ("cirrus",),
    "B11": ("swir16", "swir1"),
    "B12": ("swir22", "swir2"),
}
_CANONICAL = {alias: name for name, aliases in _SENTINEL2.items() for alias in (name.lower(), *aliases)}


def canonical(name: str) -> str:
    """The one name of a band: `B2`, `b02` and `blue` are `B02`; an unknown name stays as it is."""
    lowered = name.strip().lower()
    if len(lowered) == 2 and lowered[0] == "b" and lowered[1].isdigit():
        lowered = f"b0{lowered[1]}"
    return _CANONICAL.get(lowered, name.strip())


def common_name(name: str) -> str | None:
    """The common name of a Sentinel-2 band (`blue` for `B02`); None for a band without one."""
    return next(iter(_SENTINEL2.get(canonical(name), ())), None)


def band_indexes(wanted: Sequence[str], found: Sequence[str], where: object) -> list[int]:
    """Positions (from 0) of the wanted bands among the found ones.

    Raises:
        BandMismatch: if one is missing or a name stands twice.
    """
    names = [canonical(name) for name in found]
    targets = [canonical(name) for name in wanted]
    if any(names.count(target) != 1 for target in targets):
        raise BandMismatch(where, wanted, found)
    return [names.index(target) for target in targets]
