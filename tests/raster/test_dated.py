import numpy as np
import pytest

from components.errors import BadParams, BadScene, NotEnoughData, SwathError
from components.raster.dated import dated_stack
from tests.raster.series import days, intensity, opera_name, write_bursts, write_dates
from tests.scenes import make_grid, write_plain


def write_named(folder, names, bands=1, shape=(20, 30)):
    for number, name in enumerate(names):
        pixels = np.concatenate([intensity(shape, 10 * number + band) for band in range(bands)])
        write_plain(folder / name, pixels, make_grid(shape), nodata=float("nan"))
    return folder


def test_opera_names_need_neither_pattern_nor_unit(tmp_path):
    source = dated_stack(write_bursts(tmp_path))
    assert (source.bands, source.unit, source.orbit) == (("VV", "VH"), "intensity", "137")


def test_dates_and_polarisations_are_found_in_usual_names(tmp_path):
    source = dated_stack(write_dates(tmp_path), unit="intensity")
    assert source.bands == ("VV", "VH")
    assert [date.date() for date in source.dates] == days(5)


@pytest.mark.parametrize(
    "name",
    [
        "S1A_IW_GRDH_1SDV_{:%Y%m%d}T055005_20300101T055030_046672_vv.tif",
        "site/{:%Y-%m-%d}/gamma0_{:%Y-%m-%d}_VV.TIF",
        "VV-{:%Y%m%d}.tiff",
    ],
)
def test_the_first_date_of_a_name_counts(tmp_path, name):
    source = dated_stack(write_named(tmp_path, [name.format(day, day) for day in days(3)]), unit="intensity")
    assert [date.date() for date in source.dates] == days(3)
    assert source.bands == ("VV",)


def test_a_name_with_two_polarisations_leaves_the_bands_to_the_file(tmp_path):
    source = dated_stack(write_named(tmp_path, [f"{day:%Y%m%d}_VV_VH.tif" for day in days(2)], 2), unit="intensity")
    assert source.bands == ("band1", "band2")


def test_a_pattern_is_held_against_the_names(tmp_path):
    write_named(tmp_path, [f"a{day:%Y%m%d}b.tif" for day in days(3)] + ["a20230101c.tif"])
    assert len(dated_stack(tmp_path, pattern=r"a(?P<date>\d{8})b\.tif", unit="amplitude").dates) == 3


@pytest.mark.parametrize(
    ("pattern", "says"), [("(", "no regular expression"), (r"\d{8}\.tif", "no group `date`; an example is")]
)
def test_a_pattern_that_cannot_work_is_refused_with_an_example(tmp_path, pattern, says):
    with pytest.raises(BadParams, match=says):
        dated_stack(tmp_path, pattern=pattern)


@pytest.mark.parametrize(
    ("names", "options", "kind", "says"),
    [
        ([], {}, NotEnoughData, "no file name matches"),
        ([f"{days(1)[0]:%Y%m%d}.tif"], {"unit": "db"}, NotEnoughData, "expected at least 2 dates, found 1"),
        ([f"{day:%Y%m%d}.tif" for day in days(2)], {}, BadScene, "declare the unit"),
        ([f"{day:%Y%m%d}.tif" for day in days(2)], {"unit": "db"}, BadScene, "looks linear"),
        ([opera_name(days(2)[n], orbit=n + 7) for n in (0, 1)], {}, BadScene, "7 .1 dates., 8 .1 dates. are mixed"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said_with_the_remedy(tmp_path, names, options, kind, says):
    with pytest.raises(kind, match=says) as caught:
        dated_stack(write_named(tmp_path, names), **options)
    assert isinstance(caught.value, SwathError)
