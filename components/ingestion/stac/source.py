"""A STAC API as a source: searched, planned, fetched into the source folder; what comes out are candidates."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import BadParams, BadScene, TooMuchMissing
from components.ingestion.candidates import SAFE_ID, BandFile, Candidate, Discovery, Unseen
from components.ingestion.declaration import Declaration
from components.ingestion.download import Manners, Sign, Wanted, fetch
from components.ingestion.layouts import StacLayout
from components.ingestion.roles import ImageDeclaration
from components.ingestion.stac.items import BandAsset, Item, Plan, plan_of
from components.ingestion.stac.search import search
from components.raster.dataset import Quarantined

logger = logging.getLogger(__name__)
Search = Callable[[StacLayout], Sequence[Item]]


def discover_stac(
    folder: Path, declaration: Declaration, *, manners: Manners | None = None, find: Search = search
) -> Discovery:
    """The items that match, with their assets under ``folder`` (`<item>/<asset>.tif`); what is there is not fetched.

    Raises:
        BadParams: if the declaration has no such layout, or its signing function cannot be had.
        SourceUnavailable: if the API does not answer.
        TooMuchMissing: if more than ``layout.max_missing`` of the items could not be fetched.
    """
    layout, image = declaration.layout, declaration.image
    if not isinstance(layout, StacLayout) or image is None:
        raise BadParams(declaration.name, "layout: no STAC API is declared, or no image")
    sign = signer(layout.sign)
    plans, quarantined = _planned(find(layout), image, layout)
    manners = manners or Manners(downloads=layout.downloads)
    failed = fetch([w for plan in plans for w in wanted_of(folder, plan)], sign=sign, manners=manners)
    whole, missing = [], []
    for plan in plans:
        reasons = [f"{w.path.name}: {failed[w.path]}" for w in wanted_of(folder, plan) if w.path in failed]
        if reasons:
            missing.append(Quarantined(plan.id, f"could not be fetched: {'; '.join(reasons)}"))
        else:
            whole.append(_candidate(folder, plan, declaration, layout))
    named = tuple(each.name for each in missing)
    found = Discovery(whole, sorted([*quarantined, *missing], key=lambda each: each.name), named)
    logger.info("%d items, %d of them could not be fetched", len(whole) + len(found.quarantined), len(missing))
    if found.missing_fraction > layout.max_missing:
        reasons = [f"{each.name} {each.reason}" for each in missing]
        raise TooMuchMissing(declaration.name, found.missing_fraction, layout.max_missing, reasons)
    return found


def signer(name: str | None) -> Sign | None:
    """The function `module:function` that makes a link usable; None for no name.

    Raises:
        BadParams: if there is no such module or function.
    """
    if name is None:
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise BadParams("layout.sign", f"{name}: {error}; give module:function of something installed here") from error
    return _checked(found, name)


def _checked(found: object, name: str) -> Sign:
    if not callable(found):
        raise BadParams("layout.sign", f"{name} is no function")

    def sign(href: str) -> str:
        signed = found(href)
        if not isinstance(signed, str):
            raise BadParams("layout.sign", f"{name} returned {type(signed).__name__}, a link was expected")
        return signed

    return sign


@dataclass
class _Seen:
    """Ids so far, to find what stands in two collections."""

    ids: set[str]

    def require_new(self, plan: Plan) -> None:
        if plan.id in self.ids:
            raise BadScene(plan.id, "two items of this id were found", "search one collection at a time")
        self.ids.add(plan.id)


def _planned(
    items: Sequence[Item], image: ImageDeclaration, layout: StacLayout
) -> tuple[list[Plan], list[Quarantined]]:
    plans, quarantined, seen = [], [], _Seen(set())
    for item in items:
        try:
            plan = plan_of(item, image, layout)
            require_names(plan)
            _require_cloud(item, layout)
            seen.require_new(plan)
            plans.append(plan)
        except BadScene as error:
            quarantined.append(Quarantined(str(item["id"]), str(error)))
    return plans, quarantined


def require_names(plan: Plan) -> None:
    """Nothing where id and assets make file names of their own: a catalogue comes from outside.

    Raises:
        BadScene: names what is no file name.
    """
    for name in (plan.id, *(each.asset for each in _assets(plan))):
        if not SAFE_ID.fullmatch(name):
            raise BadScene(plan.id, f"{name!r} is no file name", "ask the catalogue for ids of letters and digits")


def _require_cloud(item: Item, layout: StacLayout) -> None:
    if layout.max_cloud is not None and item["properties"].get("eo:cloud_cover") is None:
        raise BadScene(item["id"], "no eo:cloud_cover, so max_cloud says nothing", "leave max_cloud out")


def _assets(plan: Plan) -> tuple[BandAsset, ...]:
    return (*plan.bands, *((plan.mask,) if plan.mask else ()))


def path_of(folder: Path, plan: Plan, asset: BandAsset) -> Path:
    """Where an asset comes to lie: `<item>/<asset>.tif`."""
    name = asset.asset if Path(asset.asset).suffix.lower() in (".tif", ".tiff") else f"{asset.asset}.tif"
    return folder / plan.id / name


def wanted_of(folder: Path, plan: Plan) -> list[Wanted]:
    """What is to be fetched of an item, and where to."""
    return [
        Wanted(each.href, path_of(folder, plan, each), each.size, each.checksum, plan.version) for each in _assets(plan)
    ]


def _candidate(folder: Path, plan: Plan, declaration: Declaration, layout: StacLayout) -> Candidate:
    unseen = None
    if plan.mask and layout.mask:
        unseen = Unseen(BandFile(path_of(folder, plan, plan.mask), grid=plan.mask.grid), layout.mask.unseen)
    return Candidate(
        id=plan.id,
        place=plan.place,
        files={},
        bands={layout.role: {each.band: _band_file(folder, plan, each) for each in plan.bands}},
        unseen=unseen,
        acquired={layout.role: plan.acquired} if plan.acquired else {},
        properties={**declaration.properties, "swath:radiometry": _radiometry(plan), "swath:item": plan.id},
    )


def _band_file(folder: Path, plan: Plan, asset: BandAsset) -> BandFile:
    made = asset.radiometry
    scale, offset = (made.scale, made.offset) if made else (None, None)
    return BandFile(path_of(folder, plan, asset), scale, offset, asset.nodata, asset.grid)


def _radiometry(plan: Plan) -> dict[str, dict[str, object]]:
    """Scale and offset of each band with where they come from, as the ingested item keeps them."""
    return {each.band: vars(each.radiometry) for each in plan.bands if each.radiometry}
