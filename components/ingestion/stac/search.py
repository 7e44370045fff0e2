"""Items that a STAC API finds for a layout; the only module that speaks its protocol."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pystac_client import Client
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from requests.exceptions import RequestException
from urllib3.util import Retry

from components.errors import BadParams, SourceUnavailable
from components.ingestion.layouts import StacLayout

TIMEOUT_S = (5.0, 60.0)  # to connect, to answer
PAGE = 100
LONGEST_ASKED_S = 300  # a longer Retry-After is cut to this


def search(layout: StacLayout, *, retries: int = 6) -> list[dict[str, Any]]:
    """The items by place, time and collection, by id; those with more cloud than allowed are left out here.

    Busy servers (429, 5xx) are asked again after what they say in Retry-After.

    Raises:
        SourceUnavailable: if the API does not answer, or refuses the search.
        BadParams: if more than ``layout.max_items`` match: a dataset is never cut silently.
    """
    patience = Retry(
        total=retries,
        backoff_factor=0.5,
        status_forcelist=(429, 500, 502, 503, 504),
        allowed_methods=None,
        respect_retry_after_header=True,
        retry_after_max=LONGEST_ASKED_S,
    )
    try:
        client = Client.open(layout.url, stac_io=StacApiIO(timeout=TIMEOUT_S, max_retries=patience))
        found = client.search(
            collections=list(layout.collections),
            bbox=layout.bbox,
            intersects=dict(layout.intersects) if layout.intersects else None,
            datetime=layout.datetime,
            limit=PAGE,
            max_items=layout.max_items + 1,
        )
        items, matched = _pages(found.pages_as_dicts())
    except (APIError, RequestException, NotImplementedError, json.JSONDecodeError) as error:
        raise SourceUnavailable(f"{layout.url}: the search failed ({_said(error)}); is it a STAC API?") from error
    if len(items) > layout.max_items:
        raise BadParams(layout.url, f"more than {layout.max_items} items match; narrow it or raise layout.max_items")
    if len(items) < min(matched, layout.max_items):
        raise SourceUnavailable(
            f"{layout.url}: {matched} items match, {len(items)} came; its pages are broken, try again"
        )
    return sorted((item for item in items if not _is_too_cloudy(item, layout)), key=lambda item: str(item["id"]))


def _pages(pages: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The items of all pages, and how many the API says there are (0 where it does not count)."""
    items: list[dict[str, Any]] = []
    matched = 0
    for page in pages:
        matched = page.get("numberMatched") or (page.get("context") or {}).get("matched") or matched
        items += page.get("features", [])
    return items, matched


def _is_too_cloudy(item: dict[str, Any], layout: StacLayout) -> bool:
    cloud = item["properties"].get("eo:cloud_cover")
    return layout.max_cloud is not None and cloud is not None and cloud > layout.max_cloud


def _said(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
