"""From land cover and season to reflectance on the ground, by linear mixing of materials."""

from __future__ import annotations

import numpy as np

from components.simulation.landcover import Cover
from components.simulation.noise import Float, fractal, stream
from components.simulation.phenology import Season, drought, leaf_cover, stand
from components.simulation.spectra import SPECTRA, Material
from components.simulation.territory import Territory

# Brightness deviation of the fine texture: crowns and their shadows, roofs and yards, rows of a field.
TEXTURE = {
    Cover.FIELD: 0.045,
    Cover.HEATH: 0.10,
    Cover.BROADLEAF: 0.15,
    Cover.CONIFER: 0.17,
    Cover.GARDEN: 0.20,
    Cover.BUILDING: 0.12,
    Cover.ROAD: 0.06,
    Cover.TRACK: 0.08,
    Cover.CLEARCUT: 0.13,
}


def reflectance(land: Territory, season: Season, level_m: float = 0.0) -> Float:
    """Reflectance ``(band, row, col)`` of flat ground under a clear sky, bands as in `spectra.BANDS`.

    ``level_m`` is how far the lakes stand above their usual water level.
    """
    shares = abundances(land, season, level_m)
    mixed = SPECTRA.T @ shares.reshape(len(Material), -1)  # (band, pixel)
    pixels = np.asarray(mixed.reshape(-1, *land.shape), dtype=np.float32)
    pixels *= _texture(land)
    return pixels


def abundances(land: Territory, season: Season, level_m: float = 0.0) -> Float:
    """Ground shares ``(material, row, col)`` in the order of `Material`; they sum to 1 at each pixel."""
    table = _table(season)
    shares = np.empty((len(Material), *land.shape), dtype=np.float32)
    cover = land.cover.astype(np.intp)  # once here rather than inside every take
    for material in Material:
        shares[material] = table[:, material].take(cover)
    _add_fields(shares, land, season)
    _add_roofs(shares, land)
    _add_water(shares, land, level_m)
    _add_char(shares, land)
    return shares


def _table(season: Season) -> Float:
    """Fixed shares ``(cover, material)``; covers that vary by pixel have none."""
    leaf, dry = leaf_cover(season.day), drought(season.day)
    m = Material
    mixtures: dict[Cover, dict[Material, float]] = {
        Cover.HEATH: {m.GRASS: 0.48 - 0.28 * dry, m.STRAW: 0.14 + 0.28 * dry, m.BROADLEAF: 0.24, m.DRY_SOIL: 0.14},
        Cover.BROADLEAF: {m.BROADLEAF: leaf, m.BARK: 1 - leaf},
        Cover.CONIFER: {m.CONIFER: 0.9, m.BARK: 0.1},
        Cover.GARDEN: {m.GRASS: 0.4, m.BROADLEAF: 0.28 * leaf, m.BARK: 0.28 * (1 - leaf), m.CONCRETE: 0.32},
        Cover.ROAD: {m.ASPHALT: 0.82, m.GRASS: 0.18},
        Cover.TRACK: {m.DRY_SOIL: 0.5, m.GRASS: 0.5},
        Cover.CLEARCUT: {m.MOIST_SOIL: 0.34, m.BARK: 0.24, m.STRAW: 0.22, m.GRASS: 0.2},
    }
    table = np.zeros((len(Cover), len(Material)), dtype=np.float32)
    for cover, mixture in mixtures.items():
        for material, share in mixture.items():
            table[cover, material] = share
    return table


def _add_fields(shares: Float, land: Territory, season: Season) -> None:
    """Crops, grass, straw and soil of the fields, greener where the ground is more fertile (in place)."""
    stands = stand(land.seed, land.parcels, season)
    field = np.flatnonzero(land.cover == Cover.FIELD)
    number = land.parcels.number.ravel()[field]
    fertile = 1 + np.float32(0.07) * np.clip(land.vigour.ravel()[field], -3, 2)
    crop, grass = (np.minimum(part[number] * fertile, 1) for part in (stands.crop, stands.grass))
    straw = np.minimum(stands.straw[number], 1 - np.maximum(crop, grass))
    bare = 1 - crop - grass - straw
    dry = land.parcels.bright[number]
    flat = shares.reshape(len(Material), -1)
    parts = (crop, grass, straw, bare * dry, bare * (1 - dry))
    names = (Material.CROP, Material.GRASS, Material.STRAW, Material.DRY_SOIL, Material.MOIST_SOIL)
    for material, part in zip(names, parts, strict=True):
        flat[material, field] = part


def _add_roofs(shares: Float, land: Territory) -> None:
    """Roofs of one material each (in place)."""
    row, col = np.nonzero(land.cover == Cover.BUILDING)
    shares[land.roof[row, col], row, col] = 1


def _add_water(shares: Float, land: Territory, level_m: float) -> None:
    """Rivers, and lakes as far as their level reaches; the rest of a basin is mud and sand (in place)."""
    turbid = np.float32(stream(land.seed, "turbidity").uniform(0.15, 0.85))
    row, col = np.nonzero(land.cover == Cover.RIVER)
    shares[Material.CLEAR_WATER, row, col], shares[Material.TURBID_WATER, row, col] = 1 - turbid, turbid
    row, col = np.nonzero(land.cover == Cover.LAKE)
    wet = np.clip((land.terrain.stage_m[row, col] + np.float32(level_m)) * 2 + 0.5, 0, 1)
    shares[Material.CLEAR_WATER, row, col] = wet * (1 - turbid / 2)
    shares[Material.TURBID_WATER, row, col] = wet * turbid / 2
    shares[Material.MOIST_SOIL, row, col] = (1 - wet) * 0.6
    shares[Material.DRY_SOIL, row, col] = (1 - wet) * 0.4


def _add_char(shares: Float, land: Territory) -> None:
    """Char instead of plants, as far as the fire was severe (in place)."""
    row, col = np.nonzero(land.severity)
    severity = land.severity[row, col]
    shares[:, row, col] *= 1 - severity
    shares[Material.CHAR, row, col] += severity


def _texture(land: Territory) -> Float:
    """Brightness factor ``(row, col)`` of what lies below the pixel size; stays from date to date."""
    amount = np.zeros(len(Cover), dtype=np.float32)
    for cover, deviation in TEXTURE.items():
        amount[cover] = deviation
    fine = fractal(stream(land.seed, "texture"), land.shape, scale_px=4.0, slope=0.9)
    return np.asarray(1 + amount[land.cover] * np.clip(fine, -3, 3), dtype=np.float32)
