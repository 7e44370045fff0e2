import tracemalloc
from datetime import datetime

import numpy as np
import pytest
import rasterio

from components.errors import BadScene, BandMismatch, GridMismatch, NotEnoughData, UnitMismatch, UnknownName
from components.raster import stacks
from components.raster.grid import Window
from components.raster.stacks import folder_stack, opera_stack
from tests.raster.series import PATTERN, days, intensity, opera_name, write_bursts, write_dates
from tests.scenes import make_grid, write_plain


def test_a_folder_by_date_pattern_is_a_series_in_the_order_of_its_dates(tmp_path):
    source = folder_stack(write_dates(tmp_path), PATTERN, unit="intensity")
    assert [date.date() for date in source.dates] == days(5)
    assert (source.bands, source.unit, source.grid.shape) == (("VV", "VH"), "intensity", (40, 50))
    stack = source.read()
    assert np.array_equal(stack.array[3, 1, None], intensity((40, 50), 31))


def test_a_window_holds_the_same_pixels_as_the_whole(tmp_path):
    source = folder_stack(write_dates(tmp_path), PATTERN, unit="intensity")
    window = Window(7, 9, 12, 20)
    part = source.read(window)
    assert np.array_equal(part.array, source.read().array[..., 7:19, 9:29])
    assert part.grid.same_as(source.grid.crop(window))


def test_files_with_several_bands_need_no_band_in_their_names(tmp_path):
    for index, day in enumerate(days(3)):
        path = write_plain(tmp_path / f"{day.isoformat()}.tif", np.concatenate([intensity((8, 8), index)] * 2))
        with rasterio.open(path, "r+") as dataset:
            dataset.descriptions = ("VH", "VV")
            dataset.units = ("intensity",) * 2
    source = folder_stack(tmp_path, r"(?P<date>[\d-]+)\.tif")
    assert (source.bands, source.unit, len(source.dates)) == (("VV", "VH"), "intensity", 3)


def test_reading_by_window_touches_only_its_pixels_and_keeps_memory_small(tmp_path, monkeypatch):
    shape, dates = (384, 384), 12
    write_dates(tmp_path, dates, shape, ("VV",), tiled=True, blockxsize=64, blockysize=64)
    source = folder_stack(tmp_path, PATTERN, unit="intensity")
    seen = []
    read = stacks.read_scene

    def spied(path, *, bands, window):
        seen.append(window.rows * window.cols)
        return read(path, bands=bands, window=window)

    monkeypatch.setattr(stacks, "read_scene", spied)
    tracemalloc.start()
    total = sum(float(np.nansum(source.read(window).array)) for window in source.windows(64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(seen) == dates * 384 * 384
    assert max(seen) == 64 * 64
    assert peak < 1e6  # the series holds 7 MB
    assert total == pytest.approx(0.1 * dates * 384 * 384, rel=0.01)


def test_windows_do_not_overlap_and_leave_out_what_no_file_covers(tmp_path):
    source = opera_stack(write_bursts(tmp_path))
    covered = np.zeros(source.grid.shape, int)
    for window in source.windows(10):
        covered[window.slices] += 1
    held = np.isfinite(source.read().array).all(axis=(0, 1))
    assert covered.max() == 1
    assert (covered[held] == 1).all()
    assert covered.sum() < covered.size


def test_bursts_of_one_date_are_put_side_by_side_on_one_raster(tmp_path):
    source = opera_stack(write_bursts(tmp_path))
    assert (len(source.dates), source.bands, source.orbit, source.unit) == (3, ("VV", "VH"), "137", "intensity")
    assert source.grid.shape == (30, 50)
    stack = source.read()
    assert np.array_equal(stack.array[2, 0, 10:, :20], intensity((20, 20), 200)[0])
    assert np.array_equal(stack.array[2, 0, :20, 30:], intensity((20, 20), 201)[0])
    assert np.isnan(stack.array[:, :, :10, :20]).all()
    assert np.isnan(stack.array[:, :, :, 20:30]).all()


def test_where_bursts_overlap_one_of_them_counts_and_they_are_not_averaged(tmp_path):
    for day in days(2):
        for number, burst in enumerate(("292320-IW1", "292321-IW1")):
            grid = make_grid((20, 20), corner=(500_000.0 + 50 * number, 5_000_000.0))
            pixels = np.full((1, 20, 20), 1.0 + number, np.float32)
            pixels[:, :4] = np.nan if number == 0 else pixels[:, :4]
            write_plain(tmp_path / opera_name(day, burst=burst, second=10 + number), pixels, grid)
    layer = opera_stack(tmp_path).read().array[0, 0]
    assert (layer[4:, :20] == 1).all()
    assert (layer[:4, 5:20] == 2).all()


def test_mixed_orbits_are_refused_by_name_unless_one_is_chosen(tmp_path):
    write_bursts(tmp_path, 3)
    write_bursts(tmp_path, 4, orbit=64)
    with pytest.raises(BadScene, match=r"137 \(3 dates\).*64 \(4 dates\).*choose one"):
        opera_stack(tmp_path)
    assert len(opera_stack(tmp_path, orbit="T064").dates) == 4
    assert len(opera_stack(tmp_path, orbit=137).dates) == 3
    with pytest.raises(UnknownName, match="137, 64"):
        opera_stack(tmp_path, orbit=22)


def test_a_date_that_stands_twice_is_named_with_both_files(tmp_path):
    write_bursts(tmp_path, 3)
    again = opera_name(days(3)[1], processed="20250101T000000Z")
    grid = make_grid((20, 20), pixel=30.0)
    write_plain(tmp_path / again, intensity((20, 20)), grid)
    with pytest.raises(BadScene, match=r"2023-01-15 stands twice for VV 292320-IW1: OPERA\S+ and OPERA\S+20250101"):
        opera_stack(tmp_path)


def test_different_grids_are_named(tmp_path):
    write_dates(tmp_path, 3)
    odd = make_grid((40, 50), corner=(500_003.0, 5_000_000.0))
    write_plain(tmp_path / "20240101_VV.tif", intensity((40, 50)), odd)
    with pytest.raises(GridMismatch, match=r"20230103_V[HV]\.tif.*20240101_VV\.tif"):
        folder_stack(tmp_path, PATTERN, unit="intensity")


def test_a_burst_off_the_raster_of_the_others_is_named(tmp_path):
    write_bursts(tmp_path, 2)
    path = tmp_path / opera_name(days(2)[0], burst="292321-IW1", second=13)
    write_plain(path, intensity((20, 20)), make_grid((20, 20), pixel=30.0, corner=(500_007.0, 5_000_000.0)))
    with pytest.raises(GridMismatch, match=r"292321-IW1.*one raster"):
        opera_stack(tmp_path)


def test_too_few_dates_are_named(tmp_path):
    write_dates(tmp_path, 3)
    with pytest.raises(NotEnoughData, match=r"at least 5 dates, found 3 \(2023-01-03, 2023-01-15, 2023-01-27\)"):
        folder_stack(tmp_path, PATTERN, unit="intensity", least=5)


def test_names_that_do_not_match_and_missing_folders_are_refused(tmp_path):
    write_dates(tmp_path, 2)
    with pytest.raises(NotEnoughData, match="no file name matches"):
        folder_stack(tmp_path, r"S1_(?P<date>\d{8})\.tif", unit="intensity")
    with pytest.raises(BadScene, match="no such folder"):
        opera_stack(tmp_path / "nowhere")
    with pytest.raises(BadScene, match="is no date"):
        folder_stack(tmp_path, r"(?P<date>\d{4})\d{4}_(?P<band>VV)\.tif", unit="intensity")
    with pytest.raises(BandMismatch, match="HH"):
        folder_stack(tmp_path, PATTERN, unit="intensity", bands=("HH",))


def test_the_unit_must_be_declared_or_in_the_file_and_may_not_contradict_it(tmp_path):
    write_dates(tmp_path, 2, bands=("VV",))
    with pytest.raises(BadScene, match="declare the unit"):
        folder_stack(tmp_path, PATTERN)
    for path in tmp_path.glob("*.tif"):
        with rasterio.open(path, "r+") as dataset:
            dataset.units = ("intensity",)
    assert folder_stack(tmp_path, PATTERN).unit == "intensity"
    with pytest.raises(UnitMismatch, match="db as declared"):
        folder_stack(tmp_path, PATTERN, unit="db")


def test_one_date_in_decibels_among_linear_ones_is_refused(tmp_path):
    write_dates(tmp_path, 4, bands=("VV",))
    odd = next(path for path in sorted(tmp_path.glob("*.tif"))[2:])
    write_plain(odd, 10 * np.log10(intensity((40, 50))))
    with pytest.raises(BadScene, match=rf"{odd.name}.*100% of the sampled pixels are negative.*`db`"):
        folder_stack(tmp_path, PATTERN, unit="intensity")


def test_linear_numbers_of_zero_and_below_are_no_measurement(tmp_path):
    pixels = intensity((8, 8))
    pixels[0, 0, :3] = 0, -0.001, np.nan
    for day in days(2):
        write_plain(tmp_path / f"{day:%Y%m%d}_VV.tif", pixels)
    stack = folder_stack(tmp_path, PATTERN, unit="intensity").read()
    assert np.isnan(stack.array[:, 0, 0, :3]).all()
    assert np.isfinite(stack.array[:, 0, 0, 3:]).all()


def test_a_date_without_one_band_is_nodata_there_and_stays(tmp_path):
    write_dates(tmp_path, 3)
    (tmp_path / f"{days(3)[1]:%Y%m%d}_VH.tif").unlink()
    stack = folder_stack(tmp_path, PATTERN, unit="intensity").read()
    assert np.isnan(stack.array[1, 1]).all()
    assert np.isfinite(stack.array[1, 0]).all()


def test_a_period_of_a_series_is_a_series(tmp_path):
    source = folder_stack(write_dates(tmp_path), PATTERN, unit="intensity")
    part = source.between(source.dates[1], source.dates[3])
    assert np.array_equal(part.read().array, source.read().array[1:4])
    with pytest.raises(NotEnoughData, match="another period"):
        source.between(datetime(1999, 1, 1, tzinfo=source.dates[0].tzinfo), source.dates[0].replace(year=2000))
