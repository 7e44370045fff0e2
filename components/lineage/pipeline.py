"""The pipeline as it is written down: stages, what they need and make, and what DVC recorded of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import join, normpath
from typing import Any

import yaml

from components.errors import LineageBroken, UnknownName

FILES = ("dvc.yaml", "data/dvc.yaml")
LOCKS = ("dvc.lock", "data/dvc.lock")


@dataclass(frozen=True)
class Stage:
    """One stage, or one tracked folder (`raw.dvc`, without a command). Paths are project-relative."""

    name: str
    file: str  # the pipeline file, or the .dvc file
    command: str = ""
    deps: tuple[str, ...] = ()
    params: tuple[str, ...] = ()  # parameter files
    outs: tuple[str, ...] = ()  # those in DVC's cache
    uncached: tuple[str, ...] = ()  # those in git: reports

    @property
    def address(self) -> str:
        """What DVC calls it on its command line."""
        if not self.command or self.file == FILES[0]:
            return self.name
        return f"{self.file}:{self.name}"


class Pipeline:
    """All stages of a checkout.

    Raises:
        LineageBroken: if a pipeline file cannot be read, or two stages share a name.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stages: dict[str, Stage] = {}
        for stage in (*_tracked(root), *(s for file in FILES for s in _declared(root, file))):
            if stage.name in self.stages:
                raise LineageBroken(f"{stage.file}: stage {stage.name} exists twice; rename one")
            self.stages[stage.name] = stage
        self.makers = {out: stage for stage in self.stages.values() for out in (*stage.outs, *stage.uncached)}

    def stage(self, name: str) -> Stage:
        """The stage of that name, with or without its file before a colon.

        Raises:
            UnknownName: lists the known stages.
        """
        plain = name.rpartition(":")[2]
        if plain not in self.stages:
            raise UnknownName("stage", name, (s.name for s in self.stages.values() if s.command))
        return self.stages[plain]

    def upstream(self, name: str) -> tuple[Stage, ...]:
        """The stage and every stage that it needs, the needed ones first; tracked folders left out."""
        order: list[Stage] = []

        def visit(stage: Stage) -> None:
            for dep in stage.deps:
                maker = self.maker(dep)
                if maker and maker.command and maker not in order:
                    visit(maker)
            order.append(stage)

        visit(self.stage(name))
        return tuple(order)

    def maker(self, path: str) -> Stage | None:
        """The stage or .dvc file that makes or tracks ``path`` (or a folder around it); None for a file in git."""
        while path:
            if path in self.makers:
                return self.makers[path]
            path = path.rpartition("/")[0]
        return None

    def data_deps(self, stage: Stage) -> tuple[str, ...]:
        """Dependencies of a stage that DVC keeps; the rest are files in git."""
        return tuple(dep for dep in stage.deps if self.maker(dep))


def recorded(root: Path) -> dict[str, dict[str, Any]]:
    """What the lock files say of each stage, by stage name; empty where nothing was made yet."""
    return {name: entry for file in LOCKS for name, entry in read_lock(root / file).items()}


def read_lock(path: Path) -> dict[str, dict[str, Any]]:
    """The stages of one lock file; none if there is no such file.

    Raises:
        LineageBroken: if it is no lock file.
    """
    return parse_lock(path.read_text(), path) if path.is_file() else {}


def parse_lock(text: str, where: object) -> dict[str, dict[str, Any]]:
    """The stages in the text of a lock file.

    Raises:
        LineageBroken: if it is no lock file; ``where`` names it.
    """
    stages: dict[str, dict[str, Any]] = _loaded(text, where).get("stages") or {}
    return stages


def out_hash(root: Path, stage: Stage, path: str) -> str | None:
    """DVC's hash of one output as recorded (`<md5>` or `<md5>.dir`); None if it was never made."""
    entry = (
        recorded(root).get(stage.name, {}) if stage.command else _loaded((root / stage.file).read_text(), stage.file)
    )
    for out in entry.get("outs", ()):
        if out["path"] == path or (not stage.command and len(entry["outs"]) == 1):
            md5: str | None = out.get("md5")
            return md5
    return None


def _declared(root: Path, file: str) -> Iterator[Stage]:
    path = root / file
    if not path.is_file():
        return
    for name, entry in (_loaded(path.read_text(), file).get("stages") or {}).items():
        wdir = normpath(join(file.rpartition("/")[0], entry.get("wdir", ".")))
        outs = [*_named(entry.get("outs")), *_named(entry.get("metrics")), *_named(entry.get("plots"))]
        yield Stage(
            name=name,
            file=file,
            command=str(entry["cmd"]),
            deps=tuple(normpath(join(wdir, dep)) for dep in entry.get("deps") or ()),
            params=tuple(normpath(join(wdir, p)) for p in _param_files(entry.get("params"))),
            outs=tuple(normpath(join(wdir, out)) for out, options in outs if options.get("cache", True)),
            uncached=tuple(normpath(join(wdir, out)) for out, options in outs if not options.get("cache", True)),
        )


def _tracked(root: Path) -> Iterator[Stage]:
    for path in sorted((root / "data").glob("**/*.dvc")):
        file = path.relative_to(root).as_posix()
        outs = [out["path"] for out in _loaded(path.read_text(), file).get("outs", ())]
        yield Stage(file, file, outs=tuple(normpath(join(file.rpartition("/")[0], out)) for out in outs))


def _named(outs: list[Any] | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for out in outs or ():
        if isinstance(out, str):
            yield out, {}
        else:
            yield from out.items()


def _param_files(params: list[Any] | None) -> Iterator[str]:
    for each in params or ():
        if isinstance(each, str):
            yield "params.yaml"
        else:
            yield from each


def _loaded(text: str, where: object) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LineageBroken(f"{where} cannot be read: {error}; restore it with git checkout") from error
    if not isinstance(content, dict):
        raise LineageBroken(f"{where} holds no named values; restore it with git checkout")
    return content
