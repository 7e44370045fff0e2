"""DVC's run cache: what a stage once made of the same inputs. An entry that is not true must go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from components.lineage.checkouts import Checkout


def forget(checkout: Checkout, entry: Mapping[str, Any] | None) -> int:
    """Removes the run-cache entries that say what a lock ``entry`` says; answers how many.

    DVC hashes inputs after the command, so an edit meanwhile leaves an entry that would later be restored as if the
    edited code had made the output.
    """
    if entry is None:
        return 0
    wrong = [path for path in (checkout.cache / "runs").glob("*/*/*") if _same(yaml.safe_load(path.read_text()), entry)]
    for path in wrong:
        path.unlink()
    return len(wrong)


def _same(left: Mapping[str, Any], right: Mapping[str, Any]) -> bool:
    return all(left.get(key) == right.get(key) for key in ("cmd", "params")) and all(
        _hashes(left, key) == _hashes(right, key) for key in ("deps", "outs")
    )


def _hashes(entry: Mapping[str, Any], key: str) -> set[tuple[str, str | None]]:
    return {(each["path"], each.get("md5")) for each in entry.get(key, ())}
