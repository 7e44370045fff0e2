"""The territory: ground and cover of a seed, before any sensor has looked at it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from components.simulation.drawing import Warp
from components.simulation.landcover import Cover
from components.simulation.noise import Float, fractal, stream
from components.simulation.parcels import Parcels, parcels
from components.simulation.settlements import Settlements, settlements
from components.simulation.terrain import DRY, Terrain, slope, terrain

PIXEL_SIZE_M = 10.0
LEAST_SIDE_PX = 64  # below, neither a river nor two villages find room


@dataclass(frozen=True)
class Territory:
    """A piece of land; every raster is ``(row, col)`` with pixels of `PIXEL_SIZE_M`.

    ``cover`` holds codes of `Cover`; ``parcels`` the fields; ``roof`` the material on buildings;
    ``vigour`` the fertility of the ground (mean 0, deviation 1); ``severity`` how much of the plants a
    fire has taken (0..1). Sensors read it; only `changes` makes another one from it.
    """

    seed: int
    terrain: Terrain
    parcels: Parcels
    cover: NDArray[np.uint8]
    roof: NDArray[np.uint8]
    vigour: Float
    severity: Float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cover.shape[0], self.cover.shape[1]


def territory(seed: int, shape: tuple[int, int] = (256, 256)) -> Territory:
    """The territory of a seed: relief, water, fields, forest, roads and buildings.

    Raises:
        ValueError: if the seed is negative or a side is shorter than `LEAST_SIDE_PX`.
    """
    if min(shape) < LEAST_SIDE_PX:
        raise ValueError(f"a territory needs at least {LEAST_SIDE_PX} px a side, got {shape}")
    ground = terrain(seed, shape)
    warp = Warp(stream(seed, "warp"), shape, 9.0)
    fields = parcels(seed, shape, warp)
    built = settlements(seed, shape, ground.height_m, warp, fields.districts)
    vigour = fractal(stream(seed, "vigour"), shape, scale_px=22.0, slope=1.7)
    return Territory(
        seed=seed,
        terrain=ground,
        parcels=fields,
        cover=_cover(seed, ground, fields, built),
        roof=built.roof,
        vigour=vigour,
        severity=np.zeros(shape, dtype=np.float32),
    )


def _cover(seed: int, ground: Terrain, fields: Parcels, built: Settlements) -> NDArray[np.uint8]:
    """Codes of `Cover`; later lines lie on top of earlier ones."""
    rng = stream(seed, "cover")
    wild = _wildness(rng, ground, fields, built)
    forest_share = rng.uniform(0.24, 0.42)
    heath_share = rng.uniform(0.04, 0.14)
    heath_above, forest_above = np.quantile(wild, [1 - forest_share - heath_share, 1 - forest_share])
    stands = fractal(rng, wild.shape, scale_px=40.0, slope=2.2) + np.float32(rng.normal(0.1, 0.5))
    cover = np.full(wild.shape, Cover.FIELD, dtype=np.uint8)
    cover[wild > heath_above] = Cover.HEATH
    cover[wild > forest_above] = Cover.BROADLEAF
    cover[(wild > forest_above) & (stands > 0.35)] = Cover.CONIFER
    cover[built.track & (cover != Cover.HEATH)] = Cover.TRACK
    cover[built.garden] = Cover.GARDEN
    cover[built.roof > 0] = Cover.BUILDING
    cover[ground.stage_m > DRY] = Cover.LAKE
    cover[ground.river] = Cover.RIVER
    cover[built.road] = Cover.ROAD
    return cover


def _wildness(rng: np.random.Generator, ground: Terrain, fields: Parcels, built: Settlements) -> Float:
    """High where farming never paid: steep, high, far from villages; whole fields lean one way."""
    shape = ground.height_m.shape
    score = fractal(rng, (shape[0], shape[1]), scale_px=75.0, slope=2.3)
    score += np.float32(0.55) * ground.height_m / max(float(ground.height_m.std()), 1e-6)
    south, east = slope(ground.height_m, PIXEL_SIZE_M)
    score += np.float32(3.0) * np.hypot(south, east)
    score += rng.normal(0, 0.28, fields.count).astype(np.float32)[fields.number]
    return score - _village_pull(built.villages, (shape[0], shape[1]))


def _village_pull(villages: NDArray[np.float64], shape: tuple[int, int]) -> Float:
    """Clearing around villages, from 2.5 in the centre to 0 a kilometre away."""
    step = 8
    y = np.arange(step / 2, shape[0] + step, step)
    x = np.arange(step / 2, shape[1] + step, step)
    near_y = np.exp(-np.square((y[:, None] - villages[:, 1]) / 32))  # (row, village)
    near_x = np.exp(-np.square((x[:, None] - villages[:, 0]) / 32))  # (col, village)
    pull = (2.5 * near_y @ near_x.T).astype(np.float32)
    return np.asarray(zoom(pull, step, order=1, grid_mode=True, mode="nearest")[: shape[0], : shape[1]])
