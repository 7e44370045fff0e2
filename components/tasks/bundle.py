"""Learnt numbers on disk: safetensors and JSON, never a pickle, and the way back to a method."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save
from torch import nn

from components.errors import UnknownName, VersionCorrupt
from components.inference.method import Method
from components.raster.atomic import atomic, write_text
from components.tasks.params import RunParams
from components.tasks.seam import Restorable, State, Task

RELEASED = "weights"
NAMED = 4  # names in a message; a network has hundreds  # the version's own weights; every other name is that of a fold


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where the weights and the preprocessing of that name lie in a run's folder."""
    if name == RELEASED:
        return folder / "weights.safetensors", folder / "preprocessing.json"
    return folder / "folds" / f"{name}.safetensors", folder / "folds" / f"{name}.json"


def save_state(folder: Path, name: str, state: State, preprocessing: Mapping[str, Any]) -> None:
    """Writes learnt arrays and preprocessing; the same numbers give the same bytes.

    Each file appears whole or not at all; the weights come last, so a folder with weights is complete.
    """
    weights, settings = paths(folder, name)
    text = json.dumps(dict(preprocessing), sort_keys=True, indent=1, allow_nan=False)
    write_text(settings, f"{text}\n")
    with atomic(weights) as temporary:
        # row-major copies: not `ascontiguousarray`, which gives a number without axes one axis
        temporary.write_bytes(save({key: np.array(state[key], order="C") for key in sorted(state)}))


def load_state(folder: Path, name: str = RELEASED) -> tuple[State, Mapping[str, Any]]:
    """Learnt arrays and preprocessing of that name.

    Raises:
        UnknownName: if there are none; lists those that exist.
        VersionCorrupt: if a file is not what it should be.
    """
    weights, settings = paths(folder, name)
    if not weights.is_file():
        raise UnknownName(f"weights in {folder}", name, _names(folder))
    try:
        return load_file(weights), json.loads(settings.read_text())
    except (SafetensorError, OSError, ValueError) as error:
        raise VersionCorrupt(str(folder), f"{name} cannot be read: {error}") from error


def restore(task: Task, params: RunParams, folder: Path, fold: str | None = None) -> Method:
    """The candidate with the learnt numbers of ``folder``: those released, or those of a fold.

    A split of one fold has released weights only: they are the fold's. A method that learns nothing is
    returned as it is.

    Raises:
        UnknownName: if the fold, or its weights, do not exist.
        VersionCorrupt: if names, shapes or types are not the method's.
    """
    folds = [each.name for each in params.split.folds()]
    if fold is not None and fold not in folds:
        raise UnknownName("fold", fold, folds)
    candidate = task.methods(params).candidate
    if not isinstance(candidate, Restorable):
        return candidate
    return candidate.restored(*load_state(folder, RELEASED if fold is None or len(folds) == 1 else fold))


def require_arrays(state: State, expected: Mapping[str, tuple[tuple[int, ...], str]], where: str) -> None:
    """Nothing where the state holds exactly the expected names, shapes and dtypes.

    Raises:
        VersionCorrupt: names what is missing, too much, or of another kind.
    """
    missing, extra = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or extra:
        raise VersionCorrupt(where, f"arrays missing: {_few(missing)}; extra: {_few(extra)}")
    for name, (shape, dtype) in expected.items():
        found = state[name]
        if found.shape != shape or str(found.dtype) != dtype:
            raise VersionCorrupt(where, f"{name} is {found.dtype} {found.shape}, expected {dtype} {shape}")


def _few(names: Sequence[str]) -> str:
    """The first names and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return (", ".join(names[:NAMED]) or "none") + more


def module_state(module: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
    """Parameters and buffers of a module as arrays of their own."""
    return {name: tensor.detach().cpu().numpy().copy() for name, tensor in module.state_dict().items()}


def load_module(module: nn.Module, state: State, where: str) -> None:
    """Puts a state into a module, which then is in evaluation mode.

    Raises:
        VersionCorrupt: if a name, shape or dtype is not the module's.
    """
    own = module.state_dict()
    expected = {name: (tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")) for name, tensor in own.items()}
    require_arrays(state, expected, where)
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in state.items()})
    # As in training: another layout sums in another order.
    module.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _names(folder: Path) -> list[str]:
    found = [path.stem for path in (folder / "folds").glob("*.safetensors")]
    return [*found, RELEASED] if (folder / "weights.safetensors").is_file() else found
