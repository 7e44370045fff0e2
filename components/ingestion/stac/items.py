"""What a STAC item says of its bands: which asset, which numbers, which grid. Nothing is fetched here.

Items as they are published: extensions of STAC 0.9 to 1.1, band objects or indexes into the item's list, one
projection for the item or one an asset, Sentinel-2 bands that share the common name `rededge`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from components.errors import BadScene
from components.ingestion.layouts import StacLayout
from components.ingestion.roles import ImageDeclaration
from components.ingestion.stac.radiometry import Radiometry, is_sentinel2, product_names, radiometry_of
from components.raster.bands import canonical
from components.raster.grid import Grid

Item = Mapping[str, Any]
_GEOTIFF = ("image/tiff", "image/vnd.stac.geotiff")


@dataclass(frozen=True)
class BandAsset:
    """One band of an item: its canonical name, where it lies, and what its numbers mean.

    ``grid`` and ``nodata`` are None where the item does not say.
    """

    band: str
    asset: str
    href: str
    radiometry: Radiometry | None  # None for a mask: codes have no scale
    nodata: float | None
    grid: Grid | None
    size: int | None
    checksum: str | None


@dataclass(frozen=True)
class Plan:
    """Everything that is to be fetched of an item, and what is known of it beforehand."""

    id: str
    place: str
    acquired: datetime | None
    version: str | None  # when the item last changed
    bands: tuple[BandAsset, ...]
    mask: BandAsset | None


def plan_of(item: Item, image: ImageDeclaration, layout: StacLayout) -> Plan:
    """The assets that make the declared bands of an item, in their order, and the mask where one is declared.

    Raises:
        BadScene: names the item and what it lacks: a band, a file that can be read, a processing baseline.
    """
    bands = tuple(_band(item, name, image, layout) for name in image.bands)
    mask = _asset(item, layout.mask.asset, "mask", None) if layout.mask else None
    moment = item["properties"].get("datetime")
    version = item["properties"].get("updated")
    return Plan(str(item["id"]), _place(item, layout), _time(moment), version, bands, mask)


def _band(item: Item, wanted: str, image: ImageDeclaration, layout: StacLayout) -> BandAsset:
    name = canonical(wanted)
    named = {canonical(band): asset for band, asset in layout.assets.items()}
    key = named.get(name) or _found(item, name)
    return _asset(item, key, name, image)


def _found(item: Item, name: str) -> str:
    """The one asset that holds this band alone."""
    data = {key: asset for key, asset in item["assets"].items() if _is_data(asset)}
    singles = {key: bands[0] for key, asset in data.items() if len(bands := _bands(item, asset)) == 1}
    found: list[str] = [key for key, band in singles.items() if _common(band) and canonical(_common(band)) == name]
    if is_sentinel2(item):  # its band numbers are ours, and three of them share a common name
        by_name = [key for key, band in singles.items() if canonical(str(band.get("name", ""))) == name]
        found = by_name or [key for key in data if canonical(key) == name] or found
    if len(found) != 1:
        offered = ", ".join(f"{key} ({_common(band) or band.get('name', '?')})" for key, band in singles.items())
        state = f"{len(found)} assets hold {name}: {', '.join(found)}" if found else f"no asset holds {name}"
        raise BadScene(item["id"], f"{state}; offered: {offered or 'none with a band'}", "say which in layout.assets")
    return found[0]


def _asset(item: Item, key: str, name: str, image: ImageDeclaration | None) -> BandAsset:
    matching = [each for each in item["assets"] if each == key or each.lower() == key.lower()]
    if not matching:
        raise BadScene(item["id"], f"no asset {key} for {name}", f"it has {', '.join(sorted(item['assets']))}")
    asset = item["assets"][matching[0]]
    kind = str(asset.get("type") or "image/tiff").split(";")[0].strip()
    if kind not in _GEOTIFF:
        raise BadScene(item["id"], f"asset {key} is {kind}", "name an asset that is a GeoTIFF in layout.assets")
    described = _raster(asset)
    nodata = _number(described.get("nodata"))
    return BandAsset(
        band=name,
        asset=matching[0],
        href=_href(item, asset),
        radiometry=radiometry_of(item, described, image) if image else None,
        nodata=nodata,
        grid=_grid(item, asset),
        size=asset.get("file:size"),
        checksum=asset.get("file:checksum"),
    )


def _is_data(asset: Mapping[str, Any]) -> bool:
    return not {"thumbnail", "overview", "visual", "metadata"} & set(asset.get("roles") or ())


def _bands(item: Item, asset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Band objects of an asset: STAC 1.1 `bands`, the eo extension, or its early indexes into the item's list."""
    listed: Sequence[Any] = asset.get("eo:bands") or asset.get("bands") or ()
    own: Sequence[Any] = item["properties"].get("eo:bands") or ()
    bands = [own[each] if isinstance(each, int) and each < len(own) else each for each in listed]
    return [each for each in bands if isinstance(each, Mapping)]


def _common(band: Mapping[str, Any]) -> str:
    return str(band.get("eo:common_name") or band.get("common_name") or "")


def _raster(asset: Mapping[str, Any]) -> dict[str, Any]:
    """What the raster extension says of the only band, with its names of version 1: scale, offset, nodata."""
    listed = asset.get("raster:bands") or asset.get("bands") or [{}]
    merged = {**asset, **(listed[0] if isinstance(listed[0], Mapping) else {})}
    wanted = ("scale", "offset", "nodata", "data_type")
    return {name: merged.get(f"raster:{name}", merged.get(name)) for name in wanted}


def _number(value: object) -> float | None:
    """A nodata value, which STAC writes as a number or as `nan`."""
    try:
        return None if value is None else float(str(value))
    except ValueError:
        return None


def _href(item: Item, asset: Mapping[str, Any]) -> str:
    """An absolute link; the alternate one where that is HTTP and the first one is not."""
    links = [link["href"] for link in item.get("links", ()) if link.get("rel") == "self"]
    alternates = [each["href"] for each in (asset.get("alternate") or {}).values()]
    absolute: list[str] = [urljoin(links[0], href) if links else href for href in (asset["href"], *alternates)]
    return next((href for href in absolute if urlsplit(href).scheme in ("http", "https")), absolute[0])


def _grid(item: Item, asset: Mapping[str, Any]) -> Grid | None:
    """The grid that the projection extension promises; None where it says too little."""
    said = {name: _said(item, asset, name) for name in ("code", "epsg", "wkt2", "shape", "transform")}
    code = said["code"] or (f"EPSG:{said['epsg']}" if said["epsg"] else None) or said["wkt2"]
    if code is None or said["shape"] is None or said["transform"] is None:
        return None
    try:
        crs = CRS.from_user_input(code)
    except CRSError as error:
        raise BadScene(item["id"], f"a projection that is unknown here: {code}", "name another collection") from error
    return Grid(crs, Affine(*(float(each) for each in said["transform"][:6])), (said["shape"][0], said["shape"][1]))


def _said(item: Item, asset: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401 - JSON
    return asset.get(f"proj:{name}", item["properties"].get(f"proj:{name}"))


def _place(item: Item, layout: StacLayout) -> str:
    fields = {
        "id": str(item["id"]),
        "collection": str(item.get("collection") or ""),
        "date": str(item["properties"].get("datetime") or "")[:10],
        "tile": _tile(item),
    }
    try:
        return layout.place.format_map(fields)
    except KeyError as error:
        raise BadScene(item["id"], f"layout.place asks for {error}", f"known: {', '.join(fields)}") from error


def _tile(item: Item) -> str:
    """MGRS tile, or path and row; the id where the item says neither."""
    said = item["properties"]
    for prefix in ("mgrs", "sentinel"):
        zone, *rest = (said.get(f"{prefix}:{name}") for name in ("utm_zone", "latitude_band", "grid_square"))
        if zone and all(rest):
            return f"{int(zone):02d}{''.join(map(str, rest))}"
    path, row = said.get("landsat:wrs_path"), said.get("landsat:wrs_row")
    if path and row:
        return f"{int(path):03d}{int(row):03d}"
    named = re.search(r"_T(\d\d[A-Z]{3})_", " ".join(product_names(item)))
    code = said.get("s2:mgrs_tile") or said.get("grid:code") or (named[1] if named else item["id"])
    return re.sub(r"^MGRS-", "", str(code))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
