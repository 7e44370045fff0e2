from dataclasses import dataclass

import numpy as np
import pytest
import torch
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Point
from torch import nn

from components.errors import GridMismatch
from components.inference.tiled import predict, tiling
from components.raster.grid import Grid
from components.raster.scene import Features, Scene

NAN = float("nan")


def scene(array):
    array = np.asarray(array, dtype=np.float32)
    grid = Grid(CRS.from_epsg(32631), Affine(10, 0, 5e5, 0, -10, 4e6), array.shape[-2:])
    return Scene(array, grid, tuple(f"b{i}" for i in range(len(array))), "reflectance", NAN)


def noise(rows, cols, seed=0):
    return scene(np.random.default_rng(seed).normal(size=(2, rows, cols)))


class Encoder(nn.Module):
    """Two levels of pooling with a skip, odd sizes padded at the far edge: receptive field below 24 px."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Conv2d(2, 4, 3, padding=1)
        self.middle = nn.Conv2d(4, 4, 3, padding=1)
        self.last = nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x):
        rows, cols = x.shape[-2:]
        x = nn.functional.pad(x, (0, -cols % 4, 0, -rows % 4))
        high = torch.relu(self.first(x))
        low = torch.relu(self.middle(nn.functional.max_pool2d(high, 4)))
        low = nn.functional.interpolate(low, scale_factor=4, mode="nearest")
        return self.last(torch.cat([high, low], dim=1))[..., :rows, :cols]


@dataclass
class Convolution:
    halo_px: int | None = 24
    calls: int = 0

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        self.calls += 1
        source = scenes["image"]
        with torch.no_grad():
            result = Encoder()(torch.from_numpy(np.nan_to_num(source.array))[None])[0].numpy()
        result[:, ~source.valid] = NAN
        return {"map": Scene(result, source.grid, ("score",), "1", NAN)}


@dataclass
class Threshold:
    """Needs the mean of the whole scene before it looks at a tile; knows no nodata."""

    halo_px: int | None = 0
    mean: float = NAN
    nodata: float | None = None

    def survey(self, scenes):
        return Threshold(self.halo_px, float(np.nanmean(scenes["image"].array)), self.nodata)

    def predict(self, scenes):
        above = (scenes["image"].array[:1] > self.mean).astype(np.uint8)
        return {"map": Scene(above, scenes["image"].grid, ("above",), "class", self.nodata)}


class Peaks:
    halo_px = 4

    def survey(self, scenes):
        return self

    def predict(self, scenes):
        source = scenes["image"]
        found = np.argwhere(source.array[0] > 0.5)
        points = tuple(Point(*(source.grid.transform @ (col + 0.5, row + 0.5))) for row, col in found)
        return {"peaks": Features(points, source.grid.crs, {"value": source.array[0][tuple(found.T)]})}


@pytest.mark.parametrize("shape", [(64, 64), (100, 70), (65, 129), (33, 200)])
def test_tiles_cover_every_pixel_exactly_once(shape):
    seen = np.zeros(shape, dtype=int)
    for core, _ in tiling(shape, 32, 8):
        seen[core.slices] += 1
    assert (seen == 1).all()


def test_tiles_and_their_context_start_on_the_alignment():
    for core, padded in tiling((300, 200), 50, 5, alignment_px=16):
        assert core.row % 16 == core.col % 16 == padded.row % 16 == padded.col % 16 == 0


@pytest.mark.parametrize("shape", [(96, 96), (101, 131), (75, 203)])
def test_tiled_equals_whole_for_a_network_with_pooling(shape):
    image = noise(*shape)
    method = Convolution()
    whole = predict(method, {"image": image}, tile_px=512)["map"]
    tiled = predict(method, {"image": image}, tile_px=48)["map"]
    assert method.calls > 2
    np.testing.assert_allclose(tiled.array, whole.array, atol=1e-4)
    assert tiled.grid == whole.grid


def test_a_halo_below_the_receptive_field_shows_seams():
    image = noise(96, 96)
    whole = predict(Convolution(), {"image": image})["map"]
    tiled = predict(Convolution(halo_px=0), {"image": image}, tile_px=48)["map"]
    assert np.abs(tiled.array - whole.array).max() > 1e-3


def test_a_small_scene_is_predicted_whole():
    method = Convolution()
    predict(method, {"image": noise(48, 40)}, tile_px=48)
    assert method.calls == 1


def test_a_method_without_halo_sees_the_whole_scene():
    method = Convolution(halo_px=None)
    predict(method, {"image": noise(100, 100)}, tile_px=32)
    assert method.calls == 1


def test_statistics_are_those_of_the_whole_scene_not_of_a_tile():
    ramp = scene(np.tile(np.arange(128.0), (1, 128, 1)))
    found = predict(Threshold(), {"image": ramp}, tile_px=32)["map"].array[0]
    assert (found == (np.arange(128) > 63.5)).all()


def test_tiles_without_a_valid_pixel_are_skipped_and_are_nodata():
    image = noise(64, 128)
    image.array[:, :, :64] = NAN
    method = Convolution(halo_px=0)
    found = predict(method, {"image": image}, tile_px=32)["map"]
    assert method.calls == 4
    assert np.array_equal(found.valid, image.valid)


def test_a_scene_of_nodata_only_gives_nodata_only():
    method = Convolution()
    found = predict(method, {"image": scene(np.full((2, 96, 96), NAN))}, tile_px=32)["map"]
    assert method.calls == 1
    assert not found.valid.any()


def test_an_output_that_knows_no_nodata_is_predicted_everywhere():
    image = scene(np.full((1, 64, 64), NAN))
    image.array[0, :32] = 1.0
    found = predict(Threshold(), {"image": image}, tile_px=32)["map"]
    assert found.array.shape == (1, 64, 64)
    assert not found.array.any()


def test_features_found_by_two_tiles_count_once():
    image = scene(np.zeros((1, 64, 64)))
    for row, col in [(3, 3), (31, 31), (32, 32), (31, 32), (63, 0)]:
        image.array[0, row, col] = 1
    found = predict(Peaks(), {"image": image}, tile_px=32)["peaks"]
    assert len(found.geometries) == len({point.wkt for point in found.geometries}) == 5
    assert len(found.table["value"]) == 5


def test_rasters_of_different_grids_are_not_tiled():
    with pytest.raises(GridMismatch):
        predict(Threshold(), {"image": noise(96, 96), "other": noise(96, 64)}, tile_px=32)


def test_progress_ends_at_the_number_of_tiles():
    seen = []
    predict(Threshold(nodata=255), {"image": noise(64, 96)}, tile_px=32, progress=lambda *step: seen.append(step))
    assert seen == [(number, 6) for number in range(1, 7)]


def test_a_change_of_dtype_between_tiles_is_refused():
    class Wandering(Threshold):
        def survey(self, scenes):
            return self

        def predict(self, scenes):
            source = scenes["image"]
            kind = np.uint8 if source.array[0, 0, 0] == 0 else np.uint16
            return {"map": Scene(source.array.astype(kind), source.grid, source.bands, "class", 255)}

    image = scene(np.repeat(np.arange(2.0), 32)[None, :, None] * np.ones((1, 1, 32)))
    with pytest.raises(ValueError, match="changes between tiles"):
        predict(Wandering(), {"image": image}, tile_px=32)
