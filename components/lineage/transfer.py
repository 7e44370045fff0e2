"""Bytes between checkout, cache and remote."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from components.errors import DataMissing, LineageBroken
from components.lineage.checkouts import Checkout
from components.lineage.commands import dvc
from components.lineage.locks import project_lock
from components.lineage.outputs import listing, prove, record
from components.lineage.pipeline import Pipeline, out_hash
from components.lineage.remote import object_path

PATIENCE_S = 3600.0  # somebody else's transfer may be large
_ABSENT = "neither locally nor on remote"  # DVC's words


def pull(checkout: Checkout, targets: Sequence[str]) -> None:
    """Outputs (paths, or names of stages) brought from the remote with the run cache, and every file proved.

    Raises:
        DataMissing: if the remote never had an output.
        LineageBroken: names the file that is damaged, or says why the remote did not answer.
    """
    pipeline = Pipeline(checkout.path)
    paths = [path for target in targets for path in _paths(pipeline, target)]
    if checkout.remote is None:
        raise LineageBroken(f"no remote to pull {', '.join(paths)} from; start the store (swath up) or name one")
    with project_lock(checkout.project, f"pull of {', '.join(paths)}", PATIENCE_S):
        try:
            dvc(checkout.path, "pull", "--run-cache", *paths)
        except LineageBroken as error:
            _take_back(checkout, pipeline, paths)
            if _ABSENT in str(error):
                raise DataMissing(f"{', '.join(paths)}: not in the remote; push it where it was made") from error
            raise LineageBroken(f"{_damaged(checkout, pipeline, paths)}{error}") from error
    for path in paths:
        prove(checkout, path, pipeline)


def push(checkout: Checkout, targets: Sequence[str] = ()) -> None:
    """Outputs (paths or names of stages; none: all) and the run cache sent to the remote. Again is harmless.

    Raises:
        LineageBroken: if the remote did not take them; what it has stays, and the next push sends the rest.
    """
    if checkout.remote is None:
        raise LineageBroken("no remote to push to; start the store (swath up) or name one")
    pipeline = Pipeline(checkout.path)
    paths = [path for target in targets for path in _paths(pipeline, target)]
    with project_lock(checkout.project, "push", PATIENCE_S):
        dvc(checkout.path, "push", "--run-cache", *paths)


def track(checkout: Checkout, folder: str) -> str:
    """A folder of data (`data/sources/<dataset>/raw`) put under DVC with a manifest; answers its `.dvc` file.

    Raises:
        LineageBroken: if DVC refuses it.
    """
    dvc(checkout.path, "add", folder)
    pipeline = Pipeline(checkout.path)
    record(checkout, pipeline.stage(f"{folder}.dvc"), pipeline)
    return f"{folder}.dvc"


def materialise(checkout: Checkout, pipeline: Pipeline, paths: Sequence[str]) -> None:
    """Recorded outputs put into the checkout, from the cache or else from the remote; those there are left alone.

    Raises:
        DataMissing: if an output was never recorded, or neither cache nor remote holds it.
        LineageBroken: if the remote's copy is damaged or the remote does not answer.
    """
    missing = [path for path in paths if not (checkout.path / path).exists()]
    absent = [path for path in missing if not _cached(checkout, pipeline, path)]
    if absent and checkout.remote is None:
        raise DataMissing(f"{', '.join(absent)}: not in the cache, and there is no remote; run the stage that makes it")
    if absent:
        pull(checkout, absent)
    if here := [path for path in missing if path not in absent]:
        dvc(checkout.path, "checkout", *here)


def _paths(pipeline: Pipeline, target: str) -> tuple[str, ...]:
    return (target,) if pipeline.maker(target) else pipeline.stage(target).outs


def _recorded(checkout: Checkout, pipeline: Pipeline, path: str) -> str | None:
    maker = pipeline.maker(path)
    return out_hash(checkout.path, maker, path) if maker else None


def _cached(checkout: Checkout, pipeline: Pipeline, path: str) -> bool:
    """Whether the cache holds all of an output (that the bytes are right is proved later)."""
    recorded = _recorded(checkout, pipeline, path)
    return recorded is not None and not _uncached(checkout, recorded)


def _uncached(checkout: Checkout, recorded: str) -> list[str]:
    """Names of the files of an output that the cache lacks; `.` for all of it."""
    if not object_path(checkout.cache, recorded).is_file():
        return ["."]
    return [n for n, md5 in listing(checkout, recorded).items() if not object_path(checkout.cache, md5).is_file()]


def _damaged(checkout: Checkout, pipeline: Pipeline, paths: Sequence[str]) -> str:
    """DVC removes what fails the check and then says only that a folder is incomplete: name what did not arrive."""
    named = []
    for path in paths:
        recorded = _recorded(checkout, pipeline, path)
        for name in _uncached(checkout, recorded) if recorded else ():
            digest = recorded if name == "." else listing(checkout, str(recorded))[name]
            named.append(f"{path}/{name} (MD5 {digest})".replace("/.", ""))
    return f"damaged or missing in the remote: {', '.join(named)}; " if named else ""


def _take_back(checkout: Checkout, pipeline: Pipeline, paths: Sequence[str]) -> None:
    """An incomplete folder must not be taken for the output."""
    for path in paths:
        if pipeline.maker(path) and (checkout.path / path).is_dir():
            shutil.rmtree(checkout.path / path)
