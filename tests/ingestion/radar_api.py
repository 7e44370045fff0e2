"""A real STAC API with radar items: two bursts side by side on the dates of several relative orbits."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

from rasterio.warp import transform_bounds

from tests.ingestion.faulty_server import serving
from tests.ingestion.stac_api import stac_api
from tests.raster.series import FIRST, intensity
from tests.scenes import make_grid, write_plain

SIZE = 20
CORNERS = {"iw1": (500_000.0, 5_000_000.0), "iw2": (500_900.0, 5_000_300.0)}  # 30 columns east, 10 rows north
BBOX = [2.9, 45.0, 3.2, 45.3]


def pixels(orbit, index, burst, band):
    return intensity((SIZE, SIZE), orbit + 100 * index + 10 * (burst == "iw2") + (band == "VH"))


def radar_item(folder, url, orbit, index, burst, **properties):
    grid = make_grid((SIZE, SIZE), pixel=30.0, corner=CORNERS[burst])
    name = f"rtc-{orbit}-{index}-{burst}"
    west, south, east, north = transform_bounds(grid.crs, "EPSG:4326", *grid.bounds)
    assets = {}
    for band in ("VV", "VH"):
        write_plain(folder / name / f"{band}.tif", pixels(orbit, index, burst, band), grid, nodata=float("nan"))
        assets[band.lower()] = {"href": f"{url}/{name}/{band}.tif", "type": "image/tiff; application=geotiff"}
    day = FIRST + timedelta(days=12 * index, hours=0)
    second = 10 + 3 * (burst == "iw2")
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "rtc",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "links": [],
        "properties": {"datetime": f"{day}T01:59:{second}Z", "sat:relative_orbit": orbit, **properties},
        "assets": assets,
    }


@contextmanager
def radar_api(folder, orbits):
    """The file server and the URL of the API; ``orbits``: relative orbit -> its dates."""
    with serving(folder / "files") as files:
        items = [
            radar_item(files.folder, files.url, orbit, index, burst)
            for orbit, count in orbits.items()
            for index in range(count)
            for burst in CORNERS
        ]
        with stac_api(items, folder) as url:
            yield files, url


def radar_layout(url, **layout):
    """The layout and image of a dataset.yaml for that API."""
    found = {"kind": "stac", "url": url, "collections": ["rtc"], "bbox": BBOX, "datetime": "2023-01-01/2023-12-31"}
    image = {"bands": ["VV", "VH"], "unit": "intensity", "storage": {"dtype": "float32"}}
    return {"layout": {**found, "assets": {"VV": "vv", "VH": "vh"}, "place": "{id}", **layout}, "image": image}
