"""Folders of small radar dates as a user has them."""

from datetime import date, timedelta

import numpy as np

from tests.scenes import make_grid, write_plain

FIRST = date(2023, 1, 3)
PATTERN = r"(?P<date>\d{8})_(?P<band>VV|VH)\.tif"


def days(count, spacing=12):
    return [FIRST + timedelta(days=spacing * index) for index in range(count)]


def intensity(shape, seed=0, mean=0.1):
    return np.random.default_rng(seed).gamma(4.4, mean / 4.4, (1, *shape)).astype(np.float32)


def write_dates(folder, count=5, shape=(40, 50), bands=("VV", "VH"), **profile):
    """One file a date and band; pixel values are drawn anew for each."""
    for index, day in enumerate(days(count)):
        for number, band in enumerate(bands):
            pixels = intensity(shape, 10 * index + number)
            write_plain(folder / f"{day:%Y%m%d}_{band}.tif", pixels, nodata=float("nan"), **profile)
    return folder


def opera_name(day, *, orbit=137, burst="292320-IW1", band="VV", second=10, processed="20240101T000000Z"):
    start = f"{day:%Y%m%d}T0159{second:02d}Z"
    return f"OPERA_L2_RTC-S1_T{orbit:03d}-{burst}_{start}_{processed}_S1A_30_v1.0_{band}.tif"


def write_bursts(folder, count=3, *, bands=("VV", "VH"), orbit=137, size=20):
    """Two bursts a date, the second 30 columns east and 10 rows north, overlapping nothing."""
    for index, day in enumerate(days(count)):
        for number, (burst, corner) in enumerate(
            (("292320-IW1", (500_000.0, 5_000_000.0)), ("292320-IW2", (500_900.0, 5_000_300.0)))
        ):
            for band in bands:
                name = opera_name(day, orbit=orbit, burst=burst, band=band, second=10 + number)
                grid = make_grid((size, size), pixel=30.0, corner=corner)
                pixels = intensity((size, size), 100 * index + number)
                write_plain(folder / f"{day:%Y-%m-%d}" / name, pixels, grid, nodata=float("nan"))
    return folder
