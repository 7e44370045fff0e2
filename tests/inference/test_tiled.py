from dataclasses import dataclass

import numpy as np
import pytest
import torch
from affine import Affine
from rasterio.crs import CRS
from shapely.geometry import Point
from torch import nn

from components.errors import GridMismatch
from components.inference.canvas import Canvas
from components.inference.engine import Plan, run
from components.inference.tiled import _InMemory, predict, predict_whole
from components.inference.tiling import Layout, weights
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
    for tile in Layout(32, 8).tiles(shape):
        seen[tile.core.slices] += 1
    assert (seen == 1).all()


def test_tiles_and_their_context_start_on_the_alignment():
    for tile in Layout(50, 5, alignment_px=16).tiles((300, 200)):
        assert tile.core.row % 16 == tile.core.col % 16 == tile.padded.row % 16 == tile.padded.col % 16 == 0


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


def test_a_constant_stays_a_constant_under_blending():
    class Same:
        halo_px, blend_px = 8, 16

        def survey(self, scenes):
            return self

        def predict(self, scenes):
            return {"map": scenes["image"]}

    image = scene(np.full((2, 150, 170), 7.0))
    image.array[:, 60:90, 60:100] = NAN
    found = predict(Same(), {"image": image}, tile_px=48)["map"]
    np.testing.assert_allclose(found.array, image.array, rtol=1e-6)


@pytest.mark.parametrize("blend", [0, 5, 16])
def test_the_shares_of_all_tiles_sum_to_one(blend):
    shape = (130, 97)
    total = np.zeros(shape)
    for tile in Layout(32, 4, blend).tiles(shape):
        rows, cols = weights(tile, shape)
        total[tile.reach.slices] += rows[:, None] * cols
    np.testing.assert_allclose(total, 1.0, atol=1e-6)


def test_blending_wider_than_half_a_tile_is_refused():
    with pytest.raises(ValueError, match="at least twice"):
        Layout(32, 0, blend_px=17)


class Stacked:
    """A network of one weight, computed in batches; runs out of memory above ``fits`` tiles at once."""

    halo_px, alignment_px, needs_survey = 0, 1, False

    def __init__(self, fits=99, error=torch.OutOfMemoryError):
        self.module, self.fits, self.error, self.batches = nn.Conv2d(1, 1, 1), fits, error, []

    def survey(self, scenes):
        return self

    def encode(self, scenes):
        return (np.nan_to_num(scenes["image"].array),), scenes["image"]

    def compute(self, arguments):
        (images,) = arguments
        self.batches.append(len(images))
        if len(images) > self.fits:
            raise self.error("CUDA out of memory")
        return self.module(images)

    def decode(self, context, said):
        said = np.where(context.valid, said, np.float32(NAN))
        return {"map": Scene(said, context.grid, ("score",), "1", NAN)}

    def predict(self, scenes):
        return predict_whole(self, scenes)


def batched(method, image, batch):
    canvas = Canvas(image.grid)
    plan = Plan(Layout(16, 0, alignment_px=1), batch)
    timings = run(method, _InMemory({"image": image}, image.grid), canvas, plan)
    return canvas.outputs["map"], timings


def test_tiles_in_batches_equal_the_whole():
    image, method = scene(noise(64, 70).array[:1]), Stacked()
    found, timings = batched(method, image, 4)
    np.testing.assert_allclose(found.array, method.predict({"image": image})["map"].array, atol=1e-5)
    assert max(method.batches) == 4
    assert timings.tiles == timings.predicted == 20


def test_a_batch_that_does_not_fit_is_halved_once_and_for_all(caplog):
    image, method = scene(noise(64, 64).array[:1]), Stacked(fits=2)
    found, _ = batched(method, image, 8)
    assert np.isfinite(found.array).all()
    assert sum(count > 2 for count in method.batches) == 2  # 8, then 4; never again
    assert "going on with batches of 2" in caplog.text


def test_a_tile_that_does_not_fit_alone_is_an_error():
    with pytest.raises(torch.OutOfMemoryError):
        batched(Stacked(fits=0), scene(noise(64, 64).array[:1]), 4)


def test_any_other_error_is_raised_as_it_is():
    with pytest.raises(RuntimeError, match="out of memory") as raised:
        batched(Stacked(fits=2, error=RuntimeError), scene(noise(64, 64).array[:1]), 8)
    assert raised.type is RuntimeError


def test_timings_add_up():
    _, timings = batched(Stacked(), scene(noise(64, 64).array[:1]), 2)
    assert 0 < timings.compute_s + timings.wait_s <= timings.total_s
    assert timings.as_json()["megapixels_per_s"] == pytest.approx(64 * 64 / 1e6 / timings.total_s, abs=1e-3)
    assert timings.peak_mb > 0
